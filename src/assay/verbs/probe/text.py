"""Test classifiers by sentences: ``assay.probe_text([one, other], grammar="reviews")``, the same as ``assay probe text``.

Opens the models and the grammar, estimates on draws how often they are at fault, searches for sentences on which they are, shrinks what was
found to causes, and says them. ``again`` asks what an earlier run found once more.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.data.meter import metered
from assay.errors import ConfigError, without_secrets
from assay.probe.text.grammar import load
from assay.result import Cost, Run, Scalar
from assay.verbs.probe.classifier import Labels, Named, mapping, opened
from assay.verbs.probe.corpus import Corpus
from assay.verbs.probe.question import Asked, Found, questions
from assay.verbs.probe.replay import again
from assay.verbs.probe.sentence import Report
from assay.verbs.subject import configuration

__all__ = ["BUDGET", "probe_text"]

BUDGET = 2_000
EXAMPLES = 10  # causes that a run tells, unless said otherwise
SHRUNK = 200  # findings that are shrunk, unless said otherwise

Progress = Callable[[str, int], None]


def probe_text(
    models: Any = None,
    *,
    grammar: str | Path | None = None,
    budget: int = BUDGET,
    relation: str | Sequence[str] = (),
    expected: bool = False,
    labels: Labels | str | Path | None = None,
    between: Sequence[str] = (),
    at_least: float = 0.0,
    at_most: float = 0.0,
    shrink: int = SHRUNK,
    examples: int = EXAMPLES,
    corpus: Any = None,
    column: str | None = None,
    replay: str | Path | Mapping[str, Any] | None = None,
    seed: int = 0,
    task: str | None = None,
    classes: Sequence[Any] | None = None,
    features: Sequence[str] | None = None,
    trust: bool = False,
    strict: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Return a run of sentences on which text classifiers contradict each other, the grammar's label, or themselves.

    ``models`` are several, whose answers are compared, or one: then ``expected`` compares its answers with the labels of the grammar (what
    is done where nothing is said), and ``relation`` (``"names"``, ``"negation"``, ...) with its answers to changed sentences. A model is
    what ``assay.load`` takes, a function from a list of texts to labels or to pairs (label, how sure), ``"file.py:function"`` (with
    ``trust``), or a configuration such as ``assay.yaml``, for its model, champion and data. ``grammar`` is a file or one that is shipped.
    ``budget`` sentences are searched, each put to every model, and of relations in two forms; half as many are drawn to estimate a share,
    and up to ``shrink`` findings are shrunk, which takes some 20 sentences each. ``labels`` maps labels to those of the grammar or of the
    other model, None to an abstention; answers held with less than ``at_least`` are abstentions, and with ``between`` only contradictions
    between these labels count.

    The verdict is ``fail`` where anything is found; with ``at_most`` above 0 the share of sentences drawn from the grammar is judged.
    ``corpus`` (a file, texts) is mined by the grammar, and says how ordinary a sentence is; ``column`` names its text. ``replay`` is the
    JSON of an earlier run: its findings are asked again, and nothing is searched.

    Raises ``AssayError`` for what cannot be read or asked, or is misspelt.

    >>> def careless(texts):
    ...     return ["positive" if "good" in each else "negative" for each in texts]
    >>> def careful(texts):
    ...     return ["negative" if "not" in each else answer for each, answer in zip(texts, careless(texts))]
    >>> run = probe_text([careless, careful], grammar="sentiment", budget=300)
    >>> run.verdict, any("not good" in each.input["text"] for each in run.findings)
    ('fail', True)
    """
    began = time.perf_counter()
    given, said, rows = _given(models, {"task": task, "classes": classes, "features": features})
    asked = Asked.of(grammar, budget, relation, expected, between, at_least, at_most, shrink, examples, seed)
    names = mapping(labels) if isinstance(labels, str | Path) else labels
    with metered() as meter:
        if replay is not None:
            return again(replay, given, labels=names, column=column, trust=trust, options=said, strict=strict, began=began)
        if not given:
            raise ConfigError("there is no model to ask", expected="one, or several of the same task", hint="--model FILE --model FILE")
        if asked.grammar is None:
            raise ConfigError("no grammar is named", expected="a file in Lark's syntax, or one that is shipped", hint="--grammar sentiment")
        corpus_ = Corpus.of(corpus if corpus is not None else rows, column, needed=corpus is not None)
        made = load(asked.grammar, corpus=corpus_.texts)
        named = [_told(each, progress) for each in opened(given, labels=names, column=column, trust=trust, options=said)]
        found = [Found.of(each, made, asked) for each in questions(named, made, asked)]
    report = Report(named, made, asked, found, corpus_)
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    places = [each.place for each in named]
    about: dict[str, Scalar] = {
        "models": ", ".join(each.name for each in named),
        "grammar": str(asked.grammar),
        "asked": ", ".join(each.question.name for each in found),
        "budget": asked.budget,
        "seed": seed,
        "method": ", ".join(dict.fromkeys(each.search.method for each in found)),
        "tests": sum(len(each.search.tests) for each in found),
        "stopped": next((each.stopped for each in found if each.stopped), None),
        "at least": at_least,
        "between": ", ".join(between) or None,
        "labels": json.dumps(names) if names else None,
        "examples": examples,
        "files": json.dumps([without_secrets(str(each)) for each in places]) if all(places) else None,
    }
    return Run(
        "probe",
        tuple(report.values),
        tuple(report.verdicts),
        tuple(report.findings),
        cost=cost,
        notes=tuple(dict.fromkeys(report.notes)),
        strict=strict,
        about={key: each for key, each in about.items() if each is not None},
        sentences=tuple(report.sentences),
    )


def _given(models: Any, said: dict[str, Any]) -> tuple[list[Any], dict[str, Any], Any]:
    """Return the models, what is said of them, and data of a configuration."""
    several = list(models) if isinstance(models, list | tuple) else [] if models is None else [models]
    first = several[0] if several else None
    config = configuration(first)
    if config is None:
        return several, said, None
    own = [config.location(each) for each in (config.model, config.champion) if each is not None]
    more = {key: getattr(config, key) if each is None else each for key, each in said.items()}
    data = next((each for each in (config.reference, config.data, config.train) if each is not None), None)
    return several[1:] or own, more, config.location(data)


def _told(one: Named, progress: Progress | None) -> Named:
    """Return a classifier that tells how many sentences it was asked."""
    if progress is None:
        return one

    def ask(sentences: Sequence[str]) -> Any:
        progress("sentences", len(sentences))
        return one.ask(sentences)

    return replace(one, ask=ask)
