"""Unwarranted associations: the published workloads, false reports on permuted outputs, power on planted ones, and time.

    python bench/association.py [--parts published,null,power,tagger,time] [--tasks TEXT] [--seeds A:B] [--ways exact,tree,both,naive] [--json FILE]

``published`` asks Berkeley, Adult and COMPAS what FairTest (Tramer et al. 2017) asked and prints its numbers beside. ``null`` permutes the
outputs and counts the runs with any report, at a rate of 0.05. ``power`` plants a gap between the sexes in a conjunction of one to three
conditions on Adult's columns; a report is a hit where half of the rows in either are in both (Jaccard), ``recall`` the share of planted
ones that are hit, ``precision`` the share of reported sub-populations that hit. ``naive`` is a single guided tree of depth 5 as FairTest
grows it, each node tested on the other half, Holm over all, reported where its size exceeds that of every larger one. ``tagger`` is a made
tagger of 3,000 images and 1,000 tags, whose rates fall as those of real ones do and of which images have more or fewer by their scene: 10 tags
of middling rate are given more often to one group, or none are (``null``), and what is reported is counted, beside chi-square without a
correction and with Bonferroni's; ``given`` takes off a scene that one group is shown in more often. ``--tasks`` keeps
tasks that hold a text, ``--seeds`` the seeds from A to below B, so that both can be cut in shards. Seconds are of CPU time, one thread.
The tables are read from ../shared/data/fairness.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.append(sys.path.pop(0))   # numba asks for the package coverage, and must not find the benchmark of that name beside this file

import numpy as np
import pyarrow as pa
import pyarrow.csv

from assay.probe.association.context import grown
from assay.probe.association.measure import Variable, measured
from assay.probe.association.study import Pair, study
from assay.probe.association.tagger import tags
from assay.segment.axis import axes
from assay.segment.confirm import standing
from assay.summary.hashing import mixed

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "fairness"
IMAGES, TAGS, TIED, SCENES = 3_000, 1_000, 10, 4
RATIOS = (1.5, 2.0, 3.0)   # of the rates of tied tags
SIZES, STRENGTHS = (0.02, 0.05, 0.15), (0.1, 0.2, 0.3)


def table_of(*names: str) -> pa.Table:
    found = pa.concat_tables([pyarrow.csv.read_csv(DATA / name) for name in names], promote_options="permissive")
    found = found.rename_columns([each.strip() for each in found.column_names])
    strings = {name: pa.array([each.strip() if each is not None else None for each in found[name].to_pylist()])
               for name in found.column_names if pa.types.is_string(found[name].type)}
    for name, column in strings.items():
        found = found.set_column(found.column_names.index(name), name, column)
    return found


def groups(table: pa.Table, name: str, names: list[str] | None = None) -> Variable:
    values = table[name].to_pylist()
    names = names or sorted({each for each in values if each is not None})
    place = {each: code for code, each in enumerate(names)}
    return Variable(name, np.array([place.get(each, -1) for each in values]), tuple(names))


def numbers(table: pa.Table, name: str) -> Variable:
    return Variable(name, np.asarray(table[name].to_numpy(), np.float64))


class Berkeley:
    """Admissions by sex: 32 % of women and 48 % of men, no difference given the department."""

    columns = ("department",)

    def __init__(self) -> None:
        self.table = table_of("fairtest-berkeley.csv")
        department = groups(self.table, "department").values
        sex, accepted = groups(self.table, "gender", ["Female", "Male"]), groups(self.table, "accepted", ["No", "Yes"])
        self.pairs = {"plain": Pair(sex, accepted), "given department": Pair(sex, accepted, given=("department",), strata=department)}


class Adult:
    """Income over 50,000 by sex, race and age, in the whole census table."""

    columns = ("age", "workclass", "education", "education-num", "marital-status", "occupation", "relationship", "race", "sex",
               "hours-per-week", "native-country")

    def __init__(self) -> None:
        self.table = table_of("bba-adult.csv", "bba-adult.test.csv")
        income = groups(self.table, "income-per-year", ["<=50K", ">50K"])
        sex, race = groups(self.table, "sex", ["Female", "Male"]), groups(self.table, "race")
        self.pairs = {"sex": Pair(sex, income, apart=frozenset({"sex", "relationship"})), "race": Pair(race, income, apart=frozenset({"race"})),
                      "age": Pair(numbers(self.table, "age"), income, apart=frozenset({"age"}))}


class Compas:
    """Wrongly held for a high risk, by race, of those who did not do it again within two years."""

    columns = ("sex", "age", "priors_count", "juv_fel_count", "juv_misd_count", "c_charge_degree")

    def __init__(self) -> None:
        self.table = table_of("fairtest-compas-two-years-noid.csv")
        race, wrong = groups(self.table, "race", ["Caucasian", "African-American"]), groups(self.table, "FP", ["N", "Y"])
        self.pairs = {"race": Pair(race, wrong), "sex": Pair(groups(self.table, "sex"), wrong, apart=frozenset({"sex"})),
                      "age": Pair(numbers(self.table, "age"), wrong, apart=frozenset({"age"}))}


TABLES: dict[str, Callable[[], Any]] = {"berkeley": Berkeley, "adult": Adult, "compas": Compas}


def published(name: str, found: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for label, pair in found.pairs.items():
        began = time.process_time()
        made = study(found.table, [pair], columns=found.columns)
        seconds = time.process_time() - began
        for each in (*made.findings, *(one for one in made.tested if not one.conditions and one not in made.findings)):
            low, high = each.inside.effect.interval()
            rows.append({"part": "published", "task": f"{name} {label}", "where": each.words, "rows": each.rows,
                         "metric": each.inside.effect.metric, "value": each.inside.effect.estimate, "low": low, "high": high,
                         "elsewhere": None if each.elsewhere is None else each.elsewhere.estimate, "p": each.p, "adjusted": each.adjusted,
                         "tested": len(made.tested), "seconds": seconds,
                         "groups": {one.name: [one.n, round(one.mean, 4)] for one in each.inside.groups}})
    return [*rows, *(anchors(found) if name == "adult" else [])]


def anchors(found: Any) -> list[dict[str, Any]]:
    """Return the sub-populations that were published, measured here on all rows."""
    get = {each: np.asarray(found.table[each].to_pylist()) for each in ("age", "education-num", "hours-per-week", "workclass")}
    places = {"race: everyone (published: information 0.0063 to 0.0139)": ("race", np.ones(len(get["age"]), bool)),
              "race: federal, age to 42, hours to 55 (published: the worst)": (
                  "race", (get["workclass"] == "Federal-gov") & (get["age"] <= 42) & (get["hours-per-week"] <= 55)),
              "sex: education 9 to 11, age from 47 (published: 57 of 480 and 394 of 891 on a half)": (
                  "sex", (get["education-num"] >= 9) & (get["education-num"] <= 11) & (get["age"] >= 47))}
    rows = []
    for where, (label, mask) in places.items():
        pair = found.pairs[label]
        each = measured(pair.attribute, pair.output, np.flatnonzero(mask), metric="information")
        assert each is not None
        low, high = each.effect.interval()
        rows.append({"part": "published", "task": f"adult {label}, as published", "where": where, "rows": each.n, "metric": "information",
                     "value": each.effect.estimate, "low": low, "high": high, "p": each.p,
                     "groups": {one.name: [one.n, round(one.mean, 4)] for one in each.groups}})
    return rows


def null(name: str, found: Any, ways: list[str], seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    places = np.sort(rng.permutation(found.table.num_rows)[:10_000])
    table = found.table.take(pa.array(places))
    order = rng.permutation(len(places))
    rows = []
    for way in ways:
        if way == "naive":
            continue
        began = time.process_time()
        pairs = [kept(pair, places, order) for pair in found.pairs.values()]
        made = study(table, pairs, columns=found.columns, way=way, seed=seed)   # type: ignore[arg-type]
        rows.append({"part": "null", "task": name, "way": way, "seed": seed, "reports": len(made.findings), "tested": len(made.tested),
                     "everyone": sum(each.p <= 0.05 for each in made.tested if not each.conditions),
                     "below": sum(each.p <= 0.05 for each in made.tested if each.conditions), "seconds": time.process_time() - began})
    return rows


def kept(pair: Pair, places: Any, order: Any) -> Pair:
    """Return a pair on some rows, its output in another order; within strata where it has them."""
    output = pair.output.values[places]
    strata = None if pair.strata is None else pair.strata[places]
    if strata is None:
        moved = output[order]
    else:
        moved = np.empty_like(output)
        for each in np.unique(strata):
            moved[strata == each] = output[order][strata[order] == each]
    return Pair(Variable(pair.attribute.name, pair.attribute.values[places], pair.attribute.names),
                Variable(pair.output.name, moved, pair.output.names), pair.metric, pair.given, strata, None, pair.apart)


def planted(found: Any, size: float, strength: float, seed: int) -> tuple[pa.Table, Pair, Any]:
    """Return Adult's columns with a made output, in which women get less within one conjunction of about ``size`` of the rows."""
    rng = np.random.default_rng([seed, int(1000 * size), int(1000 * strength)])
    table = found.table.take(pa.array(np.sort(rng.permutation(found.table.num_rows)[:20_000])))
    columns = [each for each in found.columns if each not in ("sex", "relationship")]
    cuts, _ = axes(table, columns)
    mask = np.zeros(0, bool)
    for _ in range(2_000):
        mask = np.ones(table.num_rows, bool)
        for place in rng.permutation(len(cuts))[:rng.integers(1, 4)]:
            level = cuts[place].level(8, 8)
            at = rng.integers(len(level.first))
            of = level.of[cuts[place].codes]
            mask &= (of >= level.first[at]) & (of <= level.last[at])
        if 0.8 * size <= mask.mean() <= 1.25 * size:
            break
    sex = groups(table, "sex", ["Female", "Male"])
    age, hours = (np.asarray(table[each].to_numpy(), np.float64) for each in ("age", "hours-per-week"))
    rate = 0.45 + 0.1 * np.tanh((age - 40) / 20) + 0.1 * np.tanh((hours - 40) / 20) - strength * (mask & (sex.values == 0))
    output = Variable("made", (rng.random(len(rate)) < rate).astype(np.int64), ("no", "yes"))
    return table, Pair(sex, output, apart=frozenset({"sex", "relationship"})), mask


def power(found: Any, size: float, strength: float, ways: list[str], seed: int) -> list[dict[str, Any]]:
    table, pair, mask = planted(found, size, strength, seed)
    rows = []
    for way in ways:
        began = time.process_time()
        if way == "naive":
            reported = naive(table, pair, found.columns, seed)
        else:
            made = study(table, [pair], columns=found.columns, way=way, seed=seed)   # type: ignore[arg-type]
            cuts, _ = axes(table, found.columns)
            reported = [covered(cuts, each) for each in made.findings if each.conditions]
        alike = [float((mask & each).sum() / (mask | each).sum()) for each in reported]
        rows.append({"part": "power", "task": f"size {size} strength {strength}", "way": way, "seed": seed, "reports": len(reported),
                     "hits": sum(each >= 0.5 for each in alike), "best": max(alike, default=0.0), "seconds": time.process_time() - began})
    return rows


def tagger(ratio: float, confounded: bool, seed: int) -> list[dict[str, Any]]:
    """Return what is reported of a made tagger: tags in no, or in ten cases more often with one of two groups."""
    rng = np.random.default_rng([seed, int(10 * ratio), confounded])
    scene = rng.integers(0, SCENES, IMAGES)
    group = (rng.random(IMAGES) < (0.15 + 0.1 * scene if confounded else 0.3)).astype(np.int64)
    rates = 0.3 / np.arange(1, TAGS + 1) ** 0.6          # from 30 % of the images to 0.5 %
    tied = rng.permutation(np.flatnonzero((rates > 0.01) & (rates < 0.1)))[:TIED] if ratio > 1 else np.empty(0, np.int64)
    often = rng.gamma(4.0, 0.25, (SCENES, TAGS))         # a tag belongs to some scenes
    chance = (rates * often).astype(np.float32)[scene] * rng.gamma(4.0, 0.25, (IMAGES, 1)).astype(np.float32)   # some images have more of all
    chance[:, tied] *= np.where(group == 1, ratio, 1.0)[:, None]
    shown = rng.random((IMAGES, TAGS), np.float32) < np.minimum(chance, 0.95)
    attribute = Variable("group", group, ("one", "other"))
    rows = []
    began = time.process_time()
    found = {"Holm": tags(attribute, shown, [str(each) for each in range(TAGS)], strata=scene if confounded else None)}
    seconds = time.process_time() - began
    if ratio > 1:   # of nothing planted, any report by the one is a report by the other
        found["fdr"] = tags(attribute, shown, [str(each) for each in range(TAGS)], strata=scene if confounded else None, control="fdr")
    p = chi_square(group, shown)
    reported = {name: [int(each.label) for each in made.tags] for name, made in found.items()}
    reported |= {"chi-square, Bonferroni": np.flatnonzero(p <= 0.05 / TAGS).tolist(), "chi-square as it is": np.flatnonzero(p <= 0.05).tolist()}
    for way, some in reported.items():
        rows.append({"part": "tagger", "task": f"{'given scene' if confounded else 'plain'}, ratio {ratio:g}", "way": way, "seed": seed,
                     "reports": len(some), "hits": len({*some} & {*tied.tolist()}), "planted": len(tied), "seconds": seconds})
    return rows


def chi_square(group: Any, shown: Any) -> Any:
    """Return the p-value of Pearson's chi-square for each tag."""
    from scipy import special

    n, second, some = len(group), group.sum(), shown.sum(axis=0)
    both = shown[group == 1].sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = n * (both * n - second * some) ** 2.0 / (second * (n - second) * some * (n - some) * 1.0)
    return special.chdtrc(1, np.nan_to_num(statistic))


def covered(cuts: Any, finding: Any) -> Any:
    mask = np.ones(len(cuts[0].codes), bool)
    for condition in finding.conditions:
        axis = next(each for each in cuts if each.name == condition.column)
        ends = [(low, high) for low in range(axis.size) for high in range(low, axis.size) if low != axis.missing or high == low]
        low, high = next(pair for pair in ends if axis.condition(*pair) == condition)
        mask &= (axis.codes >= low) & (axis.codes <= high)
    return mask


def naive(table: pa.Table, pair: Pair, columns: Any, seed: int) -> list[Any]:
    """Report as a single guided tree does: Holm over its nodes, and of these the ones whose size exceeds that of all that contain them."""
    cuts, _ = axes(table, [each for each in columns if each not in pair.apart])
    first = mixed(np.arange(table.num_rows, dtype=np.uint64), 2_003 + seed) >> np.uint64(63) == 0
    train, test = np.flatnonzero(first), np.flatnonzero(~first)
    boxes = grown(cuts, train, pair.attribute, pair.output, metric="difference", depth=5, fewest=0)
    told = [(each.mask(cuts), measured(pair.attribute, pair.output, test[each.mask(cuts, test)])) for each in boxes]
    made = [(mask, one) for mask, one in told if one is not None]
    everyone = measured(pair.attribute, pair.output, test)
    assert everyone is not None
    adjusted = standing([everyone.p, *(one.p for _, one in made)], "fwer")[1:]
    size = everyone.effect.strength
    out = []
    for (mask, one), p in zip(made, adjusted, strict=True):
        above = [other.effect.strength for larger, other in made if larger is not mask and not (mask & ~larger).any()]
        if p <= 0.05 and one.effect.strength > max([size, *above]):
            out.append(mask)
    return out


def summary(rows: list[dict[str, Any]]) -> None:
    for each in rows:
        if each["part"] == "published":
            told = "  ".join(f"{name} {mean:.3f} ({n:,})" for name, (n, mean) in each["groups"].items())
            sys.stdout.write(f"{each['task']:26} {each['where'][:64]:64} n {each['rows']:6,}  {each['metric']} {each['value']:+.4f} "
                             f"[{each['low']:.4f}, {each['high']:.4f}] p {each['p']:.2g}  {told}  {each.get('seconds', 0):.1f} s\n")
    for part in ("null", "power"):
        keys = dict.fromkeys((each["task"], each["way"]) for each in rows if each["part"] == part)
        for task, way in keys:
            some = [each for each in rows if (each["part"], each["task"], each.get("way")) == (part, task, way)]
            if part == "null":
                hit, tests = sum(each["reports"] > 0 for each in some), sum(each["tested"] for each in some)
                text = f"runs with a report {hit} of {len(some)} ({hit / len(some):.3f}), {tests / len(some):.1f} tested a run"
            else:
                reports, hits = sum(each["reports"] for each in some), sum(each["hits"] for each in some)
                text = (f"recall {sum(each['hits'] > 0 for each in some) / len(some):.2f}  precision {hits / max(reports, 1):.2f}  "
                        f"best overlap {np.mean([each['best'] for each in some]):.2f}  reports a run {reports / len(some):.1f}")
            sys.stdout.write(f"{part:6} {task:26} {way:6} {text}  {np.mean([each['seconds'] for each in some]):.2f} s\n")


def tagged(rows: list[dict[str, Any]]) -> None:
    """Print what was found of a made tagger, and what is false."""
    for task, way in dict.fromkeys((each["task"], each["way"]) for each in rows):
        some = [each for each in rows if (each["task"], each["way"]) == (task, way)]
        wrong = [each["reports"] - each["hits"] for each in some]
        planted = sum(each["planted"] for each in some)
        found = f"found {sum(each['hits'] for each in some) / planted:.3f} of those tied  " if planted else ""
        sys.stdout.write(f"tagger {task:24} {way:24} {found}runs with a false report {sum(each > 0 for each in wrong)} of {len(some)}  "
                         f"false share {sum(wrong) / max(sum(each['reports'] for each in some), 1):.3f}  false a run {np.mean(wrong):.2f}  "
                         f"{np.mean([each['seconds'] for each in some]):.2f} s\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", default="published,null,power,tagger,time")
    parser.add_argument("--tasks", default="")
    parser.add_argument("--seeds", default="")
    parser.add_argument("--ways", default="exact,tree,both,naive")
    parser.add_argument("--json")
    given = parser.parse_args()
    parts, ways = given.parts.split(","), given.ways.split(",")
    low, high = (int(each) for each in given.seeds.split(":")) if given.seeds else (0, 0)
    rows: list[dict[str, Any]] = []
    read = {*parts} & {"published", "null", "power", "time"}
    held = {name: make() for name, make in TABLES.items() if read and (given.tasks in name or {*parts} & {"power", "time"})}
    for name, found in held.items():
        if "published" in parts and given.tasks in name:
            rows += published(name, found)
        if "null" in parts and given.tasks in name:
            for seed in range(low, high or 200):
                rows += null(name, found, ways, seed)
    if "power" in parts:
        for size in SIZES:
            for strength in STRENGTHS:
                if given.tasks in f"size {size} strength {strength}" or given.tasks in "adult":
                    for seed in range(low, high or 20):
                        rows += power(held["adult"], size, strength, ways, seed)
    if "tagger" in parts:
        for confounded in (False, True):
            for ratio in (1.0, *RATIOS):
                if given.tasks in f"{'given scene' if confounded else 'plain'}, ratio {ratio:g}":
                    made = [each for seed in range(low, high or (200 if ratio == 1 else 20)) for each in tagger(ratio, confounded, seed)]
                    tagged(made)
                    rows += made
    if "time" in parts:
        for name, found in held.items():
            began, clock = time.process_time(), time.perf_counter()
            made = study(found.table, list(found.pairs.values()), columns=found.columns)
            rows.append({"part": "time", "task": name, "rows": found.table.num_rows, "tested": len(made.tested),
                         "cpu": time.process_time() - began, "wall": time.perf_counter() - clock})
            sys.stdout.write(f"time   {name}: {rows[-1]['rows']:,} rows, {len(found.pairs)} pairs, {rows[-1]['cpu']:.1f} s of CPU\n")
    summary(rows)
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1), "utf-8")


if __name__ == "__main__":
    main()
