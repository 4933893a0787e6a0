"""Production against its shadow, row by row: what both answered, whose fault it is where one goes mad, in which rows, and by which inputs.

``Pair.of(job)`` is what stays the same, ``Pair.step`` takes the memory of two models from window to window and says what it found;
``noted`` and ``figures`` show it. The statistics are in ``assay.monitor.disagreement``. ``stream`` and ``account`` import it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.source import Source, source
from assay.errors import AssayError, ConfigError, listed, nearest
from assay.explain.change import change
from assay.model import guard
from assay.model.answer import Answer
from assay.model.load import load
from assay.model.model import Model
from assay.model.signature import Signature
from assay.monitor.disagreement import PAIR, RENEWED, SIDES, Answers, Norm, Pairs, Told, read, step
from assay.monitor.evidence import Page
from assay.monitor.incident import Alert, Window
from assay.result import Figure
from assay.segment.segment import Segment, segments
from assay.verbs.explain.change import sided, told
from assay.verbs.explain.explanation import Ground
from assay.verbs.monitor.answer import EVER, FIRST, ROWS, Behind, Side, beside, both, likened, ordered, scorable, served
from assay.verbs.monitor.asked import OTHER, Asked
from assay.verbs.subject import opened

__all__ = ["PAIRED", "Pair", "figures", "noted"]

Array = np.ndarray[Any, Any]

PAIRED = 0.1           # of the budget, where two models are watched
_SEARCHED = 20_000     # rows in which segments are looked for
_EXPLAINED = 5_000     # rows of either side, of which it is said why
_OFTEN = 0.02          # of the rows that get one answer, for it to be one of few
_OTHERWISE = 0.9       # of the rows decided otherwise while all is well: then classes have other names, or one says the opposite
_NAMES = {"difference": "the difference of scores", "distance": "the distance of scores", "disagreement": "the share of other decisions",
          "silence": "missing answers", "repeats": "repeated answers"}


class Pair:
    """Two models that answer the same rows, as a configuration names them: what is production, what its shadow, and where both answer."""

    def __init__(self, job: Any, *, model: Model | None, logged: Side | None):
        self._job, self.model, self._logged = job, model, logged
        self._asked: Asked | None = None
        self._absent: str | None = None
        self._norm: Norm | None = None
        self._looked = False

    @classmethod
    def of(cls, job: Any, *, trust: bool) -> Pair | None:
        """Return the pair that ``monitor: shadow`` names, None without; ``job.model`` is then the one in production.

        Raises ``ConfigError`` where the file does not name two.
        """
        config, shadow = job.config, job.settings.shadow
        if shadow is None:
            return None
        where = f"{config.path}, monitor: shadow"
        recorded = bool({"score", "prediction"} & job.roles.keys())
        if isinstance(shadow, Mapping):
            columns = shadow.get("score", ())
            side = Side((columns,) if isinstance(columns, str) else tuple(columns), shadow.get("prediction"))
            mine = [*side.scores, *([side.prediction] if side.prediction else [])]
            if not recorded and job.model is None:
                raise ConfigError("there is a shadow, and nothing in production", where=where, expected="a column with the role score or "
                                  "prediction, or a model")
            _apart(job.roles, mine, where)
            held = job.roles.get("ignored", ())
            job.roles["ignored"] = tuple(dict.fromkeys([*([held] if isinstance(held, str) else held), *mine]))
            return cls(job, model=None, logged=side)
        if getattr(config, shadow) is None:
            raise ConfigError(f"the file names no {shadow}", where=where, expected=f"{shadow}: FILE", hint="or the columns that hold the "
                              "shadow's answers: {score: COLUMN}")
        other = "champion" if shadow == "model" else "model"
        if not recorded and getattr(config, other) is None:
            raise ConfigError("there is a shadow, and nothing in production", where=where,
                              expected=f"{other}: FILE, or a column with the role score or prediction")

        def made(name: str) -> Model | None:
            return None if getattr(config, name) is None else load(config.location(getattr(config, name)), trust=trust, task=config.task,
                                                                  classes=config.classes, features=config.features)

        second = job.model if shadow == "model" else made(shadow)
        job.model = made(other) if shadow == "model" else job.model
        return cls(job, model=second, logged=None)

    @property
    def who(self) -> str:
        """Who the two are: another model begins anew."""
        parts = (getattr(self._job.model, "digest", ""), getattr(self.model, "digest", ""), str(self._job.settings.shadow))
        return " ".join(each[:40] for each in parts)

    def beside(self, flowing: Source) -> Source:
        """Return a delivery with the shadow's answers beside production's, where it is a model to be asked."""
        if self.model is None:
            self._absent = self._missing(flowing.schema.arrow)
            return flowing
        self._asked = Asked(flowing, self.model, shadow=True)
        return source(self._asked)

    @property
    def failed(self) -> str | None:
        """Why the shadow could not answer for rows of the last delivery."""
        return self._absent if self._asked is None else self._asked.failed

    def _missing(self, schema: pa.Schema) -> str | None:
        """Say which columns of the shadow's answers a delivery lacks, or holds as text: no error, as production is watched all the same."""
        side = self._logged
        absent = [] if side is None else [each for each in (*side.scores, side.prediction) if each and each not in schema.names]
        if absent:
            near = nearest(absent[0], schema.names)
            return f"there is no column {listed(absent)}" + (f"; did you mean '{near}'?" if near else "")
        texts = [] if side is None else [each for each in side.scores if not scorable(schema.field(each).type)]
        return f"the column {listed(texts)} holds no numbers, and scores are numbers" if texts else None

    def step(self, memory: Pairs, window: Window, rows: pa.Table, behind: Behind | None) -> tuple[Pairs, list[Alert], Told | None]:
        """Return the memory after a window, alerts, and what was seen; nothing of a window in which neither column is there."""
        job = self._job
        memory = memory if memory.who == self.who else Pairs(self.who)
        if not rows.num_rows or self.answers(rows.slice(0, 1)) is None:
            return memory, [], None
        rows = ordered(job, rows)
        sides = self.answers(rows)
        assert sides is not None
        if memory.norm is None:
            memory = self._begun(memory, window, behind)
        elif memory.due and behind is not None:
            memory = self._renewed(memory, window, behind)
        norm = memory.norm
        if norm is None:
            return replace(memory, windows=memory.windows + 1), [], None
        pairing = read(norm, rows, *sides)
        learning = max(2, job.settings.learning - memory.first)   # what the norm was learned from was no secret to it
        memory, found = step(memory, pairing, window.start, alpha=job.paired, season=job.season(window), learning=learning,
                             resting=bool(job.resting(window, [PAIR])))
        alerts = [] if found.page is None else [self._alert(norm, found, found.page, rows, sides)]
        return memory, alerts, found

    def _begun(self, memory: Pairs, window: Window, behind: Behind | None) -> Pairs:
        """Return the memory with the norm, as soon as there are rows to learn it from: the reference, else the first windows."""
        if not self._looked:
            self._looked = True
            self._norm = self._of_reference()
        norm = self._norm
        if norm is None and behind is not None and memory.windows + 1 >= FIRST:
            past = behind(window, EVER, None)
            norm = None if past is None else self._learned(past)
        return memory if norm is None else memory.begun(norm)

    def _renewed(self, memory: Pairs, window: Window, behind: Behind) -> Pairs:
        """Return the memory with a norm of the last twelve weeks of windows, without this one."""
        start, end = (dt.datetime.fromisoformat(each) for each in (window.start, window.end))
        rows = behind(window, 3 * RENEWED * (end - start), end - start)
        if rows is None:
            return memory
        norm = self._learned(rows)
        some = ordered(self._job, rows).slice(max(rows.num_rows - ROWS // 4, 0))
        sides = self.answers(some)
        return memory if norm is None or sides is None else memory.anew(norm, some, *sides)

    def _of_reference(self) -> Norm | None:
        """Return the norm of the reference, where it holds the answers of both, or both are there to be asked."""
        job, place = self._job, self._job.config.reference
        if place is None:
            return None
        place, types = job.config.location(place), job.config.types
        try:
            names = set(source(place, types=types).schema.names)
            roles = {role: columns for role, columns in job.roles.items()
                     if role != "available_at" and ({columns} if isinstance(columns, str) else set(columns)) <= names}
            flowing: Source = source(place, types=types, **roles)
            if job.model is not None and not (flowing.schema.prediction or flowing.schema.score):
                flowing = source(Asked(flowing, job.model))
            batches = list(self.beside(flowing).batches())
        except AssayError:      # it need not have what only production has, such as logged answers: then the stream is its own reference
            return None
        return self._learned(pa.Table.from_batches(batches)) if batches else None

    def _learned(self, rows: pa.Table) -> Norm | None:
        rows = ordered(self._job, rows)
        if rows.num_rows > ROWS:
            rows = rows.take(pa.array(np.linspace(0, rows.num_rows - 1, ROWS).astype(np.int64)))
        sides = self.answers(rows)
        return None if sides is None else Norm.of(rows, likened(self._job, rows), *sides)

    def answers(self, rows: pa.Table) -> tuple[Answers, Answers] | None:
        """Return what both answered; None where one of them has no column."""
        return both(self._job, rows, served(self._job, rows), self._logged or beside(rows.column_names, OTHER), self.model)

    # words --------------------------------------------------------------------------------------------------------------------------

    def _alert(self, norm: Norm, found: Told, page: Page, rows: pa.Table, sides: Sequence[Answers]) -> Alert:
        """Return the alert of a page: whose fault it is and since when, what moved, and in which rows."""
        opened = page.state in ("opened", "withheld")
        kind, target = _traced(found, page, sides)
        some = self._where(rows, target) if opened else []
        place = f", mostly where {_said(some, kind)}" if some else ""
        lead = "moved" if self._both_asked(rows) else "fault"
        words = f"{_led(found, lead)}: {_moved(norm, found, page)}{place}; {_fault(found)}"
        asked = self._both_asked(rows) and found.blame in SIDES
        hint = ("not paged, as the pair's part of the budget is spent" if page.state == "withheld" else
                _ASKED.format(_THE[found.blame or "shadow"]) if asked else
                f"{_HINTS[found.blame or 'neither']}{', in the rows that are named' if some and found.blame == 'shadow' else ''}")
        slices = tuple({"where": each.text} for each in some if each.text)
        share = some[0].share if some else None
        return Alert("drift", PAIR, words, page=page.state == "opened", evidence=page.evidence, slices=slices, hint=hint, share=share,
                     group="two models")

    def _both_asked(self, rows: pa.Table) -> bool:
        """Whether both are files that are asked on the very same rows, so that no pipeline of one alone can be at fault."""
        return self.model is not None and self._job.model is not None and served(self._job, rows) == beside(rows.column_names, "assay ")

    def _where(self, rows: pa.Table, target: Array) -> list[Segment]:
        """Return the segments that hold what moved: where there is more of ``target``; none where it is in nearly all rows."""
        if rows.num_rows > _SEARCHED:
            at = np.linspace(0, rows.num_rows - 1, _SEARCHED).astype(np.int64)
            rows, target = rows.take(pa.array(at)), target[at]
        if not np.isfinite(target).any():
            return []
        try:
            tolerance = 0.25 * max(float(np.nanmean(target)), 0.0)
            # those columns alone: what else the ledger holds must not change which half a row is in
            searched = segments(rows.select(likened(self._job, rows)), target, tolerance=tolerance, levels=2, most=2)
        except AssayError:     # too few rows, or no column to cut them by: the page stands without
            return []
        return list(searched.segments)

    def why(self, stretch: Any, number: int) -> str:
        """Return by which inputs the difference of the two scores moved in a window, against those before it, in a sentence.

        Raises ``AssayError`` where one of the two cannot be asked.
        """
        job = self._job
        if self.model is None or job.model is None:
            raise ConfigError("one of the two models is known by its logged answers only", expected="both as files")
        before: list[pa.Table] = []
        for place in range(number - 1, max(-1, number - 29), -1):
            before.append(stretch.rows(place))
            if sum(each.num_rows for each in before) >= 4 * _EXPLAINED:
                break
        random = np.random.default_rng(0)
        tables = []
        for each in (pa.concat_tables(before, promote_options="permissive"), stretch.rows(number)):
            plain = each.drop_columns([name for name in each.column_names if name.startswith("assay ")])
            tables.append(plain.take(pa.array(np.sort(random.permutation(plain.num_rows)[:_EXPLAINED]))))
        roles = {role: each for role, each in job.there(tables[1]).items() if role not in ("score", "prediction")}
        gap = _Gap(job.model, self.model)
        subject, _ = opened(gap, pa.concat_tables(tables, promote_options="permissive"), train=None, reference=None, champion=None,
                            positive=None, threshold=None, task=None, classes=None, features=None, trust=False, where=None, sql=None,
                            types=job.config.types, roles=roles)
        ground = Ground(subject)
        names = ("the windows before", stretch.starts[number][:16].replace("T", " "))
        sides = [sided(ground, name, each, "score") for name, each in zip(names, tables, strict=True)]
        made = change(ground.model, sides[0], sides[1], ground.behind, quantity="score")
        return told(made, None, ground).replace("the mean score", "the shadow's score less production's").replace(
            "mean score", "the shadow's score less production's")


_HINTS = {"shadow": "do not promote the shadow: compare the pipeline that feeds it with production's",
          "production": "production itself is off: compare the pipeline that feeds it with the shadow's; the shadow may stand in for it",
          "both": "look at the data first: both models left their history",
          "neither": "score some of these rows with both models by hand, or label them: the two part, and neither looks odd by itself"}


_ASKED = "both are files asked on the same rows, so the rows changed: mend the input that its cause names, or keep {} away from such rows"
_THE = {"production": "production", "shadow": "the shadow"}


def _apart(roles: Mapping[str, Any], mine: Sequence[str], where: str) -> None:
    """Raise ``ConfigError`` where a column of the shadow's answers is something else already."""
    for role, columns in roles.items():
        taken = set(mine) & ({columns} if isinstance(columns, str) else set(columns)) if role not in ("ignored", "slices") else set()
        if taken:
            held = "is production's answer" if role in ("score", "prediction") else f"has the role {role}"
            raise ConfigError(f"the column {listed(sorted(taken))} {held}", where=where,
                              expected="columns that hold the shadow's answers alone")


def _led(found: Told, lead: str) -> str:
    """Return the words that a page begins with: whose fault it is, or who moved, and since when."""
    since = (found.since or "")[:16].replace("T", " ")
    if found.blame not in SIDES:
        return f"whose fault it is cannot be decided; since {since}"
    the = _THE[found.blame]
    return f"the fault is {the}'s since {since}" if lead == "fault" else f"{the} moved against {_THE[_other(found.blame)]} since {since}"


def _other(side: str) -> str:
    return SIDES[1 - SIDES.index(side)]


def _fault(found: Told) -> str:
    """Return how far each of the two has left its own history, that of the one at fault first."""
    far = {side: f"{found.away.get(side, (0.0, ''))[0]:.1f}" for side in SIDES}
    if found.blame in SIDES:
        other = _other(found.blame)
        return f"{_THE[found.blame]} left its own history by {far[found.blame]} standard deviations, {_THE[other]} by {far[other]}"
    clear = "both left their" if found.blame == "both" else "neither clearly left its"
    return f"{clear} own history (production by {far['production']} standard deviations, the shadow by {far['shadow']})"


def _traced(found: Told, page: Page, sides: Sequence[Answers]) -> tuple[str, Array]:
    """Return what is looked for in the rows, by what moved most, and how much of it each row has: distance, missing or repeated answers."""
    name = page.moved[0].stream.statistic if page.moved else "distance"
    guilty = max((0, 1), key=lambda place: (SIDES[place] == found.blame, float(sides[place].silent.mean())))
    if name == "silence":
        return name, sides[guilty].silent.astype(float)
    if name == "repeats":
        plain = found.pairing.plain
        guilty = guilty if found.blame in SIDES else max((0, 1), key=lambda place: plain.get(f"{SIDES[place]} repeats", 0.0))
        number = sides[guilty].number
        known = np.isfinite(number)
        _, at, counts = np.unique(number[known], return_inverse=True, return_counts=True)
        often = np.full(len(number), np.nan)
        often[known] = counts[at.reshape(-1)] >= max(_OFTEN * known.sum(), 2)
        return name, often
    return "distance", found.pairing.excess


def _moved(norm: Norm, found: Told, page: Page) -> str:
    """Return what moved between the two, the most telling first, at most two things."""
    now, usual, scale = found.pairing.plain, norm.usual, norm.scale
    said = []
    for each in page.moved[:2]:
        name = each.stream.statistic
        if name == "difference":
            off = found.pairing.streams[name][0] * scale
            said.append(f"the shadow's answers moved by {off:+.3g} against production's on the same rows")
        elif name == "distance":
            said.append(f"the two lie {now[name] * scale:.3g} apart on the same rows ({usual.get(name, 0.0) * scale:.3g} usually)")
        elif name == "disagreement":
            said.append(f"they decide otherwise in {now[name]:.1%} of the same rows ({usual.get(name, 0.0):.1%} usually)")
        elif name == "silence":
            said.append(f"no answer from the shadow in {now['shadow silent']:.1%} of the rows, from production in "
                        f"{now['production silent']:.1%} (usually {usual.get('shadow silent', 0.0):.1%} and "
                        f"{usual.get('production silent', 0.0):.1%})")
        elif name == "repeats":
            said.append("two rows that the other tells apart get the very same answer in "
                        f"{now['shadow repeats']:.1%} of cases from the shadow and in {now['production repeats']:.1%} from production "
                        f"(usually {usual.get('shadow repeats', 0.0):.1%} and {usual.get('production repeats', 0.0):.1%})")
    return ", and ".join(said)


def _said(some: Sequence[Segment], kind: str) -> str:
    first = some[0]
    more = f"; and {', and '.join(each.words for each in some[1:])}" if len(some) > 1 else ""
    within, outside = first.inside.estimate, first.outside.estimate
    much = (f"{within:+.2g} standard deviations further apart than usual, {outside:+.2g} elsewhere" if kind == "distance" else
            f"{within:.0%} of them {'without an answer' if kind == 'silence' else 'with one of few answers'}, {outside:.0%} elsewhere")
    return f"{first.words} ({first.share:.0%} of the rows: {much}){more}"


def noted(last: Told | None, norm: Norm | None) -> list[str]:
    """Return what the last window says of two models, in a sentence."""
    if last is None or norm is None:
        return []
    now, usual, scale = last.pairing.plain, norm.usual, norm.scale
    said = []
    if "disagreement" in now:
        said.append(f"decide otherwise in {now['disagreement']:.1%} of the last window's {last.pairing.rows:,} rows "
                    f"({usual.get('disagreement', 0.0):.1%} usually)")
    if "difference" in now:
        off = (now["difference"] - usual.get("difference", 0.0)) * scale
        explained = off - last.pairing.streams["difference"][0] * scale
        said.append(f"the shadow's answers lie {now['difference'] * scale:+.3g} from production's ({off:+.2g} against the usual, of which "
                    f"a shift of the rows explains {explained:+.2g})")
    notes = [f"production and shadow {', '.join(said)}"] if said else []
    if not (usual.get("distance", 1.0) or now.get("distance", 1.0)) and not now.get("disagreement"):
        notes.append("production and shadow gave the very same answer in every row: are they one model, or one column twice?")
    if usual.get("disagreement", 0.0) > _OTHERWISE:
        notes.append(f"production and shadow decided otherwise in {usual['disagreement']:.1%} of the rows from the start: are their "
                     "classes written the same way? If not, that they decide otherwise says nothing")
    return notes


def figures(told_: Iterable[tuple[int, Told]]) -> Iterable[Figure]:
    """Return how far two models lay apart window by window, and how far each stood from its own history."""
    points = list(told_)
    if len(points) < 2:
        return
    at = tuple(number + 1 for number, _ in points)
    for name, title in (("disagreement", "Rows that the two models decide otherwise"), ("difference", "Shadow less production")):
        some = [(number, each) for number, (_, each) in zip(at, points, strict=True) if name in each.pairing.streams]
        if len(some) < 2:
            continue
        values = [each.pairing.plain[name] for _, each in some]
        errors = [1.96 * each.pairing.streams[name][1] ** 0.5 for _, each in some]
        floor, ceiling = (0.0, 1.0) if name == "disagreement" else (-np.inf, np.inf)
        yield Figure(title, "line", f"{title}, by window",
                     {"window": tuple(number for number, _ in some), name: tuple(round(each, 5) for each in values),
                      "low": tuple(round(max(value - error, floor), 5) for value, error in zip(values, errors, strict=True)),
                      "high": tuple(round(min(value + error, ceiling), 5) for value, error in zip(values, errors, strict=True))},
                     x="window", y=(name,), low=("low",), high=("high",), aspect="performance",
                     sentence=f"{_NAMES[name]}{' in standard deviations of answers' if name == 'difference' else ''}; a band that widens "
                     "says that the rows have moved")
    lines = {side: tuple(round(max((abs(z) for name, z in each.z.items() if name.startswith(side)), default=0.0), 2) for _, each in points)
             for side in SIDES}
    yield Figure("Each model against its own history", "line", "How far each model left its own history, by window",
                 {"window": at, **lines}, x="window", y=SIDES, aspect="performance",
                 sentence="standard deviations of the statistic that moved most; where one is far above the other, the fault is its own")


# what is asked --------------------------------------------------------------------------------------------------------------------------


class _Gap:
    """What one model answers more than another: a model of its own, so that a change of the difference has its causes among the inputs."""

    def __init__(self, first: Model, second: Model):
        self._models = first, second
        names = [each.signature.inputs for each in self._models]
        inputs = None if any(each is None for each in names) else tuple({put.name: put for some in names for put in some or ()}.values())
        self.signature = Signature(inputs, "regression")
        self.digest = f"{second.digest} less {first.digest}"

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        first, second = (_number(guard.answer(each, batch)) for each in self._models)
        return Answer("regression", value=second - first).batch()


def _number(answer: Answer) -> Array:
    if answer.value is not None:
        return np.asarray(answer.value, np.float64)
    if answer.score is not None:
        return np.asarray(answer.score[:, 1] if answer.score.shape[1] == 2 else answer.score.max(axis=1), np.float64)
    if answer.prediction is None or answer.prediction.ndim != 1:
        raise ConfigError("answers of several labels are not compared as numbers", expected="scores, numbers or one label a row")
    return np.asarray(answer.prediction, np.float64)
