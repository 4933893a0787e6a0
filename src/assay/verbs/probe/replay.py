"""Findings of an earlier probe by sentences, asked again: ``again(result, models)`` returns a run of which fail still.

``verbs.probe.text`` uses it for ``replay=`` and ``--replay``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.data.meter import metered
from assay.errors import ConfigError, UnreadableDataError
from assay.model.address import Address, Written
from assay.probe.text.oracle import Differential, Expected, Metamorphic, Oracle, Outcome
from assay.probe.text.relation import relation
from assay.result import Cost, Finding, Run, Spread, Value, Verdict
from assay.verbs.probe.classifier import Labels, Named, opened

__all__ = ["again"]

LARGEST = 200_000_000  # bytes of a result


def again(
    result: str | Path | Mapping[str, Any],
    models: Sequence[Any],
    *,
    labels: Labels | None = None,
    column: str | None = None,
    trust: bool = False,
    options: Mapping[str, Any] | None = None,
    strict: bool = False,
    began: float | None = None,
) -> Run:
    """Return a run of the findings of ``result`` that fail still, by the models given, or those of that run.

    Labels and the least confidence are those of that run, unless ``labels`` are given. Raises ``ConfigError`` for a file that is no such
    result, or holds no findings.
    """
    began = time.perf_counter() if began is None else began
    earlier, where = _read(result)
    findings = [each for each in earlier.findings if each.probe == "text" and isinstance(each.input.get("text"), str)]
    if not findings:
        raise ConfigError("this result holds no findings of sentences", where=where, expected="what assay probe text --json wrote")
    given = list(models) or _places(earlier, where)
    names = labels if labels is not None else json.loads(str(earlier.about["labels"])) if "labels" in earlier.about else None
    with metered() as meter:
        named = opened(given, labels=names, column=column, trust=trust, options=options)
        outcomes = _asked(findings, named, float(str(earlier.about.get("at least", 0.0))), str(earlier.about.get("between", "")), where)
    still = [(each, outcome) for each, outcome in zip(findings, outcomes, strict=True) if outcome.fails]
    same = sum(tuple(each.output) == outcome.answers for each, outcome in still)
    first = _first(len(findings), len(still), same, ", ".join(each.name for each in named))
    value = Value.of("findings that fail still", Spread("exact", float(len(still))), n=len(findings), better="lower")
    verdict = Verdict("no finding fails still", "fail" if still else "pass", first, value=value, threshold=0.0, aspect="text")
    made = [_told(each, outcome, named) for each, outcome in still]
    about = {**earlier.about, "models": ", ".join(each.name for each in named), "replay of": earlier.id}
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    return Run(
        "probe",
        (value,),
        (verdict,),
        tuple(made),
        cost=cost,
        strict=strict,
        about=about,
        sentences=(first,),
        notes=("sentences were asked again as they are, and nothing was searched: a model that is right on them may be wrong on others",),
    )


def _first(count: int, still: int, same: int, names: str) -> str:
    if not still:
        return f"none of {count:,} findings fails any more ({names})"
    others = f", {still - same:,} of them with other answers" if same < still else ", with the same answers"
    return f"{still:,} of {count:,} findings fail{'s' * (still == 1)} still{others} ({names})" + (
        f"; {count - still:,} do{'es' * (count - still == 1)} no more" if still < count else ""
    )


def _told(each: Finding, outcome: Outcome, named: Sequence[Named]) -> Finding:
    """Return a finding with the answers of now."""
    names = [one.name for one in named] if len(named) > 1 else [named[0].name, "changed"]
    said = ", ".join(f"{name} says {answer}" for name, answer in zip(names, outcome.answers, strict=False))
    before = "" if tuple(each.output) == outcome.answers else f" (before: {', '.join(map(str, each.output))})"
    changed = f"; changed: “{outcome.contrast}”" if outcome.contrast else ""
    return Finding(
        "text",
        f"“{each.input['text']}”: {said}{before}{changed}",
        each.input,
        {"text": outcome.contrast} if outcome.contrast else {},
        outcome.answers,
    )


def _asked(findings: Sequence[Finding], named: Sequence[Named], at_least: float, between: str, where: str) -> list[Outcome]:
    found: dict[int, Outcome] = {}
    for name in dict.fromkeys(str(each.input.get("asked")) for each in findings):
        places = [place for place, each in enumerate(findings) if str(each.input.get("asked")) == name]
        oracle = _oracle(name, named, at_least, between, where)
        texts = [str(findings[place].input["text"]) for place in places]
        labels = [findings[place].input.get("label") for place in places]
        found |= zip(places, oracle.ask(texts, labels), strict=True)
    return [found[place] for place in range(len(findings))]


def _oracle(name: str, named: Sequence[Named], at_least: float, between: str, where: str) -> Oracle:
    if name == "contradiction":
        if len(named) < 2:
            raise ConfigError(
                "its findings are contradictions, and there is one model", where=where, expected="as many models as there were"
            )
        return Differential(
            {each.name: each.ask for each in named}, at_least=at_least, among=frozenset(filter(None, between.split(", "))) or None
        )
    if len(named) != 1:
        raise ConfigError(f"its findings are of one model, and there are {len(named)}", where=where, expected="one model")
    return Expected(named[0].ask, at_least=at_least) if name == "expected" else Metamorphic(named[0].ask, relation(name), at_least=at_least)


def _places(earlier: Run, where: str) -> list[Any]:
    """Return the models of an earlier run; addresses as written by somebody else, who may not be trusted."""
    try:
        files = json.loads(str(earlier.about["files"]))
    except (KeyError, ValueError):
        raise ConfigError("the result does not say where its models are", where=where, hint="name them: --model FILE") from None
    return [Written(each) if Address.of(str(each)) is not None else str(each) for each in files]


def _read(result: str | Path | Mapping[str, Any]) -> tuple[Run, str]:
    if isinstance(result, Mapping):
        return Run.from_json(result), "result"
    path = Path(result)
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError("the file is too long for a result", where=str(path))
        return Run.from_json(json.loads(path.read_text("utf-8"))), str(path)
    except OSError as error:
        raise UnreadableDataError(f"the result cannot be read ({error.strerror})", where=str(path), expected="what --json wrote") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableDataError("this is no result of assay", where=str(path), expected="what assay probe text --json wrote") from error
