"""What the words of a text contributed: values of Owen over a tree of tokens, sentences, clauses and words.

``tokens(model, row)`` is the interface; verbs use it. ``cut(text)`` is the tree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError, DataError
from assay.explain.piece import Piece, Pieces, interval, pieced, subject
from assay.model.column import is_text
from assay.model.model import Model
from assay.model.signature import Class

__all__ = ["Token", "cut", "tokens"]

Array = np.ndarray[Any, Any]
MOST = 48          # pieces: each sample asks about twice as many texts
BUDGET = 4_000     # texts that the model is asked
# scripts that are written without blanks are cut sign by sign
_BLANKLESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_BLANKLESS}]\s*|[^\s{_BLANKLESS}]+\s*")
_SENTENCE = re.compile(r"[.!?…。！？।؟][\"'”’)\]»」』]*\s*$|\n\s*$")  # noqa: RUF001
_CLAUSE = re.compile(r"[,;:、，；：،؛][\"'”’)\]»]*\s*$|^[–—-]\s*$")  # noqa: RUF001


class Token(NamedTuple):
    """One piece of a text: from ``start`` to ``stop``, in which sentence and clause (numbers without meaning beyond that)."""

    start: int
    stop: int
    sentence: int
    clause: int


def cut(text: str, most: int = MOST) -> list[Token]:
    """Return the pieces of a text, words where there are at most ``most``; of a longer text the shorter sentences stay whole.

    Together the pieces are the text. A sentence ends with its sign and a blank, or with a line; a clause with a comma, colon, semicolon
    or dash. The longest pieces are cut first, a sentence into its clauses, a clause into its words or, where these are too many, halves.

    >>> [("Good, but slow. Again!"[start:stop], sentence, clause) for start, stop, sentence, clause in cut("Good, but slow. Again!")]
    [('Good, ', 0, 0), ('but ', 0, 1), ('slow. ', 0, 1), ('Again!', 1, 2)]
    """
    words = [(each.start(), each.end()) for each in _WORD.finditer(text)]
    if not words:
        return [Token(0, len(text), 0, 0)] if text else []
    words[0] = (0, words[0][1])   # blanks before the first word are part of it
    sentence, clause = [0], [0]
    for start, stop in words[:-1]:
        ends = (text[stop - 1].isspace() and bool(_SENTENCE.search(text[start:stop]))) or text[start] in "。！？"  # noqa: RUF001
        sentence.append(sentence[-1] + ends)
        clause.append(clause[-1] + (ends or bool(_CLAUSE.search(text[start:stop]))))
    parts = [list(range(at, stop)) for at, stop in _runs(sentence)]
    if len(parts) > most:
        edges = np.linspace(0, len(parts), most + 1).astype(int).tolist()
        parts = [list(chain(*parts[low:high])) for low, high in pairwise(edges)]
    while True:   # the longest that can be cut and still leaves no more than there may be
        for place in sorted(range(len(parts)), key=lambda each: -len(parts[each])):
            made = _divided(parts[place], clause, most - len(parts) + 1) if len(parts[place]) > 1 else []
            if len(made) > 1:
                parts[place:place + 1] = made
                break
        else:
            break
    return [Token(words[each[0]][0], words[each[-1]][1], sentence[each[0]], clause[each[0]]) for each in parts]


def _divided(part: list[int], clause: Sequence[int], room: int) -> list[list[int]]:
    """A part cut into clauses, words or halves: the first of these of which no more than ``room`` come."""
    clauses = [part[low:high] for low, high in _runs([clause[each] for each in part])]
    for made in (clauses, [[each] for each in part], [part[:len(part) // 2], part[len(part) // 2:]]):
        if 1 < len(made) <= room:
            return made
    return []


def _runs(keys: Sequence[int]) -> list[tuple[int, int]]:
    """From where to where a key stays the same."""
    edges = [0, *(place for place in range(1, len(keys)) if keys[place] != keys[place - 1]), len(keys)]
    return list(pairwise(edges))


def tokens(model: Model, row: Any, column: str | None = None, *, quantity: str = "score", target: Class | None = None, mask: str = "",
           most: int = MOST, at_most: float | None = None, budget: int = BUDGET, seed: int = 0) -> Pieces:
    """Return what each word of a text contributed to what a model said of it, with intervals; one row, its other columns stay.

    A word that is absent is left out, or ``mask`` stands in its place (such as the ``[MASK]`` of a model that was trained with one).
    Words of a clause, and clauses of a sentence, come and go in turn (Owen 1977; Winter 1989), so that words are judged within their
    sentence first, and the values of a sentence's words add up to the value of the sentence. All add up to the answer less that to the
    text without any word. At most ``most`` pieces are made of a text (see ``cut``); at most ``budget`` texts are asked.

    Raises ``ConfigError`` where no text column can be meant, ``DataError`` where there is no text.

    >>> import assay
    >>> def happy(batch):
    ...     return [float(text.count("good")) - text.count("bad") for text in batch.column(0).to_pylist()]
    >>> model = assay.load(happy, task="regression", features=["review"])
    >>> made = tokens(model, {"review": ["A good start. The end, too, is good."]})
    >>> dict(zip(made.attributions.columns, made.attributions.values[0].round(9).tolist(), strict=True))["good"]
    1.0
    >>> [(each.name, round(each.value, 9)) for each in made.tree]
    [('A good start.', 1.0), ('The end, too, is good.', 1.0)]
    """
    what = subject(model, row, column, is_text, "text", quantity, target)
    if most < 2:
        raise ConfigError(f"most is {most}", expected="at least two pieces")
    kind = what.row.column(what.place).type
    text = str(what.row.column(what.place)[0].as_py())
    found = cut(text, most)
    if not found:
        raise DataError("the text is empty", where=what.where, expected="at least one word")
    parts = [text[each.start:each.stop] for each in found]
    gone = [mask + part[len(part.rstrip()):] if mask else "" for part in parts]

    def make(states: Array) -> pa.Array:
        return pa.array(["".join(parts[place] if own < 0 else gone[place] for place, own in enumerate(line)) for line in states.tolist()],
                        kind if not pa.types.is_dictionary(kind) else pa.string())

    levels = _levels(found)
    absent = f"'{mask}' stands in place of an absent word" if mask else "an absent word is left out"
    notes = [absent]
    if any(len(_WORD.findall(each)) > 1 for each in parts):
        notes.append(f"the text was cut into {len(found)} pieces, not all of them single words")
    values, groups = pieced(what, _names(parts), make, len(text) + 64, pa.array(["".join(gone)]), levels=levels, at_most=at_most,
                            budget=budget, seed=seed, notes=notes)
    leaves = [Piece(part.strip(), each.start, each.stop, *interval(value, error, values.df))
              for part, each, value, error in zip(parts, found, values.values[0], _errors(values.error, len(parts)), strict=True)]
    tree = tuple(leaves)
    for level, (totals, errors) in zip(reversed(levels), reversed(groups), strict=True):   # clauses first, then sentences
        tree = _grown(tree, found, level, text, totals[0], errors[0], values.df)
    return Pieces(values, tree)


def _errors(error: Array | None, count: int) -> Array:
    return np.zeros(count) if error is None else np.asarray(error[0])


def _levels(found: Sequence[Token]) -> list[Array]:
    """Sentences and clauses, where they say something: a level of one group, or of a group for each piece, is none."""
    out: list[Array] = []
    for level in (np.array([each.sentence for each in found]), np.array([each.clause for each in found])):
        size = len(np.unique(level))
        if 1 < size < len(found) and not (out and len(np.unique(out[-1])) == size):
            out.append(level)
    return out


def _grown(below: tuple[Piece, ...], found: Sequence[Token], level: Array, text: str, totals: Array, errors: Array, df: Array | None
           ) -> tuple[Piece, ...]:
    """The pieces of a level, with those that lie within each."""
    out = []
    for place, group in enumerate(np.unique(level)):
        mine = [each for each, here in zip(found, level, strict=True) if here == group]
        start, stop = mine[0].start, mine[-1].stop
        parts = tuple(each for each in below if start <= each.start < stop)
        out.append(parts[0] if len(parts) == 1 else
                   Piece(text[start:stop].strip(), start, stop, *interval(totals[place], errors[place], df), parts))
    return tuple(out)


def _names(parts: Sequence[str]) -> list[str]:
    """Names of pieces, of which no two are the same: a word that comes again is numbered."""
    out: list[str] = []
    seen: dict[str, int] = {}
    for part in parts:
        name = part.strip()
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out
