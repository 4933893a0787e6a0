"""What does a model give away of the rows that it learned from? ``assay.probe_privacy(model, data, train=...)``, ``assay probe privacy``.

Opens what is given, tells training rows from others by the answers, infers sensitive columns, looks for training values in the model's
file, and judges by the bounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.meter import metered
from assay.data.schema import family
from assay.errors import AssayError, ConfigError, DataError, UnknownColumnError, listed
from assay.model import guard
from assay.model.refit import Refit, refit
from assay.probe.privacy.attribute import Inferred, inferred
from assay.probe.privacy.leak import Leak, exact_answers, held, leaked, rows_held
from assay.probe.privacy.membership import RATES, Told, logit, loss, ratio, references, told
from assay.probe.robustness.domain import domain
from assay.result import Cost, Figure, Finding, Run, Scalar, Value, Verdict
from assay.verbs.probe.attack import Ground, Rows
from assay.verbs.subject import checked, configuration, merged, opened
from assay.verbs.suite import about

__all__ = ["probe_privacy"]

Array = np.ndarray[Any, Any]

ROWS = 20_000       # of the training data and of the others
FITTED = 4_000      # rows of each that models are fitted anew on, where there are more
MODELS = 16         # reference models
FEWEST = 20
SEARCHED = 2_000    # rows whose numbers are looked for in a file
INFERRED = 1_500    # rows of each, of which a sensitive column is inferred
GROUPS = 20         # values of a sensitive column at most
_HOW = {"loss": "by how sure the model is of the label", "reference models": "by comparison with models fitted with and without each row",
        "error": "by the error of the model"}


def probe_privacy(model: Any = None, data: Any = None, *, train: Any = None, sensitive: str | Sequence[str] = (), models: int = MODELS,
                  at_most: float | None = None, rate: float = 0.01, seed: int = 0, reference: Any = None, champion: Any = None,
                  positive: Any = None, threshold: float | None = None, task: str | None = None, classes: Sequence[Any] | None = None,
                  features: Sequence[str] | None = None, trust: bool = False, where: str | None = None, sql: str | None = None,
                  types: Mapping[str, str] | None = None, strict: bool = False, progress: Callable[[str, int], None] | None = None,
                  **roles: Any) -> Run:
    """Return a run that says whether rows of ``train`` can be told from those of ``data``, which the model never saw, and what else leaks.

    Membership is told by how sure the model is of each row's label (of numbers: by its error), and, where the model can be fitted anew, by
    comparison with ``models`` reference models, each fitted to a random half of both data sets (0 for none). Each attack has its AUC, and
    the share of training rows that is told at false-positive rates of 0.1, 1 and 10 %. ``sensitive`` columns (by default the protected
    ones) are inferred from the other columns, with and without the model's answers. Values and rows of the training data are looked for in
    the model's file.

    ``at_most`` is the share of training rows that may be told at a false-positive ``rate`` (one of 0.001, 0.01, 0.1); the rate itself is
    what chance tells. Without it nothing is judged but verbatim leakage, which fails where ids or texts of training rows stand in the file.

    The other arguments are those of ``assay.check``. Raises ``AssayError`` for what cannot be read or attacked, or is misspelt.

    >>> import assay
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> rng = np.random.default_rng(0)
    >>> rows = pa.table({"x": rng.normal(size=400), "z": rng.normal(size=400), "y": rng.integers(0, 2, 400)})
    >>> seen, unseen = rows.slice(0, 200), rows.slice(200)
    >>> made = DecisionTreeClassifier(random_state=0).fit(seen.select(["x", "z"]).to_pandas(), seen["y"])
    >>> run = probe_privacy(made, unseen, train=seen, label="y", models=0)
    >>> run.values[0].metric, round(run.values[0].value, 2)   # labels by chance, which the tree has learned by heart
    ('membership auc', 0.72)
    """
    began = time.perf_counter()
    checked("probe_privacy", roles, probe_privacy.__kwdefaults__ or ())
    asked: dict[str, Any] = {"sensitive": sensitive, "models": models, "at_most": at_most, "rate": rate, "seed": seed, "strict": strict,
                             "trust": trust, "progress": progress}
    config = configuration(model)
    if config is not None:
        given = {"data": data, "train": train, "reference": reference, "champion": champion, "positive": positive, "threshold": threshold,
                 "task": task, "classes": classes, "features": features, "where": where, "sql": sql, "types": types}
        return probe_privacy(**merged(config, given, roles, without=("checks", "slices")), **asked)
    _refuse(data, train, models, at_most, rate)
    place = Path(model) if isinstance(model, str | Path) and Path(model).exists() else None
    with metered() as meter:
        subject, notes = opened(
            model, data, train=train, reference=reference, champion=None, positive=positive, threshold=threshold, task=task,
            classes=classes, features=features, trust=trust, where=where, sql=sql, types=types, roles=roles)
        ground = Ground(subject, seed)
        names = (sensitive,) if isinstance(sensitive, str) else tuple(sensitive) or tuple(subject.data.schema.protected)
        made = _Found.of(ground, names, models, place, progress)
    verdicts = made.verdicts(at_most, rate)
    findings = made.findings() if any(each.verdict == "fail" for each in verdicts) else []
    cost = Cost(round(time.perf_counter() - began, 3), meter.rows, meter.model_rows)
    shown: dict[str, Scalar] = {"training rows": made.members, "other rows": made.others, "reference models": made.models, "seed": seed}
    notes += [] if verdicts else [f"nothing was judged: --at-most states a bound (chance tells {100 * rate:g} %)"]
    notes += [*made.notes, *(each for one in subject.models.values() for each in getattr(one, "remarks", list)())]
    return Run("probe", tuple(made.values()), tuple(verdicts), tuple(findings), cost=cost, notes=tuple(dict.fromkeys(notes)), strict=strict,
               figures=tuple(made.figures()), about={**about(subject, {}), **shown}, sentences=tuple(made.sentences()))


def _refuse(data: Any, train: Any, models: int, at_most: float | None, rate: float) -> None:
    if data is None:
        raise ConfigError("there are no rows that the model never saw", hint="pass data, or a configuration such as assay.yaml")
    if train is None:
        raise ConfigError("there are no training rows", expected="the rows that the model learned from, beside data that it never saw",
                          hint="--train FILE, or train: FILE in assay.yaml")
    if models != 0 and not 4 <= models <= 1_000:
        raise ConfigError(f"{models:,} reference models are not fitted", expected="4 to 1,000, or 0 for none")
    if rate not in RATES:
        raise ConfigError(f"attacks are not judged at a false-positive rate of {rate:g}", expected=f"one of {listed(map(str, RATES))}")
    if at_most is not None and not 0 < at_most <= 1:
        raise ConfigError(f"a share of at most {at_most:g} is no bound", expected=f"a number up to 1; chance tells {rate:g}")


@dataclass(eq=False)
class _Found:
    """What was found, as the parts of a run."""

    ground: Ground
    attacks: dict[str, Told] = field(default_factory=dict)
    columns: dict[tuple[str, str], Inferred] = field(default_factory=dict)
    leaks: list[Leak] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    members: int = 0
    others: int = 0
    models: int = 0
    searched: bool = False

    @classmethod
    def of(cls, ground: Ground, sensitive: Sequence[str], models: int, place: Path | None,
           progress: Callable[[str, int], None] | None) -> _Found:
        out = cls(ground)
        seen, unseen = out._apart(sensitive)
        out.members, out.others = len(seen), len(unseen)
        out._membership(seen, unseen, models, progress)
        for name in sensitive:
            out._attribute(name, seen, unseen)
        out._verbatim(seen, unseen, place)
        return out

    # what is asked --------------------------------------------------------------------------------------------------------

    def _apart(self, sensitive: Sequence[str]) -> tuple[Rows, Rows]:
        """Return training rows and others, without those that are in both."""
        ground, schema = self.ground, self.ground.subject.data.schema
        train = ground.subject.train
        assert train is not None
        if schema.label is None:
            raise ConfigError("no label is named", expected="what the model was taught: how sure it is of that tells what it saw",
                              hint="--label COLUMN")
        for name in sensitive:
            if name not in schema.names:
                raise UnknownColumnError.among(name, schema.names, where="sensitive")
        words = [name for name in (*sensitive, schema.id, schema.entity) if name]
        seen, unseen = (ground.rows(source, ROWS, also=tuple(name for name in words if name in source.schema.names))
                        for source in (train, ground.subject.data))
        for rows, source in ((seen, train), (unseen, ground.subject.data)):
            if rows.labels is None:
                raise DataError(f"there is no label '{schema.label}'", where=source.name, expected="the label, in both data sets")
        keys = [_keys(rows.table.select(list(ground.inputs))) for rows in (seen, unseen)]
        both = set(keys[0]) & set(keys[1])
        if both:
            hit = [np.array([key in both for key in each]) for each in keys]
            self.notes.append(f"{int(hit[1].sum()):,} of {len(unseen):,} rows of the data are also among the training rows, and were left "
                              "out of both: the model has seen them")
            seen, unseen = (Rows(rows.table.filter(pa.array(~mask)), None if rows.labels is None else rows.labels[~mask])
                            for rows, mask in zip((seen, unseen), hit, strict=True))
        for rows, what in ((seen, "training rows"), (unseen, "rows that the model never saw")):
            if len(rows) < FEWEST:
                raise DataError(f"there are {len(rows):,} {what}" + (" that are in one data set only" if both else ""),
                                expected=f"at least {FEWEST} of each")
        return seen, unseen

    def _membership(self, seen: Rows, unseen: Rows, models: int, progress: Callable[[str, int], None] | None) -> None:
        ground = self.ground
        said = [ground.said(ground.batch(rows.table)) for rows in (seen, unseen)]
        labels = [rows.labels for rows in (seen, unseen) if rows.labels is not None]
        if not ground.classes:
            self.attacks["error"] = told(*(-np.abs(each.decision - own) for each, own in zip(said, labels, strict=True)))
            self.notes.append("a model of numbers is compared by its error alone: no reference models are fitted")
            return
        if len(np.unique(np.concatenate(labels))) < 2:
            raise DataError("the labels are of one class only: nothing could be learned", expected="rows of two classes at least")
        if any(each.score is None for each in said):
            self.attacks["loss"] = told(*((each.decision == own).astype(float) for each, own in zip(said, labels, strict=True)))
            self.notes.append("the model answers classes only: rows are told by whether the answer is right, which tells little")
            return
        self.attacks["loss"] = told(*(loss(each.score, own) for each, own in zip(said, labels, strict=True) if each.score is not None))
        recipe = refit(ground.model) if models else None
        if recipe is None:
            self.notes.append("no reference models were fitted" + (": the model cannot be fitted anew (estimators of scikit-learn can); an "
                              "attacker who knows how it was made can tell more than the loss does" if models else ""))
            return
        self._compared(recipe, seen, unseen, said, models, progress)

    def _compared(self, recipe: Refit, seen: Rows, unseen: Rows, said: Sequence[Any], models: int,
                  progress: Callable[[str, int], None] | None) -> None:
        ground = self.ground
        most = min(len(seen), FITTED), min(len(unseen), FITTED)
        table = pa.concat_tables([seen.table.slice(0, most[0]).select(list(ground.inputs)),
                                  unseen.table.slice(0, most[1]).select(list(ground.inputs)).cast(
                                      seen.table.select(list(ground.inputs)).schema)])
        assert seen.labels is not None
        assert unseen.labels is not None
        labels = np.concatenate([seen.labels[:most[0]], unseen.labels[:most[1]]])
        batch = ground.batch(table)

        def fit(places: Array) -> Array:
            score = guard.answer(recipe(table.take(pa.array(places)), labels[places]), batch).score
            assert score is not None
            return score

        try:
            known = references(fit, labels, models, seed=ground.seed,
                               progress=(lambda count: progress("reference models", count)) if progress is not None else None)
        except AssayError as error:
            self.notes.append(f"no reference models were fitted: {error.what}")
            return
        target = np.concatenate([logit(each.score[:some], own[:some])
                                 for each, own, some in zip(said, (seen.labels, unseen.labels), most, strict=True)])
        surer = ratio(target, known)
        self.attacks["reference models"] = told(surer[:most[0]], surer[most[0]:])
        self.models = models
        share = (most[0] + most[1]) / 2 / max(len(seen), 1)
        if not 0.67 < share < 1.5:
            self.notes.append(f"a reference model is fitted to {sum(most) // 2:,} rows, and {len(seen):,} training rows were read: one "
                              "fitted to fewer rows is surer of each, and the comparison tells less")

    def _attribute(self, name: str, seen: Rows, unseen: Rows) -> None:
        """Infer one sensitive column, of training rows and of others."""
        ground = self.ground
        rest = [each for each in ground.inputs if each != name and each not in ground.media]
        if name not in unseen.table.column_names or name not in seen.table.column_names:
            self.notes.append(f"the training data have no column '{name}': it is not inferred")
            return
        whole = pa.concat_tables([seen.table.select([name]), unseen.table.select([name]).cast(seen.table.select([name]).schema)])
        names = _groups(whole.column(name))
        if len(names) < 2 or len(names) > GROUPS:
            self.notes.append(f"'{name}' has {len(names):,} values and is not inferred (2 to {GROUPS} are)")
            return
        for what, rows in (("train", seen), ("data", unseen)):
            some = Rows(rows.table.slice(0, INFERRED), None if rows.labels is None else rows.labels[:INFERRED])
            places = _places(some.table.column(name), names)
            keep = places >= 0
            try:
                known = _numbers(some.table.select(rest)) if rest else np.zeros((len(some), 1))
                label = np.asarray(some.labels, np.float64)[:, None]
                made = inferred(np.concatenate([known, label], axis=1)[keep], places[keep], self._answers(name, some)[keep],
                                classes=len(names), seed=ground.seed)
            except DataError as error:
                self.notes.append(f"'{name}' is not inferred of the {what} rows: {error.what}")
                continue
            self.columns[name, what] = made

    def _answers(self, name: str, rows: Rows) -> Array:
        """Return what an attacker reads of the answers: the row's own, and beside it those with every value of the column in its place."""
        ground = self.ground
        batch = ground.batch(rows.table)
        given = _told_numbers(ground.said(batch))
        if name not in ground.inputs:
            return given
        values = pc.unique(rows.table.column(name)).drop_null().to_pylist()
        if len(values) > GROUPS:
            return given
        place = batch.schema.get_field_index(name)
        parts = [given]
        for each in sorted(values, key=str):
            other = pa.array([each] * len(rows), _plain_type(batch.schema.field(name).type))
            changed = batch.set_column(place, name, other)
            parts.append(np.abs(_told_numbers(ground.said(changed)) - given))
        return np.concatenate(parts, axis=1)

    def _verbatim(self, seen: Rows, unseen: Rows, place: Path | None) -> None:
        ground = self.ground
        if not ground.classes:
            said = [ground.said(ground.batch(rows.table)).decision for rows in (seen, unseen)]
            assert seen.labels is not None
            assert unseen.labels is not None
            self.leaks.append(exact_answers(said[0], seen.labels, said[1], unseen.labels))
        if place is None:
            self.notes.append("the model is no file here: what stands in one was not looked for")
            return
        content, cut = held(place)
        self.searched = True
        self.notes += [cut] if cut else []
        schema = ground.subject.data.schema
        for name in dict.fromkeys([each for each in (schema.id, schema.entity) if each] + list(ground.inputs)):
            if name not in seen.table.column_names or name not in unseen.table.column_names:
                continue
            if family(seen.table.schema.field(name).type) != "text":
                continue
            own, other = (rows.table.column(name).to_pylist() for rows in (seen, unseen))
            made = leaked(content, own, other, what=f"values of '{name}'")
            if made.of:
                self.leaks.append(made)
        numeric = [name for name in ground.inputs if family(seen.table.schema.field(name).type) in ("integer", "fraction")]
        if len(numeric) > 1:
            parts = [_matrix(rows.table.slice(0, SEARCHED), numeric) for rows in (seen, unseen)]
            made = rows_held(content, *parts)
            if made.of:
                self.leaks.append(made)

    # what comes out -------------------------------------------------------------------------------------------------------

    @property
    def best(self) -> tuple[str, Told]:
        """The attack that tells most, by its AUC."""
        return max(self.attacks.items(), key=lambda each: each[1].auc.estimate)

    def values(self) -> list[Value]:
        out = []
        for name, each in self.attacks.items():
            n = each.members + each.others
            out.append(Value.of("membership auc", each.auc, n=n, better="lower", options={"attack": name}))
            for rate, found in each.rates.items():
                out.append(self._rated(name, each, rate, found))
        for (column, of), made in self.columns.items():
            for metric, spread, better in (("inferred without the model", made.without, None), ("inferred", made.with_answer, "lower"),
                                           ("inference gained", made.gain, "lower"), ("bits gained", made.bits, "lower")):
                out.append(Value.of(metric, spread, n=made.n, column=column, better=better, options={"of": of}))
        return out + [Value.of("verbatim share", leak.share, n=leak.of, better="lower", options={"of": leak.what}) for leak in self.leaks]

    def _rated(self, name: str, each: Told, rate: float, found: tuple[float, float, float, float] | None) -> Value:
        options: dict[str, Scalar] = {"attack": name, "at": rate}
        if found is None:
            return Value.undefined("told at false positives", f"{each.others:,} other rows are too few for a rate of {rate:g}",
                                   n=each.members, options=options, better="lower")
        share, low, high, _ = found
        return Value("told at false positives", share, low, high, each.members, better="lower", options=options, method="negative binomial")

    def sentences(self) -> list[str]:
        out = [self.member(name) for name in sorted(self.attacks, key=lambda name: -self.attacks[name].auc.estimate)]
        out += [self.column(name) for name in dict.fromkeys(name for name, _ in self.columns)]
        out += [self.leak(each) for each in self.leaks if each.found]
        clean = [each for each in self.leaks if not each.found]
        if clean:
            out.append(f"verbatim, nothing was found of {listed(sorted(each.what for each in clean), 6)}")
        return out

    def member(self, name: str) -> str:
        each = self.attacks[name]
        low, high = each.auc.interval()
        text = (f"training rows are told from others {_HOW[name]} with an AUC of {each.auc.estimate:.3f} [{low:.3f}, {high:.3f}]"
                f"{', no better than by chance' if low <= 0.5 else ''} ({each.members:,} and {each.others:,} rows)")
        rates = [f"{100 * found[0]:.3g} % [{100 * found[1]:.2g}, {100 * found[2]:.2g}] at {100 * rate:g} % false alarms"
                 for rate, found in each.rates.items() if found is not None]
        return text + (f": {', '.join(rates)} are told" if rates else "")

    def column(self, name: str) -> str:
        parts = []
        for of, words in (("train", "training rows"), ("data", "others")):
            made = self.columns.get((name, of))
            if made is None:
                continue
            low, high = (100 * each for each in made.gain.interval())
            share, without = 100 * made.with_answer.estimate, 100 * made.without.estimate
            parts.append(f"of {words} {share:.3g} % with the model's answers and {without:.3g} % without them "
                         f"({100 * made.gain.estimate:+.2g} points [{low:.2g}, {high:.2g}], {made.n:,} rows)")
        usual = 100 * next(made.usual for (own, _), made in self.columns.items() if own == name)
        return (f"'{name}' is inferred from the other columns and the label, {'; '.join(parts)}; the most frequent value is right for "
                f"{usual:.3g} %")

    def leak(self, each: Leak) -> str:
        control = (f", {each.found_unseen:,} of {each.of_unseen:,} that the model never saw" if each.of_unseen else
                   ", no other values to compare with")
        where = "come out" if each.what.startswith("answers") else "stand in the model's file"
        shown = f" (such as {each.example})" if each.example else ""
        return f"{each.found:,} of {each.of:,} {each.what} of training rows {where}{shown}{control}"

    def verdicts(self, at_most: float | None, rate: float) -> list[Verdict]:
        name, best = self.best
        found = best.rates[rate]
        out = []
        if at_most is not None:
            value = self._rated(name, best, rate, found)
            check = f"at most {100 * at_most:g} % of the training rows are told at {100 * rate:g} % false alarms"
            if found is None:
                out.append(Verdict(check, "inconclusive", str(value.note), value=value, threshold=at_most, aspect="privacy"))
            else:
                outcome: Any = "pass" if found[2] <= at_most else "fail" if found[1] > at_most else "inconclusive"
                out.append(Verdict(check, outcome, self.member(name), value=value, threshold=at_most, aspect="privacy",
                                   hint="fit with more regularisation, fewer rounds or larger leaves, and probe again"
                                   if outcome == "fail" else None))
        certain = [each for each in self.leaks if each.certain]
        if certain or (self.searched and out):   # that nothing was found is no pass of what nobody judged
            out.append(Verdict("no training values stand in the model", "fail" if certain else "pass",
                               self.leak(certain[0]) if certain else "no value of training rows alone was found in the model",
                               aspect="privacy", hint="who gets the model gets these values: leave ids and texts out of its inputs, and "
                               "choose a model that keeps no rows" if certain else None))
        return out

    def findings(self) -> list[Finding]:
        name, best = self.best
        out = [Finding("privacy", self.leak(each)) for each in self.leaks if each.certain]
        return out + ([Finding("privacy", self.member(name))] if best.auc.interval()[0] > 0.5 else [])

    def figures(self) -> list[Figure]:
        """Return how many training rows are told at each false-positive rate, and what the answers add to a sensitive column."""
        out = []
        for name, each in self.attacks.items():
            rates, shares = each.curve
            table: dict[str, tuple[Scalar, ...]] = {"false alarms": tuple(float(one) for one in rates),
                                                    "training rows told": tuple(float(one) for one in shares)}
            out.append(Figure(f"membership {name}", "line", f"Training rows told, {_HOW[name]}", table, x="false alarms",
                              y=("training rows told",), diagonal=True, sentence=self.member(name), aspect="privacy"))
        if self.columns:
            made = list(self.columns.items())
            ends = [one.gain.interval() for _, one in made]
            gains: dict[str, tuple[Scalar, ...]] = {
                "column": tuple(f"{name}, of {of}" for (name, of), _ in made), "gain": tuple(one.gain.estimate for _, one in made),
                "low": tuple(each[0] for each in ends), "high": tuple(each[1] for each in ends)}
            out.append(Figure("inference", "interval", "What the answers add to inferring a column, share of rows", gains, x="column",
                              y=("gain",), low=("low",), high=("high",), mark=0.0, mark_name="nothing", aspect="privacy"))
        return out


def _keys(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() if not pa.types.is_nested(column.type) else [str(each) for each in column.to_pylist()]
                      for column in table.columns), strict=True))


def _told_numbers(said: Any) -> Array:
    score = said.score if said.score is not None else np.asarray(said.decision, np.float64)[:, None]
    return np.asarray(score, np.float64)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _groups(column: pa.ChunkedArray) -> list[Any]:
    return sorted(pc.unique(column).drop_null().to_pylist(), key=lambda each: (str(type(each)), each))


def _places(column: pa.ChunkedArray, names: Sequence[Any]) -> Array:
    place = {each: at for at, each in enumerate(names)}
    return np.array([place.get(each, -1) for each in column.to_pylist()])


def _numbers(table: pa.Table) -> Array:
    """Return columns as numbers, for an attacker's forest: categories by their place."""
    return domain(table).matrix(table)


def _matrix(table: pa.Table, names: Sequence[str]) -> Array:
    return np.stack([table.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False) for name in names], axis=1)
