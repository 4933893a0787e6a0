"""Texts of the user's own, that a grammar is mined from and by which sentences are ordinary or odd.

``Corpus.of(given, column)`` reads them. ``verbs.probe.text`` uses it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.data.medium import media
from assay.data.source import source
from assay.errors import ConfigError, EmptyDataError, UnknownColumnError, UnreadableDataError, listed
from assay.probe.text.naturalness import Naturalness

__all__ = ["Corpus"]

MOST = 100_000  # texts that are read
LARGEST = 200_000_000  # bytes of a file of lines
HELD = 5  # of so many texts one is not learned from, but compared with
COMPARED = 1_000  # of those
FEWEST = 50  # texts by which anything is called ordinary


@dataclass(frozen=True, eq=False)
class Corpus:
    """The ``texts``; none where no corpus was given."""

    texts: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Any, column: str | None = None, *, needed: bool = True) -> Corpus:
        """Return the texts of a file of lines (``.txt``), of a column of data, or as they are given.

        The column is the one of text where there is only one. With ``needed`` false, data without a column of text are no corpus.
        """
        if given is None:
            return cls()
        if isinstance(given, list | tuple) and all(isinstance(each, str) for each in given):
            return cls._checked([*given])
        if isinstance(given, str | Path) and str(given).lower().endswith(".txt"):
            return cls._checked(_lines(Path(given)))
        data = source(given)
        names = data.schema.names
        if column is not None and column in names:
            name = column
        elif column is not None and needed:
            raise UnknownColumnError.among(column, names, where=data.name)
        else:
            found = [each for each, what in media(data).items() if what == "text"]
            if len(found) != 1:
                if not needed:
                    return cls()
                raise ConfigError(
                    "the corpus has no column of text" if not found else f"the corpus has several columns of text: {listed(found)}",
                    where=data.name,
                    expected="the name of the column",
                    hint=f"--column {found[0] if found else names[0]}",
                )
            name = found[0]
        texts: list[str] = []
        for batch in data.batches([name]):
            texts += [str(each) for each in batch.column(name).to_pylist() if each is not None]
            if len(texts) >= MOST:
                break
        return cls._checked(texts[:MOST])

    @classmethod
    def _checked(cls, texts: Sequence[str]) -> Corpus:
        kept = tuple(each for each in texts if each.strip())
        if not kept:
            raise EmptyDataError("the corpus has no texts", expected="texts like those that the model reads")
        return cls(kept)

    def ordinary(self, sentence: str) -> float | None:
        """Return the share of texts of the corpus, kept from the model of language, that are less ordinary than a sentence."""
        if len(self.texts) < FEWEST:
            return None
        model, scores = self._model
        score = model.score(sentence)
        return (bisect_left(scores, score) + bisect_right(scores, score)) / (2 * len(scores))   # of equal ones half

    @cached_property
    def _model(self) -> tuple[Naturalness, list[float]]:
        model = Naturalness.of(each for place, each in enumerate(self.texts) if place % HELD)
        return model, sorted(model.score(each) for each in self.texts[::HELD][:COMPARED])

    @property
    def notes(self) -> list[str]:
        """What a reader should know of it."""
        return [f"the corpus has {len(self.texts)} texts, too few to say what is ordinary"] if 0 < len(self.texts) < FEWEST else []


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"the corpus has more than {LARGEST:,} bytes", where=str(path), hint="take a part of it")
        return path.read_text("utf-8-sig").splitlines()[:MOST]
    except OSError as error:
        raise UnreadableDataError(f"the corpus cannot be read ({error.strerror})", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise UnreadableDataError("the corpus is no text in UTF-8", where=str(path)) from error
