"""Versions of one model that serve different customers: pages while all are well, and how soon one that is broken on purpose is named.

The worlds of ``pair.py``. Sixty customers, each with a version for good: six of ten rows are the first's, three the second's, one the third's;
customers are drawn by chance, or by the first input (young people are other customers than old ones), so that versions serve other rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pair import ALPHA, FIRST, LEARNING, World, broken, census, flights, quiet, scored

from assay.monitor.baseline import Season
from assay.monitor.version import Judged, Usual, Versions, compared, step

__all__ = ["versions"]

Array = np.ndarray[Any, Any]
NAMES = ("a", "b", "c")
SHARES = (0.6, 0.3, 0.1)
CUSTOMERS = 60
BROKEN = ("column swapped", "column zeroed", "unit changed", "stale categories", "constant answer", "answers missing",
          "scores scrambled in one segment", "scores off by .02", "scores off by .05", "scores off by .1")
NULLS = ("as it was", "rows permuted", "weeks drawn anew", "a sudden shift of the rows", "a third of the customers change their version")


@dataclass(frozen=True, eq=False)
class Fleet:
    """A world, the model of each version, and the version of each customer; ``confounded``: who is whose customer hangs on the first input."""

    world: World
    models: tuple[Callable[[pa.Table], Array], ...]
    owner: Array
    cuts: Array | None

    @classmethod
    def of(cls, world: World, confounded: bool) -> Fleet:
        rng = np.random.default_rng(0)
        owner = np.repeat(np.arange(len(NAMES)), np.round(np.array(SHARES) * CUSTOMERS).astype(int))
        if not confounded:
            return cls(world, (world.production, world.shadow, world.older), rng.permutation(owner), None)
        ranked = owner[np.argsort(np.arange(CUSTOMERS) + rng.normal(0, CUSTOMERS / 4, CUSTOMERS))]   # by the input, and by chance
        x = np.concatenate([rows[world.number[0]].to_numpy() for rows in world.windows[:FIRST]])
        return cls(world, (world.production, world.shadow, world.older), ranked, np.quantile(x[np.isfinite(x)], np.linspace(0, 1, CUSTOMERS + 1)[1:-1]))

    def customers(self, rows: pa.Table, at: int) -> Array:
        """Return the customer of each row."""
        rng = np.random.default_rng((7, at))
        if self.cuts is None:
            return rng.integers(0, CUSTOMERS, rows.num_rows)
        x = rows[self.world.number[0]].to_numpy()
        place = (np.searchsorted(self.cuts, x, "left") + np.searchsorted(self.cuts, x, "right")) / 2    # of equals the middle
        return np.clip(np.round(place + rng.normal(0, CUSTOMERS / 12, len(x))), 0, CUSTOMERS - 1).astype(int)

    def moved(self, seed: int) -> Fleet:
        """Return it with other versions for a third of the customers."""
        rng = np.random.default_rng(seed)
        owner = self.owner.copy()
        some = rng.permutation(CUSTOMERS)[: CUSTOMERS // 3]
        owner[some] = (owner[some] + rng.integers(1, len(NAMES), len(some))) % len(NAMES)
        return replace(self, owner=owner)

    def served(self, rows: pa.Table, at: int, bad: tuple[int, str] | None = None) -> tuple[Array, Array]:
        """Return the version and the answer of each row; ``bad`` is one that is broken, and how."""
        who = self.owner[self.customers(rows, at)]
        number = np.full(rows.num_rows, np.nan)
        for place, model in enumerate(self.models):
            mine = who == place
            if bad is not None and bad[0] == place:
                number[mine] = broken(replace(self.world, shadow=model), bad[1], rows).number[mine]
            else:
                number[mine] = rows[f"answer {place}"].to_numpy()[mine]
        return who, number


def answered(world: World) -> World:
    """Return a world with what each version would answer beside the rows, so that each is asked once, however rows are drawn."""
    windows = []
    for rows in world.windows:
        beside = {f"answer {place}": pa.array(scored(model, rows)) for place, model in enumerate((world.production, world.shadow, world.older))}
        windows.append(pa.table({**{name: rows[name] for name in rows.column_names}, **beside}))
    return replace(world, windows=windows)


def watched(fleet: Fleet, windows: Sequence[pa.Table], *, memory: Versions | None = None, first: int = 0, bad: tuple[int, str] | None = None,
            later: Fleet | None = None) -> Iterator[tuple[Versions, Judged | None]]:
    """Yield the memory after each window and what it says; what is usual is learned from the first seven; ``later`` from window 60 on."""
    daily = fleet.world.name.startswith("flights")
    memory = memory or Versions()
    held: list[tuple[pa.Table, Array]] = []
    for at, rows in enumerate(windows, first):
        who, number = (fleet if later is None or at < 60 else later).served(rows, at, bad)
        if memory.usual is None:
            held.append((rows, number))
            if len(held) < FIRST:
                memory = replace(memory, windows=memory.windows + 1)
                yield memory, None
                continue
            usual = Usual.of(pa.concat_tables([each for each, _ in held]), fleet.world.inputs, np.concatenate([each for _, each in held]))
            memory = replace(memory, usual=usual, first=memory.windows)
        assert memory.usual is not None
        found = compared(memory.usual, rows, number, [NAMES[each] for each in who.tolist()])
        memory, judged = step(memory, found, alpha=ALPHA, season=Season.daily(at % 7) if daily else Season(), learning=LEARNING - FIRST + 1)
        yield memory, judged


def opened(run: Sequence[tuple[Versions, Judged | None]]) -> list[int]:
    return [at for at, (_, told) in enumerate(run)
            if told is not None and (told.new or (told.page is not None and told.page.state in ("opened", "withheld")))]


def versions(tell: Callable[[str], None], shared: Path, *, copies: int = 3, shifts: int = 8, each: int = 6) -> dict[str, Any]:
    """Return pages a year while all are well, and by fault and version the share paged the same window and within three, rightly blamed."""
    out: dict[str, Any] = {}
    made: list[Callable[[], World]] = [lambda: flights(False)]
    if (shared / "data").is_dir():
        made.append(lambda: census(shared))
    for each_ in made:
        world = answered(each_())
        for confounded in (False, True):
            fleet = Fleet.of(world, confounded)
            name = f"{world.name}, customers {'by ' + world.number[0] if confounded else 'by chance'}"
            sizes = np.mean([np.bincount(fleet.served(rows, at)[0], minlength=3) for at, rows in enumerate(world.windows[:FIRST])], axis=0)
            tell(f"\n{name}: {len(world.windows)} windows, rows of a version in each: {', '.join(f'{size:,.0f}' for size in sizes)}")
            for kind in NULLS:
                counts, windows = [], 0
                for seed in range(1 if kind == NULLS[0] else copies if kind != NULLS[3] else shifts):
                    rows = quiet(world, "as it was" if kind == NULLS[4] else kind, seed)
                    run = list(watched(fleet, rows, later=fleet.moved(seed) if kind == NULLS[4] else None))
                    counts.append(len(opened(run)))
                    windows += len(run) - LEARNING
                tell(f"  all well, {kind:44s}{sum(counts):3d} pages in {windows:6,d} windows of {len(counts):2d} copies: "
                     f"{sum(counts) / windows * 365:.2f} a year of {ALPHA * 365:.2f} allowed; {sum(count > 0 for count in counts)} copies with one")
                out[f"{name}, {kind}"] = {"pages": sum(counts), "windows": windows}
            whole = list(watched(fleet, world.windows))
            starts = np.random.default_rng(1).integers(LEARNING + 7, len(world.windows) - 8, each).tolist()
            tell("  fault, paged in the same window / within three (blamed rightly of those paged), by version: " + ", ".join(NAMES))
            for kind in BROKEN:
                cells = []
                for place in range(len(NAMES)):
                    found, blame = [], Counter[str]()
                    for start in starts:
                        run = list(watched(fleet, world.windows[start : start + 3], memory=whole[start - 1][0], first=start, bad=(place, kind)))
                        hits = opened(run)
                        found.append(hits[0] if hits else 99)
                        if hits:
                            told = run[hits[0]][1]
                            blame[str(told.version if told else None)] += 1
                    now, late = (float(np.mean([one <= last for one in found])) for last in (0, 2))
                    cells.append(f"{now:.2f}/{late:.2f} ({blame[NAMES[place]]} of {sum(blame.values())})")
                    out[f"{name}, {kind}, {NAMES[place]}"] = {"found": [now, late], "blamed": dict(blame)}
                tell(f"  {kind:34s}" + "".join(f"{cell:>24s}" for cell in cells))
    return out
