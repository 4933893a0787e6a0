"""How much must an input change before a model answers otherwise? ``assay.probe_robustness(model, data)``, or ``assay probe robustness``.

Opens what is given, spoils rows more and more and asks again, searches the smallest changes that flip an answer, and judges by the bounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.meter import metered
from assay.data.schema import family
from assay.errors import ConfigError, DataError
from assay.probe.robustness.domain import domain
from assay.result import Cost, Run, Scalar, Value, Verdict
from assay.verbs.probe.attack import Ground, Rows
from assay.verbs.probe.depicted import depicted
from assay.verbs.probe.stability import SEVERE, Measured, measured, reworded
from assay.verbs.subject import checked, configuration, merged, opened
from assay.verbs.suite import about

__all__ = ["probe_robustness"]

BUDGET = 200_000
ROWS = 200        # that are attacked
SEEN = 20_000     # rows of the reference by which spreads and ranges are measured
FEWEST = 10       # rows
POOL = 2_000      # real rows that attacks go by
EXAMPLES = 10


def probe_robustness(model: Any = None, data: Any = None, *, budget: int = BUDGET, rows: int = ROWS, severity: float = SEVERE,
                     within: float = SEVERE, loss: float = 0.05, at_least: float | None = None, at_most: float | None = None,
                     difference: float | None = None, fixed: str | Sequence[str] = (), ranges: Mapping[str, Any] | None = None,
                     changeable: Mapping[str, Any] | None = None, near: bool = False, synonyms: Mapping[str, Sequence[str]] | None = None,
                     examples: int = EXAMPLES, seed: int = 0, train: Any = None, reference: Any = None, champion: Any = None,
                     positive: Any = None, threshold: float | None = None, task: str | None = None, classes: Sequence[Any] | None = None,
                     features: Sequence[str] | None = None, trust: bool = False, where: str | None = None, sql: str | None = None,
                     types: Mapping[str, str] | None = None, strict: bool = False, progress: Callable[[str, int], None] | None = None,
                     **roles: Any) -> Run:
    """Return a run that says how answers change as inputs are spoilt, and the smallest changes that flip them.

    Sizes are in spreads of each column of the reference (``reference``, else ``train``, else the data): the interquartile range / 1.349; a
    category that changes counts 1. Curves add noise, exchange categories, take values away and mistype texts, all columns together and each
    by itself, and say at which severity ``loss`` of the answers change. Then up to ``rows`` rows are attacked: their smallest changes are
    searched within ranges, types and categories of the reference, or ``ranges``; ``fixed`` columns stay, with ``changeable`` only those
    that it names change (``{"income": "increase"}``), with ``near`` only changes count that stay as near to a real row as these are to each
    other. Of texts words are replaced by ``synonyms`` (``{"good": ["fine"]}``), or mistyped. ``budget`` model rows are asked at most.

    ``at_least`` is the share that must be answered alike at ``severity`` of every kind of corruption; ``at_most`` the share of rows that a
    change of at most ``within`` spreads may flip. Without a bound nothing is judged. A model of numbers needs a ``difference`` that counts.

    The other arguments are those of ``assay.check``. Raises ``AssayError`` for what cannot be read, attacked or is misspelt.

    >>> data = pa.table({"income": list(range(0, 200)), "rooms": [1, 2, 3, 4] * 50})
    >>> def decide(batch):
    ...     return ["yes" if income > 90 else "no" for income in batch.column("income").to_pylist()]
    >>> import assay
    >>> model = assay.load(decide, task="binary", classes=["no", "yes"], name="loans")
    >>> run = probe_robustness(model, data, positive="yes", rows=100, at_most=0.01)
    >>> run.verdict, run.findings[0].sentence[:77]
    ('fail', "with income 91 in place of 90, and nothing else, 'yes' in place of 'no' (0.01")
    """
    began = time.perf_counter()
    checked("probe_robustness", roles, probe_robustness.__kwdefaults__ or ())
    asked: dict[str, Any] = {"budget": budget, "rows": rows, "severity": severity, "within": within, "loss": loss, "at_least": at_least,
                             "at_most": at_most, "difference": difference, "fixed": fixed, "near": near, "synonyms": synonyms,
                             "examples": examples, "seed": seed, "strict": strict, "trust": trust, "progress": progress}
    config = configuration(model)
    if config is not None:
        given = {"data": data, "train": train, "reference": reference, "champion": champion, "positive": positive, "threshold": threshold,
                 "task": task, "classes": classes, "features": features, "where": where, "sql": sql, "types": types}
        every = merged(config, given, roles, without=("checks", "slices"))
        return probe_robustness(**every, **asked, ranges={**config.ranges, **(ranges or {})},
                                changeable={**config.changeable, **(changeable or {})} or None)
    if data is None:
        raise ConfigError("there are no rows to change", hint="pass data, or a configuration such as assay.yaml")
    _refuse(budget, rows, severity, within, loss, at_least, at_most)
    with metered() as meter:
        subject, notes = opened(
            model, data, train=train, reference=reference, champion=None, positive=positive, threshold=threshold, task=task,
            classes=classes, features=features, trust=trust, where=where, sql=sql, types=types, roles=roles)
        ground = Ground(subject, seed)
        if not ground.model.signature.classes and difference is None:
            raise ConfigError("two numbers nearly always differ a little", expected="the difference that counts",
                              hint="--difference NUMBER (in Python difference=...)")
        still = (fixed,) if isinstance(fixed, str) else tuple(fixed)
        made = _measured(ground, _Asked(budget, rows, severity, within, loss, difference, still, ranges, changeable, near, synonyms))
    verdicts = _verdicts(made, at_least, at_most, within)
    failed = any(each.verdict == "fail" for each in verdicts) and at_most is not None
    findings = made.findings(within, examples) if failed else []
    sentences = made.sentences()
    if not findings:
        sentences += [each.sentence for each in made.findings(np.inf, min(examples, 3))]
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    told: dict[str, Scalar] = {"rows attacked": made.attack.tried if made.attack is not None else made.tried, "severity": severity,
                               "seed": seed}
    notes += [] if verdicts else ["nothing was judged: --at-most and --at-least state bounds"]
    notes += [*made.notes, *(each for one in subject.models.values() for each in getattr(one, "remarks", list)())]
    return Run("probe", tuple(made.values()), tuple(verdicts), tuple(findings), cost=cost, notes=tuple(dict.fromkeys(notes)), strict=strict,
               figures=tuple(made.figures()), about={**about(subject, {}), **told}, sentences=tuple(dict.fromkeys(sentences)))


@dataclass(frozen=True, eq=False)
class _Asked:
    budget: int
    rows: int
    severity: float
    within: float
    loss: float
    difference: float | None
    fixed: tuple[str, ...]
    ranges: Mapping[str, Any] | None
    changeable: Mapping[str, Any] | None
    near: bool
    synonyms: Mapping[str, Sequence[str]] | None


def _refuse(budget: int, rows: int, severity: float, within: float, loss: float, at_least: float | None, at_most: float | None) -> None:
    if budget < 1_000:
        raise ConfigError(f"a budget of {budget:,} rows says nothing", expected="at least 1,000 rows of the model")
    if not 1 <= rows <= 100_000:
        raise ConfigError(f"{rows:,} rows cannot be attacked", expected="1 to 100,000")
    for name, value in (("severity", severity), ("within", within)):
        if not 0 < value < np.inf:
            raise ConfigError(f"a {name} of {value:g} changes nothing", expected="a number above 0, in spreads")
    for name, share in (("loss", loss), ("at_least", at_least), ("at_most", at_most)):
        if share is not None and not 0 <= share < 1 + (name == "at_least") * 1e-9:
            raise ConfigError(f"{name} is a share, and {share:g} is none", expected="a number from 0 to 1")
    if loss == 0:
        raise ConfigError("a loss of 0 is reached at once", expected="a share above 0, such as 0.05")


def _measured(ground: Ground, asked: _Asked) -> Measured:
    subject = ground.subject
    rows = ground.rows(subject.data, max(asked.rows, 5_000))
    if len(rows) < FEWEST:
        raise DataError(f"{len(rows)} rows say nothing of a model", where=subject.data.name, expected=f"at least {FEWEST} rows")
    out = Measured(ground, asked.severity, asked.loss)
    before = ground.said(ground.batch(rows.table)).decision
    if len(np.unique(before)) < 2:
        out.notes.append(f"the model answers {ground.shown(before[0])} to each of {len(rows):,} rows: what flips it may not be among them")
    content = ground.media
    images = [name for name, what in content.items() if what == "image"]
    if images:
        if len(ground.inputs) > 1:
            raise ConfigError(f"the model reads '{images[0]}' beside other columns", expected="a model of one column of images")
        depicted(out, images[0], rows, attacked=asked.rows, budget=asked.budget, difference=asked.difference, radius=asked.within)
        return out
    texts = [name for name, what in content.items() if what == "text"]
    if asked.synonyms and not texts:   # who lists synonyms says that it is text
        texts = [name for name in ground.inputs if family(rows.table.schema.field(name).type) == "text"]
    share = asked.budget // (1 + len(texts))
    if len(texts) < len(ground.inputs):
        _table(out, rows, texts, asked, share)
    for name in texts:
        reworded(out, name, rows, attacked=asked.rows, budget=share, synonyms=asked.synonyms, difference=asked.difference)
    return out


def _table(out: Measured, rows: Rows, texts: Sequence[str], asked: _Asked, budget: int) -> None:
    ground, subject = out.ground, out.ground.subject
    source = subject.reference or subject.train or subject.data
    own = rows.table.select(list(ground.inputs))
    known = own if source is subject.data else ground.rows(source, SEEN).table.select(list(ground.inputs))
    barred = [each for each in (*asked.fixed, *subject.data.schema.forbidden) if each in ground.inputs]
    unknown = [each for each in asked.fixed if each not in ground.inputs]
    if unknown:
        barred += unknown   # the domain says which name is near
    scale = domain(known, fixed=barred, ranges=asked.ranges, changeable=asked.changeable, other=texts)
    if not scale.free:
        raise ConfigError("no column may change", expected="numbers or categories of more than one value that are not fixed")
    if source is not subject.data:
        scale = _widened(scale, domain(pa.concat_tables([known, own.cast(known.schema)]), other=texts))
    pool = scale.matrix(known.slice(0, POOL))
    if not any(scale.fields[place].numeric for place in scale.free):
        out.notes.append("no column that may change holds numbers: categories are exchanged, and no noise is added")
    measured(out, scale, rows, pool, attacked=asked.rows, budget=budget, near=asked.near, difference=asked.difference)
    still = [each.name for each in scale.fields if each.fixed and each.name not in asked.fixed and each.name not in texts]
    if still and asked.changeable is None:
        out.notes.append(f"not changed: {', '.join(still[:12])} (forbidden, of one value, or of a type that has no small changes)")


def _widened(scale: Any, whole: Any) -> Any:
    """Return a domain of the reference that also knows the categories of the data, which it never tries."""
    fields = []
    for own, wide in zip(scale.fields, whole.fields, strict=True):
        if own.numeric or wide.numeric or own.values is None or wide.values is None:
            fields.append(own)
            continue
        fresh = wide.values.filter(pc.invert(pc.is_in(wide.values, value_set=own.values)))
        fields.append(replace(own, values=pa.concat_arrays([own.values, fresh])))
    return replace(scale, fields=tuple(fields))


def _verdicts(made: Measured, at_least: float | None, at_most: float | None, within: float) -> list[Verdict]:
    out = []
    if at_least is not None:
        for each in made.together:
            place = made.at(each)
            value = Value.of("agreement", each.agreement(place), n=each.n, better="higher",
                             options={"kind": each.kind, "severity": each.severity[place]})
            assert value.low is not None
            assert value.high is not None
            outcome: Any = "pass" if value.low >= at_least else "fail" if value.high < at_least else "inconclusive"
            out.append(Verdict(f"{each.kind} of {each.severity[place]:g} leaves {100 * at_least:g} % of the answers", outcome,
                               made.told(each), value=value, threshold=at_least, aspect="robustness"))
    share, what = _share(made, within)
    if at_most is not None and share is not None:
        value = share
        assert value.low is not None
        assert value.high is not None
        outcome = "pass" if value.high <= at_most else "fail" if value.low > at_most else "inconclusive"
        low, high = 100 * value.low, 100 * value.high
        out.append(Verdict(f"at most {100 * at_most:g} % of the rows flip {what}", outcome,
                           f"{100 * (value.value or 0):.3g} % [{low:.3g}, {high:.3g}] of {value.n:,} rows flip {what}",
                           value=value, threshold=at_most, aspect="robustness",
                           hint="are the columns that flip answers ones that may be wrong, or that a person can change?"
                           if outcome == "fail" else None))
    if at_most is not None and share is None:
        out.append(Verdict(f"at most {100 * at_most:g} % of the rows flip", "inconclusive", "the budget left no row to attack",
                           threshold=at_most, aspect="robustness", hint="--budget N"))
    return out


def _share(made: Measured, within: float) -> tuple[Value | None, str]:
    """Return the share of rows that flip, and by what; None where nothing was attacked."""
    if made.attack is not None and made.attack.tried:
        return made.flipped(within), f"by a change of at most {within:g} spreads"
    if made.words is not None and made.tried:
        return made.reworded(), "by a few words replaced"
    if made.images is not None:
        return made.images.flipped(), f"by a change of at most {100 * made.images.radius:g} % of a pixel's range"
    return None, ""
