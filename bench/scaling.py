"""What one more row, column, slice or model costs, over three decades each: a table, and the figure in docs/methods/cost.svg.

    python bench/scaling.py [--svg docs/methods/cost.svg] [--repeats 3]

CPU seconds in one process, least of the repeats, data in memory. Rows: a profile of 20 columns. Columns: a profile of 1,000 rows against
1,000. Slices: recall by a column, on 200,000 rows. Models: one profile of 500 rows by 10 columns after another. Printed is the slope
of the upper decade on two logarithmic axes: 1 is a cost in proportion, less where a fixed part still shows.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

SIZES = {"rows": (1_000, 10_000, 100_000, 1_000_000), "columns": (10, 100, 1_000, 10_000), "slices": (10, 100, 1_000, 10_000),
         "models": (1, 10, 100, 1_000)}


def works() -> dict[str, Callable[[int], Callable[[], object]]]:
    """Return, by what grows, a function that prepares the work of a size."""
    import numpy as np
    import pyarrow as pa

    import assay
    from assay.data.source import source
    from assay.metric import find
    from assay.model.logged import Logged
    from assay.summary.target import Target
    from assay.verbs.measure import measure
    from assay.verbs.question import Question
    from assay.verbs.subject import Subject

    rng = np.random.default_rng(0)

    def table(rows: int, columns: int) -> pa.Table:
        return pa.table({f"x{place}": rng.standard_normal(rows) for place in range(columns)})

    def rows(size: int) -> Callable[[], object]:
        data = table(size, 20)
        return lambda: assay.profile(data)

    def columns(size: int) -> Callable[[], object]:
        now, then = table(1_000, size), table(1_000, size)
        return lambda: assay.profile(now, reference=then)

    def slices(size: int) -> Callable[[], object]:
        score = rng.random(200_000)
        data = source(pa.table({"score": score, "label": (rng.random(len(score)) < score).astype(np.int64),
                                "by": rng.integers(0, size, len(score))}), label="label", score="score")
        subject = Subject(data, {"model": Logged.of(data.schema, where=data.name)}, Target("binary", (0, 1), 1))
        return lambda: measure(subject, [Question(find(name), by="by") for name in ("recall", "f1")])

    def models(size: int) -> Callable[[], object]:
        now, then = table(500, 10), table(500, 10)
        return lambda: [assay.profile(now, reference=then, metrics=("missing", "psi")) for _ in range(size)]

    return {"rows": rows, "columns": columns, "slices": slices, "models": models}


def drawn(found: dict[str, list[tuple[int, float]]]) -> str:
    """Return the figure: a panel for each, both axes logarithmic, with a line of slope 1 through the last point."""
    width, height, left, below = 190, 150, 40, 30
    size = f"0 0 {4 * (width + left) + 20} {height + below + 30}"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" font-family="sans-serif" font-size="11">']
    for place, (name, points) in enumerate(found.items()):
        x0, y0 = place * (width + left) + left, 20
        low, high = math.log10(points[0][0]), math.log10(points[-1][0])
        bottom = math.floor(min(math.log10(y) for _, y in points))
        top = math.ceil(max(math.log10(y) for _, y in points))

        def at(x: float, y: float, x0: int = x0, y0: int = y0, low: float = low, high: float = high, bottom: int = bottom,
               top: int = top) -> str:
            down = min(max((top - math.log10(y)) / max(top - bottom, 1), 0.0), 1.0)
            return f"{x0 + (math.log10(x) - low) / (high - low) * width:.1f},{y0 + down * height:.1f}"

        last, end = points[-1]
        start = max(points[0][0], last * 10**bottom / end)
        parts.append(f'<text x="{x0}" y="12" font-weight="bold">{name}</text>'
                     f'<rect x="{x0}" y="{y0}" width="{width}" height="{height}" fill="none" stroke="#bbb"/>')
        parts.append(f'<polyline points="{at(start, end * start / last)} {at(last, end)}" fill="none" stroke="#999" stroke-dasharray="4 3"/>')
        parts.append(f'<polyline points="{" ".join(at(*each) for each in points)}" fill="none" stroke="#1f6feb" stroke-width="2"/>')
        for each in points:
            x, y = at(*each).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="#1f6feb"><title>{each[0]:,} {name}: {each[1]:.3g} s</title></circle>'
                         f'<text x="{x}" y="{y0 + height + 14}" text-anchor="middle">{each[0]:,}</text>')
        parts += [f'<text x="{x0 - 4}" y="{y0 + (top - power) / max(top - bottom, 1) * height + 4:.1f}" text-anchor="end">{10.0**power:g}</text>'
                  for power in range(bottom, top + 1)]
    return "\n".join([*parts, f'<text x="{left}" y="{height + 50}" fill="#555">CPU seconds; dashed: in proportion</text>', "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    found: dict[str, list[tuple[int, float]]] = {}
    for name, prepared in works().items():
        for size in SIZES[name]:
            work = prepared(size)
            if not found.get(name):
                work()
            times = []
            for _ in range(options.repeats if size < SIZES[name][-1] else 1):
                began = time.process_time()
                work()
                times.append(time.process_time() - began)
            found.setdefault(name, []).append((size, min(times)))
            print(f"{size:>10,} {name:8} {min(times):9.3f} s {min(times) / size * 1e6:12.2f} us each", flush=True)
        (a, first), (b, last) = found[name][-2:]
        print(f"{'':10} {name:8} slope of the last decade {math.log(last / first) / math.log(b / a):.2f}")
    if options.svg:
        options.svg.write_text(drawn(found))


if __name__ == "__main__":
    main()
