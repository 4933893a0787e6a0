"""What would have had to differ for another decision: the fewest and smallest changes that a person can make, each asked of the model.

``counterfactuals(model, row, seen, goal, changeable)`` is the interface; verbs use it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError, DataError, UnknownColumnError, listed
from assay.explain.alternative import Alternatives, alternatives, rounded
from assay.explain.rows import batch, taken
from assay.model import guard
from assay.model.answer import Answer
from assay.model.model import Model, bind, called
from assay.model.signature import Class
from assay.model.trees import trees

__all__ = ["Change", "Counterfactual", "Counterfactuals", "Goal", "counterfactuals"]

Array = np.ndarray[Any, Any]
BUDGET = 200_000   # rows of the model
_ASKED = 32_768    # a call
_BEAM = 48         # unfinished changes that are followed, where not all can be tried
_CELLS = 20_000_000   # values of rows that are made at once, however many columns there are
_STEPS = 5         # of a bisection by sixteen


@dataclass(frozen=True)
class Goal:
    """The decision that is wished for: the class ``target`` (None: any other than now), or a number ``at_least`` or ``at_most``.

    ``positive`` and ``threshold`` say how a score becomes a decision; without, the model's own prediction counts.
    """

    target: Class | None = None
    at_least: float | None = None
    at_most: float | None = None
    positive: int | None = None
    threshold: float | None = None

    def nearness(self, answer: Answer, now: int | None) -> tuple[Array, Array]:
        """Return which answers are what is wished for, and how near each is (higher is nearer; 0 where a model gives no scores)."""
        if answer.value is not None:
            gaps = [answer.value - self.at_least] if self.at_least is not None else []
            gaps += [self.at_most - answer.value] if self.at_most is not None else []
            near: Array = np.min(gaps, axis=0)
            return near >= 0, near
        places = self.decided(answer)
        assert answer.classes is not None
        if self.target is None:
            reached = places != now
            near = -answer.score[:, now] if answer.score is not None else np.zeros(len(places))
        else:
            wanted = answer.classes.index(self.target)
            reached = places == wanted
            near = answer.score[:, wanted] if answer.score is not None else np.zeros(len(places))
        return reached, near

    def decided(self, answer: Answer) -> Array:
        """Return the decision of each answer, as a place of its classes."""
        if answer.score is not None and self.threshold is not None and self.positive is not None and answer.score.shape[1] == 2:
            return np.where(answer.score[:, self.positive] >= self.threshold, self.positive, 1 - self.positive)
        if answer.prediction is not None:
            return answer.prediction.astype(np.int64)
        assert answer.score is not None
        return cast(Array, answer.score.argmax(axis=1))


@dataclass(frozen=True)
class Change:
    """One column of a row, what it is and what it would have to be."""

    column: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Counterfactual:
    """Changes that lead to another decision, each of them needed; ``cost`` adds them up in spreads of the columns (a category is 1)."""

    changes: tuple[Change, ...]
    cost: float
    decision: Any
    score: float | None


@dataclass(frozen=True)
class Counterfactuals:
    """What was ``found``, the fewest changes first, and how far was searched.

    ``decision`` and ``score`` are those of the row as it is. ``complete``: all combinations of so many columns were asked. ``exact``: of
    the values that columns may take none was left out that could matter, so that there are no fewer changes than those found.
    """

    found: tuple[Counterfactual, ...]
    decision: Any
    score: float | None
    asked: int
    complete: int
    exact: bool
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def counterfactuals(model: Model, row: Any, seen: Any, goal: Goal, changeable: Mapping[str, Any], *, barred: Sequence[str] = (),
                    count: int = 3, most: int = 5, budget: int = BUDGET) -> Counterfactuals:
    """Return up to ``count`` ways to another decision for one ``row``, of at most ``most`` changes.

    ``row`` is a batch or table of one row, ``seen`` rows of the data, whose values are what columns may take. ``changeable`` says how each
    column may change (see :func:`assay.explain.alternative.alternatives`); a column in ``barred`` must not be there. Ways are of different
    columns, none of which holds another. The model is asked for ``budget`` rows at most.

    Raises ``ConfigError`` for what cannot change, ``DataError`` where the row is decided so already.

    >>> import assay
    >>> model = assay.load(lambda batch: batch.column("income").to_numpy() - 2.0 * batch.column("debt").to_numpy(), task="regression")
    >>> data = pa.table({"income": [1, 2, 3, 4, 5], "debt": [0, 1, 2, 3, 5]})
    >>> made = counterfactuals(model, data[2:3], data, Goal(at_least=0.5), {"income": "increase", "debt": "decrease"})
    >>> [[(each.column, each.before, each.after) for each in way.changes] for way in made.found]
    [[('debt', 2, 1)], [('income', 3, 5)]]
    """
    search = _Search.of(model, _one(row), batch(seen), goal, changeable, barred, budget)
    return search.run(count, most)


@dataclass
class _Search:
    model: Model
    row: pa.RecordBatch
    goal: Goal
    columns: list[Alternatives]
    budget: int
    asked: int = 0
    now: int | None = None
    decision: Any = None
    score: float | None = None
    complete: int = 0
    found: dict[tuple[int, ...], tuple[float, Array]] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Model, row: pa.RecordBatch, seen: pa.RecordBatch, goal: Goal, changeable: Mapping[str, Any],
           barred: Sequence[str], budget: int) -> _Search:
        model = bind(model, row.schema)
        names = list(model.signature.names or row.schema.names)
        mine = taken(model, row, names)
        for name in changeable:
            if name in barred:
                raise ConfigError(f"'{name}' is protected or forbidden, and nobody is told to change it", expected="other columns")
            if name not in names:
                raise UnknownColumnError.among(name, names, where=f"the inputs of {called(model)}")
        if goal.target is not None and goal.target not in (model.signature.classes or ()):
            raise ConfigError(f"the model has no class '{goal.target}'", where=called(model),
                              expected=f"one of {listed(map(str, model.signature.classes or ()))}")
        if model.signature.classes is None and goal.at_least is None and goal.at_most is None:
            raise ConfigError("a model of numbers needs to be told which number is wished for", where=called(model),
                              expected="at least, or at most, a number")
        cuts, strict, single = _cuts(model, names, mine)
        columns = [alternatives(name, mine.column(names.index(name)), seen.column(seen.schema.get_field_index(name)), spec,
                                cuts=cuts.get(name), strict=strict, single=single) for name, spec in changeable.items()]
        return cls(model, mine, goal, [each for each in columns if len(each)], budget)

    def run(self, count: int, most: int) -> Counterfactuals:
        answer = guard.answer(self.model, self.row)
        self.asked += 1
        self.decision, self.score, place = self._said(answer, 0)
        self.now = place
        reached, near = self.goal.nearness(answer, place)
        if reached[0]:
            raise DataError(f"the row is decided so already: {self.decision}", where=called(self.model), expected="a row decided otherwise")
        width = len(self.columns)
        partial = [(float(near[0]), np.zeros(width, np.int64))]
        closed = True
        for size in range(1, min(most, width) + 1):
            closed = closed and math.comb(width, size) <= self.budget   # each set is a row at least: else there is no need to list them
            sets = [each for each in itertools.combinations(range(width), size)
                    if not any(set(one) <= set(each) for one in self.found)] if closed else []
            rows = sum(int(np.prod([float(len(self.columns[at])) for at in each])) for each in sets)
            if closed and rows <= self.budget - self.asked:
                partial = self._every(sets)
                self.complete = size
            else:
                closed = False
                partial = self._beam(partial, min(most, width) - size + 1)
            fewest = min(map(len, self.found), default=most)
            if len(self.found) >= count or size > fewest or self.asked >= self.budget or not partial:
                break
        ways = [self._shrunk(each[1]) for each in list(self.found.values())]
        return self._result(ways, count, min(most, width))

    def _every(self, sets: Sequence[tuple[int, ...]]) -> list[tuple[float, Array]]:
        """Ask all combinations of values of each set of columns; keep the cheapest way of each, and the nearest of the others."""
        kept: list[tuple[float, Array]] = []
        for each in sets:
            shape = [len(self.columns[at]) for at in each]
            best: tuple[float, Array] | None = None
            for low in range(0, int(np.prod(shape)), _ASKED):
                flat = np.arange(low, min(low + _ASKED, int(np.prod(shape))))
                tried = np.zeros((len(flat), len(self.columns)), np.int64)
                for at, places in zip(each, np.unravel_index(flat, shape), strict=True):
                    tried[:, at] = places + 1
                cost = self._cost(tried)
                reached, near = self._ask(tried)
                if reached.any():
                    first = np.flatnonzero(reached)[np.argmin(cost[reached])]
                    if best is None or cost[first] < best[0]:
                        best = float(cost[first]), tried[first]
                else:
                    kept += [(float(near[at]), tried[at]) for at in np.argsort(-near, kind="stable")[:2]]
            if best is not None:
                self.found[each] = best
        return sorted(kept, key=lambda way: -way[0])[:_BEAM]

    def _beam(self, partial: list[tuple[float, Array]], levels: int) -> list[tuple[float, Array]]:
        """Add one more change to the nearest unfinished ones, as many as the budget allows for ``levels`` such steps."""
        wide = max(2, min(_BEAM, (self.budget - self.asked) // levels // sum(map(len, self.columns))))
        ways = [way for _, way in partial[:wide]]
        room = min(max(self.budget - self.asked, 0), _CELLS // len(self.columns))
        steps = [(way, at, place) for way in ways for at, place in self._steps(way, room // max(len(ways), 1))]
        if not steps:
            return []
        tried = np.stack([way for way, _, _ in steps])
        tried[np.arange(len(steps)), [at for _, at, _ in steps]] = [place for _, _, place in steps]
        tried = np.unique(tried, axis=0)
        reached, near = self._ask(tried)
        cost = self._cost(tried)
        for at in np.flatnonzero(reached)[np.argsort(cost[reached], kind="stable")]:
            key = tuple(np.flatnonzero(tried[at]).tolist())
            if not any(set(one) <= set(key) for one in self.found):
                self.found[key] = float(cost[at]), tried[at]
        rest = np.flatnonzero(~reached)
        spread = float(near[rest].std()) or 1.0
        order = rest[np.argsort(-(near[rest] / spread - 0.05 * cost[rest]), kind="stable")]
        kept: list[tuple[float, Array]] = []
        often: dict[tuple[int, ...], int] = {}
        for at in order:   # two of each set of columns, so that not all follow one
            key = tuple(np.flatnonzero(tried[at]).tolist())
            often[key] = often.get(key, 0) + 1
            if often[key] <= 2:
                kept.append((float(near[at]), tried[at]))
            if len(kept) == _BEAM:
                break
        return kept

    def _steps(self, way: Array, room: int) -> list[tuple[int, int]]:
        """Return single changes to a way, a column and the place of its value: all, or of each column fewer, the farthest first.

        Where there is not room for one of each column, columns are left out evenly.
        """
        free = [at for at in range(len(self.columns)) if not way[at]]
        if sum(len(self.columns[at]) for at in free) <= room:
            return [(at, place) for at in free for place in range(1, len(self.columns[at]) + 1)]
        if room < len(free):
            free = [free[at] for at in np.unique(np.linspace(0, len(free) - 1, room).astype(np.int64))] if room else []
        each = room // max(len(free), 1)
        fewer = {at: np.ceil(np.linspace(len(self.columns[at]), 0, each + 1)[:-1]).astype(np.int64) for at in free}
        return [(at, place) for at, places in fewer.items() for place in np.unique(places).tolist()]

    def _shrunk(self, way: Array) -> tuple[Array, dict[int, float]]:
        """Take back what is not needed, and every change as far as the decision allows; return the way and numbers between the values."""
        way = way.copy()
        better = True
        while better and (way > 0).sum() > 1:
            places = np.flatnonzero(way)
            tried = np.tile(way, (len(places), 1))
            tried[np.arange(len(places)), places] = 0
            reached = self._ask(tried)[0]
            better = bool(reached.any())
            if better:
                cost = self._cost(tried)
                way = tried[np.flatnonzero(reached)[np.argmin(cost[reached])]]
        for _ in range(3):
            before = way.copy()
            for at in sorted(np.flatnonzero(way), key=lambda place: -self.columns[place].cost[way[place]]):
                if way[at] > 1:
                    tried = np.tile(way, (way[at], 1))
                    tried[:, at] = np.arange(1, way[at] + 1)
                    way[at] = int(tried[np.argmax(self._ask(tried)[0]), at])   # sorted by cost, and the last one is the way itself
            if (way == before).all():
                break
        return way, {at: value for at in np.flatnonzero(way).tolist() if (value := self._between(way, at)) is not None}

    def _between(self, way: Array, at: int) -> float | None:
        """Return a number nearer to the row's than the value tried, where a range was given and the decision allows it."""
        column = self.columns[at]
        if column.low is None and column.high is None:
            return None
        mine, far = (float(column.values.cast(pa.float64())[int(place)].as_py() or 0.0) for place in (0, way[at]))
        if column.values[0].as_py() is None:
            return None
        near = mine
        for _ in range(_STEPS):
            grid = np.linspace(near, far, 17)[1:]
            grid = (np.ceil if far > mine else np.floor)(grid) if column.whole else grid
            reached = self._ask(np.tile(way, (16, 1)), {at: grid})[0]
            first = int(np.argmax(reached)) if reached.any() else 15
            near, far = (float(grid[first - 1]) if first else near), float(grid[first])
        if column.whole:
            return far
        bound = (column.high if far > mine else column.low)
        short = rounded(far, bound if bound is not None else (np.inf if far > mine else -np.inf), up=far > mine)
        return short if self._ask(way[None], {at: np.array([short])})[0][0] else far

    def _ask(self, tried: Array, numbers: Mapping[int, Array] | None = None) -> tuple[Array, Array]:
        reached, near = np.zeros(len(tried), bool), np.zeros(len(tried))
        for low in range(0, len(tried), _ASKED):
            part = tried[low:low + _ASKED]
            answer = guard.answer(self.model, self._batch(part, {at: each[low:low + _ASKED] for at, each in (numbers or {}).items()}))
            reached[low:low + _ASKED], near[low:low + _ASKED] = self.goal.nearness(answer, self.now)
        self.asked += len(tried)
        return reached, np.where(np.isfinite(near), near, -np.inf)

    def _batch(self, tried: Array, numbers: Mapping[int, Array]) -> pa.RecordBatch:
        made = {each.name: each.values.take(pa.array(tried[:, at])) for at, each in enumerate(self.columns)}
        for at, values in numbers.items():
            made[self.columns[at].name] = pa.array(values).cast(self.columns[at].values.type, safe=False)
        same = pa.array(np.zeros(len(tried), np.int64))
        arrays = [made[name] if name in made else self.row.column(place).take(same) for place, name in enumerate(self.row.schema.names)]
        return pa.RecordBatch.from_arrays(arrays, names=self.row.schema.names)

    def _cost(self, tried: Array) -> Array:
        return cast(Array, sum((each.cost[tried[:, at]] for at, each in enumerate(self.columns)), start=np.zeros(len(tried))))

    def _said(self, answer: Answer, row: int) -> tuple[Any, float | None, int | None]:
        if answer.value is not None:
            return float(answer.value[row]), None, None
        place = int(self.goal.decided(answer)[row])
        assert answer.classes is not None
        shown = self.goal.positive if self.goal.positive is not None else place
        return answer.classes[place], None if answer.score is None else float(answer.score[row, shown]), place

    def _result(self, ways: Sequence[tuple[Array, dict[int, float]]], count: int, most: int) -> Counterfactuals:
        made: dict[tuple[str, ...], Counterfactual] = {}
        for way, numbers in ways:
            given = {at: np.array([value]) for at, value in numbers.items()}
            changed = self._batch(way[None], given)
            answer = guard.answer(self.model, changed)
            if not self.goal.nearness(answer, self.now)[0][0]:   # several numbers between values, each of which was tried alone
                changed, given = self._batch(way[None], {}), {}
                answer = guard.answer(self.model, changed)
            changes, cost = [], 0.0
            for at in np.flatnonzero(way).tolist():
                column = self.columns[at]
                after = changed.column(changed.schema.get_field_index(column.name))[0].as_py()
                changes.append(Change(column.name, column.values[0].as_py(), after))
                cost += abs(float(after) - float(column.values[0].as_py())) / column.scale if at in given else float(column.cost[way[at]])
            decision, score, _ = self._said(answer, 0)
            made.setdefault(tuple(each.column for each in changes), Counterfactual(tuple(changes), cost, decision, score))
        found = sorted(made.values(), key=lambda each: (len(each.changes), each.cost))
        found = [each for each in found if not any({one.column for one in other.changes} < {one.column for one in each.changes}
                                                   for other in found)]
        every = all(each.all for each in self.columns)
        exact = every and self.complete >= (len(found[0].changes) if found else most)
        return Counterfactuals(tuple(found[:count]), self.decision, self.score, self.asked, self.complete, exact,
                               tuple(each.name for each in self.columns))


def _cuts(model: Model, names: Sequence[str], row: pa.RecordBatch) -> tuple[dict[str, Array], bool, bool]:
    """Return the cuts of each numeric column that trees read as it is, and how they compare."""
    grown = trees(model)
    if grown is None:
        return {}, False, False
    numbers = grown.matrix(row)
    found: dict[str, Array] = {}
    inner = (grown.left >= 0) & (grown.sets < 0)
    for place, name in enumerate(names):
        made = np.flatnonzero(grown.source == place)
        column = row.column(place)
        if len(made) != 1 or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            continue
        value, read = column.cast(pa.float64(), safe=False)[0].as_py(), float(numbers[0, made[0]])
        if value is None or value != value or read != value or (grown.feature[(grown.sets >= 0)] == made[0]).any():
            continue   # something stands between the column and the trees
        found[name] = np.unique(grown.threshold[inner & (grown.feature == made[0])])
    return found, grown.strict, grown.single


def _one(row: Any) -> pa.RecordBatch:
    one = batch(row)
    if one.num_rows != 1:
        raise DataError(f"there are {one.num_rows} rows to change", expected="one")
    return one
