"""Estimate how good a model is on rows without labels: ``assay.estimate(model, data, reference=...)``, the same as ``assay estimate``.

Asks the model for its answers on both, learns on the labelled reference, weighs it for the rows of now, and says what labels would show,
with an interval, why, and when nothing can be said. ``label_next`` names the rows whose labels would settle it, ``labels`` takes them.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.check.expression import Check
from assay.check.suite import checks as read_checks
from assay.check.suite.listed import divided
from assay.check.verdict import outcomes
from assay.data.meter import metered
from assay.data.source import Source, source
from assay.engine import label as labels_of
from assay.errors import ConfigError, DataError, EmptyDataError, listed, nearest
from assay.estimate.doubly_robust import Estimate, Estimator, Window
from assay.estimate.labels import Chosen, Rectified, chosen, rectified
from assay.estimate.performance import CLASSIFIED, USUAL, VALUED, classified, known, loss, valued
from assay.estimate.rows import Array, Encoding, Rows
from assay.metric import disparity, find
from assay.result import Cost, Run, Scalar, Spread, Value, Verdict
from assay.result.file import write_whole
from assay.summary.target import Target
from assay.verbs.explain.explanation import drawn, number
from assay.verbs.ground import grown, numbered, unlike
from assay.verbs.parity import CHOSEN, GROUPED, apart, cuts, protected, told
from assay.verbs.subject import Subject, checked, configuration, fits, merged, opened
from assay.verbs.suite import about

__all__ = ["estimate"]

MOST = 200_000       # rows of either side that are read
_ALL = ("accuracy", "mae")   # which speak of no class
_COLUMNS = ("row", "chance", "label")   # of the file of rows to label


def estimate(model: Any = None, data: Any = None, *, metrics: Sequence[str] = (),
             checks: Sequence[str | Check | Mapping[str, Any]] = (), label_next: int | None = None, output: str | Path | None = None,
             labels: Any = None, slices: Sequence[str] = (), by: Sequence[str] = (), seed: int = 0, train: Any = None,
             reference: Any = None, champion: Any = None,
             positive: Any = None, threshold: float | None = None, task: str | None = None, classes: Sequence[Any] | None = None,
             features: Sequence[str] | None = None, trust: bool = False, where: str | None = None, sql: str | None = None,
             types: Mapping[str, str] | None = None, strict: bool = False, **roles: Any) -> Run:
    """Return a run that says how good ``model`` is on ``data``, whose labels need not be there.

    ``reference`` are labelled rows that the model was not trained on. ``metrics`` are some of accuracy, precision, recall, f1, auc, brier
    and log_loss, of numbers mae, mse and rmse; by default those that the model allows. ``slices`` cut the rows, and the selection rate is
    told beside; ``by`` are slicings whose groups are compared as well, by default the protected columns. ``label_next`` is how many rows
    to draw for labels, which are written to ``output`` (CSV); ``labels`` is that table (a path, or anything that ``assay.source`` takes)
    with its column ``label`` filled. ``checks`` on these metrics, overall, by slice or between groups, are judged by the estimates. The
    verdict is ``inconclusive`` where nothing can be said.

    The other arguments are those of ``assay.check``. Raises ``AssayError`` for what cannot be read, is too few, or is misspelt.

    >>> rng = np.random.default_rng(0)
    >>> def rows(n, least):
    ...     x = rng.uniform(least, 1, n)
    ...     return pa.table({"x": x, "late": (rng.random(n) < x).astype(int)})
    >>> def model(batch):
    ...     return batch.column("x").to_numpy()
    >>> now = rows(2000, 0.6).drop_columns(["late"])
    >>> run = estimate(model, now, reference=rows(4000, 0.0), label="late", task="binary", classes=[0, 1], metrics=["accuracy"])
    >>> run.verdict, bool(abs(run.values[0].value - 0.8) < 0.05)
    ('pass', True)
    """
    began = time.perf_counter()
    checked("estimate", roles, estimate.__kwdefaults__ or ())
    asked: dict[str, Any] = {"metrics": metrics, "label_next": label_next, "output": output, "labels": labels, "by": by, "seed": seed,
                             "trust": trust, "strict": strict}
    config = configuration(model)
    if config is not None:
        given = {"data": data, "train": train, "reference": reference, "champion": champion, "positive": positive, "threshold": threshold,
                 "task": task, "classes": classes, "features": features, "where": where, "sql": sql, "types": types, "slices": slices,
                 "checks": checks}
        return estimate(**merged(config, given, roles), **asked)
    if data is None:
        raise ConfigError("there are no data to estimate for", hint="pass data, or a configuration such as assay.yaml")
    if (label_next is None) != (output is None):
        raise ConfigError("rows to label need both a number and a file", expected="--label-next 100 --output label-me.csv")
    if reference is None:
        raise ConfigError("there are no labelled rows to learn from", expected="rows that the model was not trained on, with labels",
                          hint="--reference FILE, or reference: FILE in assay.yaml" + (
                              "; train will not do, as the model is better there than anywhere" if train is not None else ""))
    if not roles.get("label"):
        raise ConfigError("no column holds the labels of the reference", hint="--label COLUMN, or columns: {label: COLUMN} in assay.yaml")
    with metered() as meter:
        subject, notes = opened(
            model, data, train=None, reference=reference, champion=None, positive=positive, threshold=threshold, task=task,
            classes=classes or _classes(model, task, reference, roles, types), features=features, trust=trust, where=where, sql=sql,
            types=types, roles=roles)
        every_check = read_checks(divided(checks)[1])
        cut, grouped = ([each] if isinstance(each, str) else list(each) for each in (slices, by))
        made = _Made(_Ground(subject, seed), tuple(metrics), cut, grouped, every_check, label_next, labels)
        values, verdicts = made.values, made.verdicts
        if output is not None:
            write_whole(Path(output), made.listing())
    notes = [each for each in notes if "what needs a label is not measured" not in each]   # it is what this is for
    notes += [*made.ground.notes, *made.notes, *(each for one in subject.models.values() for each in getattr(one, "remarks", list)())]
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    verdicts = [dataclasses.replace(each, value=each.value.silenced()) if each.value else each for each in verdicts]
    return Run("estimate", tuple(each.silenced() for each in values), tuple(verdicts), cost=cost, notes=tuple(dict.fromkeys(notes)),
               strict=strict, about={**about(subject, {}), **made.about}, sentences=tuple(made.sentences))


def _classes(model: Any, task: str | None, reference: Any, roles: Mapping[str, Any], types: Mapping[str, str] | None) -> list[Any] | None:
    """Return the classes of logged answers from the type of the label, which only the reference has: 0 and 1, or false and true."""
    if model is not None or task not in (None, "binary"):
        return None
    schema = source(reference, types=types).schema
    name = roles["label"]
    if not isinstance(name, str) or name not in schema.names:
        return None
    kind = schema[name].type
    return [False, True] if pa.types.is_boolean(kind) else [0, 1] if pa.types.is_integer(kind) else None


@dataclass(eq=False)
class _Ground:
    """The rows of both sides as numbers, and what was learned on the reference."""

    subject: Subject
    seed: int

    @cached_property
    def model(self) -> Any:
        found = self.subject.models.get("model")
        if found is None:
            raise ConfigError("there is no model, and no column with its answers",
                              hint="--model FILE, or --prediction COLUMN and --score COLUMN")
        if found.signature.task not in ("binary", "multiclass", "regression"):
            raise ConfigError(f"what a {found.signature.task} model does without labels is not estimated",
                              expected="a binary, multiclass or regression model")
        return found

    @property
    def target(self) -> Target:
        assert self.subject.target is not None
        return self.subject.target

    @cached_property
    def sides(self) -> tuple[Source, Source]:
        assert self.subject.reference is not None
        fits(self.model, self.subject.reference)
        return self.subject.reference, self.subject.data

    @cached_property
    def tables(self) -> tuple[pa.Table, pa.Table]:
        """A sample of the reference, labelled rows only, and one of the rows of now."""
        before, now = self.sides
        label = before.schema.label
        if label is None:
            raise ConfigError("the reference has no label", where=before.name, hint="--label COLUMN, or columns: {label: COLUMN}")
        table = drawn(before, MOST, self.seed)
        there = _labelled(table.column(label))
        if not there.any():
            raise EmptyDataError("no row of the reference has a label", where=before.name)
        return table.filter(pa.array(there)), drawn(now, MOST, self.seed)

    @cached_property
    def encoding(self) -> Encoding:
        """How features become numbers: inputs of the model and other features, as far as both sides have them."""
        before, now = self.sides
        names = [name for name in dict.fromkeys([*(self.model.signature.names or ()), *before.schema.features, *before.schema.protected])
                 if name in before.schema.names and name in now.schema.names and name not in self._answers]
        made = Encoding.of(self.tables[0], names)
        if not made.names:
            raise ConfigError("the two sides have no column in common that can be compared", expected="numbers or categories")
        return made

    @property
    def _answers(self) -> set[str]:
        schema = self.sides[0].schema
        return {each for each in (schema.label, schema.prediction, *schema.score, schema.id, schema.entity, schema.weight) if each}

    @cached_property
    def reference(self) -> Rows:
        return self._rows(*self.sides[:1], self.tables[0], labelled=True)

    @cached_property
    def current(self) -> Rows:
        return self._rows(self.sides[1], self.tables[1], labelled=False)

    @cached_property
    def estimator(self) -> Estimator:
        return Estimator.of(self.reference, seed=self.seed)

    @cached_property
    def window(self) -> Window:
        return self.estimator.window(self.current)

    @property
    def positive(self) -> int | None:
        return self.target.positive

    def _rows(self, data: Source, table: pa.Table, *, labelled: bool) -> Rows:
        return numbered(self.model, self.target, data.schema, table, self.encoding, where=data.name, labelled=labelled)

    @property
    def notes(self) -> list[str]:
        out = ["this holds as long as what labels follow, given a row, has not changed; only labels can show that: --label-next 100"]
        for name, side in zip(("the reference", "the data"), self.tables, strict=True):
            if side.num_rows >= MOST:
                out.append(f"of {name} a sample of {MOST:,} rows was read")
        before, now = (side.schema for side in self.sides)
        if now.label is not None:
            out.append("labels that the data have already are not used: assay check measures with them")
        if before.weight is not None:
            out.append("every row counts as one: the weight does not count here")
        if before.entity is not None and before.entity != before.id:
            out.append(f"rows of one {before.entity} are taken for independent, so intervals are too narrow where they are many")
        if self.encoding.left_out:
            out.append(f"not compared, as times, lists, identifiers and what has one value cannot be: {listed(self.encoding.left_out, 8)}")
        return out


@dataclass(eq=False)
class _Made:
    """What is said of it, as the parts of a run."""

    ground: _Ground
    wanted: tuple[str, ...]
    slices: list[str]
    by: list[str]
    checks: Sequence[Check]
    label_next: int | None
    given: Any

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are estimated, the most usual first."""
        able = self.able
        for name in self.wanted:
            if name not in able:
                near = nearest(name, able)
                every = name in (*CLASSIFIED, *VALUED)
                raise ConfigError(f"{name} {'cannot be estimated of this model' if every else 'is not a metric that can be estimated'}",
                                  expected=f"one of {listed(able, 12)}", hint=f"did you mean '{near}'?" if near and not every else None)
        judged = [each.metric for each in self.checks if each.metric in able and not each.compare and not self.wanted]
        return tuple(dict.fromkeys((*judged, *(self.wanted or [name for name in able if name in (*USUAL, *VALUED)]))))

    @cached_property
    def able(self) -> list[str]:
        """The metrics that can be estimated."""
        return [name for name in self.ground.estimator.metrics if self._probable or name not in ("brier", "log_loss")]

    @property
    def _probable(self) -> bool:
        return self.ground.target.probabilities

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        window = self.ground.window
        return {name: window.estimate(name, positive=self.ground.positive) for name in self.metrics}

    @cached_property
    def refusal(self) -> str | None:
        return self.ground.window.refusal

    @cached_property
    def put_right(self) -> dict[str, Rectified]:
        """The estimates put right by the labels that came."""
        if self.given is None:
            return {}
        table = source(self.given)
        if missing := [name for name in _COLUMNS if name not in table.schema.names]:
            raise ConfigError(f"the table of labels has no column {listed(missing)}", where=table.name,
                              expected="what --label-next wrote, with the column 'label' filled")
        batches = list(table.batches(_COLUMNS))
        rows = pa.Table.from_batches(batches) if batches else None
        there = _labelled(rows.column("label")) if rows is not None else np.zeros(0, bool)
        if rows is None or not there.any():
            raise EmptyDataError("no row of the table has a label", where=table.name)
        places, chance = (rows.column(name).to_numpy()[there] for name in ("row", "chance"))
        window = self.ground.window
        if (places < 0).any() or (places >= len(window.current)).any() or (chance <= 0).any() or (chance > 1).any():
            raise DataError("the table of labels is of other data", where=table.name, expected="the rows that --label-next named")
        # labels that did not come are taken to be missing by chance within what was drawn
        every = np.full(len(window.current), np.nan)
        every[places] = chance * (there.sum() / len(there))
        column = rows.column("label").filter(pa.array(there))
        if self.ground.target.task == "regression":
            found = labels_of.numbers(column.combine_chunks(), name="label", where=table.name)
        else:
            found = labels_of.codes(column, self.ground.target.classes, name="label", where=table.name)
        return {name: rectified(window, name, places, found, every, positive=self.ground.positive) for name in self.metrics}

    @cached_property
    def values(self) -> list[Value]:
        before, refused = self._before, self.refusal
        out = []
        for name, made in self.estimates.items():
            put = self.put_right.get(name)
            out.append(self._value(name, made, "doubly robust", refused if put is None else None) if put is None else
                       self._value(name, put.estimate, f"{put.labels:,} labels", None))
            value, error = before[name]
            out.append(Value.of(name, Spread("normal", value, error=error), n=len(self.ground.reference), better=find(name).better,
                                options={"of": "reference"}, method="labels"))
        for text, some in self.sliced.items():
            out += [*some, *self.compared.get(text, ())]
        return out

    @property
    def judged(self) -> list[Check]:
        """The checks that estimates can judge: on a metric as it is, overall, by slice, or between groups, against a number."""
        return [each for each in self.checks if self._able(each) and not each.options and not each.columns and not each.relative
                and each.where is None]

    def _able(self, check: Check) -> bool:
        if check.metric == CHOSEN:
            return check.by is not None and self.ground.positive is not None
        return check.metric in (self.able if check.compare else self.metrics)

    @cached_property
    def grouped(self) -> dict[str, tuple[str, ...]]:
        """The slicings whose groups are compared, with the metrics that are."""
        named = self.by or protected(self.ground.sides[1].schema, self.ground.tables)[0]
        usual = self.wanted or [name for name in GROUPED if name in self.able and (self.ground.positive is not None or name in _ALL)]
        found = {text: tuple(usual) for text in dict.fromkeys(named)}
        for each in self.judged:
            if each.compare and each.by and each.metric != CHOSEN:
                found[each.by] = tuple(dict.fromkeys((*found.get(each.by, ()), each.metric)))
            elif each.compare and each.by:
                found.setdefault(each.by, ())
        return found

    @cached_property
    def sliced(self) -> dict[str, list[Value]]:
        """The estimates of each slicing."""
        plain = dict.fromkeys((*self.slices, *(each.by for each in self.judged if each.by and not each.compare)))
        metrics = dict.fromkeys(plain, self.metrics)
        for text, more in self.grouped.items():
            metrics[text] = tuple(dict.fromkeys((*metrics.get(text, ()), *more)))
        return {text: self._sliced(text, names) for text, names in metrics.items()}

    @cached_property
    def compared(self) -> dict[str, list[Value]]:
        """How far apart the groups are that are compared."""
        return {text: apart([each for each in self.sliced[text] if each.metric in (*names, CHOSEN)], text)
                for text, names in self.grouped.items()}

    def _value(self, name: str, made: Estimate, method: str, refused: str | None, key: Mapping[str, Scalar] | None = None) -> Value:
        better = find(name).better
        place: dict[str, Any] = {"slice": dict(key or {}), "better": better}
        if refused is not None:
            return Value.undefined(name, f"not estimated: {refused}", n=made.n, **place)
        if not np.isfinite(made.value):
            return Value.undefined(name, "not defined, or too few rows", n=made.n, **place)
        return Value(name, made.value, made.low, made.high, made.n, method=method, level=made.level,
                     spread=Spread("normal", made.value, error=made.total), **place)

    @cached_property
    def _before(self) -> dict[str, tuple[float, float]]:
        """The metrics of the labelled reference, with their standard errors."""
        rows = self.ground.reference
        out = {}
        for name in self.metrics:
            if rows.classes:
                found = classified(name, rows, known(rows), positive=self.ground.positive)
                value, each = found.value, found.moves(rows)[np.arange(len(rows)), rows.truth.astype(int)]
            else:
                losses = loss("mae" if name == "mae" else "mse", rows)
                value, slope = valued(name, losses)
                each = slope * losses
            out[name] = value, float(each.std() / np.sqrt(len(rows)))
        return out

    def _sliced(self, text: str, metrics: Sequence[str]) -> list[Value]:
        """Return the estimates of slices, and how often each is given the positive answer."""
        window, positive = self.ground.window, self.ground.positive
        out = []
        for key, (here, there) in cuts(text, self.ground.sides[1].schema, self.ground.tables).items():
            for name in metrics:
                made = window.estimate(name, positive=positive, here=here, there=there)
                reason = self.refusal or (f"only {made.effective:,.0f} labelled rows count for it" if made.effective < 50 else None)
                out.append(self._value(name, made, "doubly robust", reason, dict(key)))
            if positive is not None:
                chosen_rows = float((window.current.answer[here] == positive).mean())
                spread = Spread("binomial", chosen_rows, n=float(here.sum()))
                out.append(Value.of(CHOSEN, spread, n=int(here.sum()), slice=dict(key)))
        return out

    @cached_property
    def next(self) -> Chosen | None:
        """The rows to label next, by what moves the first metric."""
        if self.label_next is None:
            return None
        return chosen(self.ground.window, self.metrics[0], self.label_next, positive=self.ground.positive, seed=self.ground.seed)

    def listing(self) -> str:
        """Return the rows to label as CSV: their places, ids where there are any, the chance of each to be drawn, and room for labels."""
        found = self.next
        if found is None:
            raise ConfigError("there are no rows to write", expected="label_next, how many rows to label", hint="--label-next 100")
        name = self.ground.sides[1].schema.id
        ids = self.ground.tables[1].column(name).take(pa.array(found.places)).to_pylist() if name else None
        text = io.StringIO()
        out = csv.writer(text, lineterminator="\n")
        out.writerow([*_COLUMNS[:2], *([name] if name and name not in _COLUMNS else []), _COLUMNS[2]])
        for place, row in enumerate(found.places.tolist()):
            shown = [ids[place]] if ids is not None and name not in _COLUMNS else []
            out.writerow([row, repr(float(found.chance[row])), *shown, ""])
        return text.getvalue()

    @property
    def verdicts(self) -> list[Verdict]:
        """Refusal, where nothing can be said, and the checks: nobody asked whether the model is good enough where there is none."""
        out = []
        if self.refusal is not None and not self.put_right:
            out.append(Verdict("the labelled rows are like those of now", "inconclusive", self.sentences[0],
                               hint="label some of them: --label-next 100 --output label-me.csv"))
        overall = [each for each in self.values if not each.slice and not each.options]
        for check in self.judged:
            some = overall if not check.by else self.compared[check.by] if check.compare else self.sliced[check.by]
            name = f"{check.metric} {check.compare}" if check.compare else check.metric
            found = [each for each in some if each.metric == name]
            if check.compare and not found:   # only of selection rates both are told
                groups = [each for each in self.sliced[check.by or ""] if each.metric == check.metric]
                found = [disparity(groups, compare=check.compare)]
            out += outcomes(check, found)
        return out

    @property
    def notes(self) -> list[str]:
        """Which checks have to wait for labels, and what is not said of groups."""
        left = [str(each) for each in self.checks if each not in self.judged]
        out = [f"not judged by estimates: {listed(left, 5)}"] if left else []
        if self.put_right and self.sliced:
            out.append("slices and groups are estimated without the labels that came, which are too few for them")
        return [*out, *([] if self.by else protected(self.ground.sides[1].schema, self.ground.tables)[1])]

    @cached_property
    def sentences(self) -> list[str]:
        window = self.ground.window
        out = [self._first()]
        if self.put_right:
            out += self._settled()
        if self.refusal is not None or self.strange:
            out += self.strange
        if self.refusal is None:
            out.append(grown(window, self.ground.encoding))
            out.append(f"{window.ratio.effective:,.0f} of {len(self.ground.reference):,} labelled rows count for these")
        out += [told(found, text) for text, found in self.compared.items()]
        chosen_rows = self.next
        if chosen_rows is not None:
            share = self.label_next or 0
            out.append(f"{share:,} rows to label next were drawn, more of them where the {self.metrics[0]} is less sure")
        return out

    @cached_property
    def strange(self) -> list[str]:
        return unlike(self.ground.window, self.ground.encoding)

    def _first(self) -> str:
        name = self.metrics[0]
        before, rows = self._before[name][0], f"{len(self.ground.current):,} rows"
        if self.put_right:
            put = self.put_right[name]
            return (f"{name} is {_estimated(put.estimate)} on {rows}, by {put.labels:,} labels and estimates of the rest; it was "
                    f"{number(before)} on the labelled reference")
        if self.refusal is not None:
            return f"how good the model is on these {rows} cannot be said without labels: {self.refusal}"
        made = self.estimates[name]
        if not np.isfinite(made.value):
            return f"{name} is not defined on these {rows}"
        gap = made.value - before
        moved = (f"{'above' if gap > 0 else 'below'} the {number(before)} of the labelled reference by {number(abs(gap))}"
                 if abs(gap) > 1.96 * made.total else f"as on the labelled reference ({number(before)}), as far as can be told")
        return f"estimated {name} is {_estimated(made)} on {rows} without labels: {moved}"

    def _settled(self) -> list[str]:
        put = self.put_right[self.metrics[0]]
        guess = self.estimates[self.metrics[0]]
        said = f"without labels {number(guess.value)} [{number(guess.low)}, {number(guess.high)}] was estimated"
        if put.surprise < 0.01:
            return [f"{said}: the labels disagree (p = {put.surprise:.2g}), so what labels follow has changed, or the estimate was wrong"]
        return [f"{said}: the labels do not disagree (p = {put.surprise:.2g})"]

    @property
    def about(self) -> dict[str, Scalar]:
        ratio = self.ground.window.ratio
        return {"labelled rows": len(self.ground.reference), "effective rows": round(ratio.effective), "seed": self.ground.seed,
                "told apart (AUC)": round(self.ground.window.told.apart, 3)}


def _labelled(column: pa.ChunkedArray) -> Array:
    there = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), bool)
    if pa.types.is_floating(column.type):
        there &= ~np.isnan(column.to_numpy(zero_copy_only=False))
    return there


def _estimated(made: Estimate) -> str:
    return f"{number(made.value)} [{number(made.low)}, {number(made.high)}]"
