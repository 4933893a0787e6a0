"""Screens for rows that should not be judged: stand-ins for missing values, records of tests, blocks delivered twice, wrong labels.

``placeholder_share``, ``placeholder_rows``, ``repeated_blocks`` and ``suspect_labels``; found by name in ``SCREENS``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.schema import family
from assay.result import Spread
from assay.screen.power import aim, bins, clusters, halves, power, readable, seconds, share
from assay.screen.screen import Reading, screen
from assay.screen.study import Study
from assay.summary.hashing import mixed

__all__ = ["StandIns", "placeholder_rows", "placeholder_share", "repeated_blocks", "stand_ins", "suspect_labels", "suspicions"]

Array = np.ndarray[Any, Any]

# numbers that people and programs write where there is none; they count only where they stand apart from the rest
_NINES = [float("9" * digits) for digits in range(2, 16)] + [99.9, 999.9, 9999.9, 99.99, 999.99, 9999.99, 999.25]
_LIMITS = [32767.0, 32768.0, 65535.0, 2.0**31 - 1, 2.0**31, 2.0**32 - 1, 2.0**63, 2.0**64, 1e20, 1e30, 9.969209968386869e36,
           3.4028234663852886e38]
_APART = np.sort([sign * each for each in (*_NINES, *_LIMITS, 888.0, 8888.0, 88888.0, 888888.0) for sign in (-1, 1)])
_NEGATIVE = (-1.0, -9.0)
# days since 1970: 1-1-1, 1800, 1899-12-30, 1900, 1904, 1970, 2099, 2999 and 9999, and where a year ends, its last day
_DAYS = np.array([-719162, -62091, -25569, -25568, -25567, -24107, 0, 47116, 47481, 375834, 376199, 2932531, 2932896], np.float64)
_NOTHING = frozenset((
    "", "?", "??", "???", "n/a", "#n/a", "n.a.", "nan", "<na>", "nat", "null", "(null)", "<null>", "undefined", "not available", "--",
    "---", "xxx", "xxxx", "xxxxx", "asdf", "asdfasdf", "qwerty", "dummy", "foobar", "lorem ipsum", "tbd", "todo", "#ref!",
    "#value!", "#name?", "test test"))
# words that are categories where there are few of them (other debtors: none, guarantor), and stand-ins among names
_PERHAPS = frozenset(("none", "nil", "na", "unknown", "missing", "test", "testing", "foo", "bar", "baz", "abc", "void"))
_TESTED = (r"(?i)@example\.(com|org|net)\b|\b(test|dummy|fake)[ _.-]?(user|account|customer|record|patient|person|client|order|data)"
           r"|^(dummy|asdf|qwerty|foobar|test test|lorem ipsum)|\bdo not use\b")
MANY = 20          # different values from which a column names things, and is no list of categories
LEAST = 5          # rows that a repeated block has at least
_CLASSES = 10
_ROWS = 5000
_FEATURES = 30


@dataclass(frozen=True, eq=False)
class StandIns:
    """Which rows of a column hold a stand-in, which hold anything, and the stand-ins, the most frequent one first."""

    rows: Array
    known: Array
    values: tuple[str, ...] = ()


@screen(of="column", limits=(0.0, 1.0))
def placeholder_share(study: Study) -> Iterator[Reading]:
    """Share of the values of a feature that stand for missing ones: -999, 9999, "n/a", "?", 1900-01-01.

    A number must occur in three rows and in 0.1 % of them, and lie outside the range of all others. Nines and the limits of number
    types must be apart from it by half that range; -1 and -9 where all others are at least 0, if they are more frequent than
    their neighbour or apart; 0 where it is rare and apart by a quarter of the range and 1.5 times the interquartile one; any other, in five
    rows at least, by five times it; days such as 1900-01-01 by a tenth. Words such as "none" count only among more than 20 others.
    A stand-in within the range (99 among ages) is not seen, nor one that fills most of a column of few values.
    """
    cluster = clusters(study.data)
    for name in study.features:
        if not readable(study, name) or name in study.media:   # texts that say nothing are those of empty_content
            continue
        found = stand_ins(study, name)
        n = int(found.known.sum())
        if not n:
            yield Reading(None, 0, name, "there are no values")
            continue
        hits = found.rows[found.known]
        note = f"{int(hits.sum()):,} rows hold {' or '.join(found.values[:3])}" if found.values else None
        yield Reading(share(hits, None if cluster is None else cluster[found.known]), n, name, note)


@screen(limits=(0.0, 1.0))
def placeholder_rows(study: Study) -> Iterator[Reading]:
    """Share of the rows that are junk: a third of the features (two at least, three at most) hold stand-ins, or text speaks of a test.

    Stand-ins are those of ``placeholder_share``; records of tests have "test user", "dummy" or an address at example.com in the text of
    a feature, id or entity. Columns of which more than half are stand-ins do not count. Junk that looks like the rest is not seen.
    """
    names = [name for name in study.features if readable(study, name) and name not in study.media]
    n = len(study.data)
    if not n:
        yield Reading(None, 0, note="there are no rows")
        return
    hits = np.zeros(n, np.int64)
    for name in names:
        found = stand_ins(study, name)
        # of columns that are empty in most rows (the second charge), an empty one says nothing about the row
        if found.values and found.rows.mean() <= 0.5:
            hits += found.rows
    empty = hits >= min(3, max(2, math.ceil(len(names) / 3)))
    tested = np.zeros(n, np.bool_)
    for name in dict.fromkeys((*names, *(each for each in (study.schema.id, study.schema.entity) if each))):
        tested |= _tested(study.data.column(name))
    parts = [f"{int(each.sum()):,} {what}" for each, what in ((empty, "of stand-ins"), (tested, "of tests")) if each.any()]
    yield Reading(share(empty | tested, clusters(study.data)), n, note=" and ".join(parts) + " among the sampled rows" if parts else None)


@screen(limits=(0.0, 1.0))
def repeated_blocks(study: Study) -> Iterator[Reading]:
    """Share of the rows that lie in a run of at least five rows which occurs again elsewhere in the file: delivered twice.

    A fact about all rows, by their prints, ids left out. A run counts where its different rows are together so rare that it would
    occur twice by chance in fewer than one of a thousand tables; rows that are all alike never are. Blocks whose rows were
    sorted in between are not seen.
    """
    prints = study.data.prints
    found, first = _repeated(prints)
    if not len(prints):
        yield Reading(None, 0, note="there are no rows")
        return
    note = None
    if first is not None:
        note = f"the rows from {first[0] + 1:,} on come again from row {first[1] + 1:,} on; {int(found.sum()):,} rows are in such blocks"
    yield Reading(Spread("exact", float(found.mean())), study.data.rows, note=note)


@screen(wants=("label",), limits=(0.0, 1.0))
def suspect_labels(study: Study) -> Iterator[Reading]:
    """Share of the labels that are probably wrong.

    A label is suspect where randomised trees that did not see the row are sure of another class, by confident learning's thresholds (the
    mean score of a class among rows labelled so; Northcutt, Jiang and Chuang 2021), weighted by the probability that it was flipped
    under a logistic regression with flipped labels (Copas 1988): that tells errors from a problem in which nobody can be sure.
    At most 5,000 rows and the 30 strongest features, three folds, entities kept together; the error comes from the likelihood ratio
    against no flips. Flips that hang on the features are not seen, nor errors in a problem that a line cannot separate.
    """
    found = suspicions(study)
    if isinstance(found, str):
        yield Reading(None, len(study.data), note=found)
        return
    rows, weight, error = found
    estimate = float(weight.mean())
    note = f"about {weight.sum() / len(rows) * study.data.rows:,.0f} labels contradict what the other rows say"
    yield Reading(Spread("normal", estimate, n=float(len(rows)), error=max(error, 1 / len(rows)), low_limit=0.0, high_limit=1.0), len(rows),
                  note=note if estimate > 2 * error else None)


def suspicions(study: Study) -> tuple[Array, Array, float] | str:
    """Return the rows of the sample that were looked at, the probability that each has a wrong label, and the error of their mean.

    0 where trees that did not see the row are not sure of another class. Text says why nothing can be told.
    """
    assert study.target is not None
    if study.target.task not in ("binary", "multiclass"):
        return "only labels that are classes can be suspected"
    outcome = study.outcome()
    rows = np.flatnonzero(outcome >= 0)
    rows = rows[np.sort(np.argsort(mixed(rows.astype(np.uint64), 31), kind="stable")[:_ROWS])]
    classes, y = np.unique(outcome[rows], return_inverse=True)
    y = y.reshape(-1)
    counts = np.bincount(y) if len(y) else np.zeros(1)
    if len(rows) < 200 or len(classes) < 2 or len(classes) > _CLASSES or counts.min() < 20:
        return f"more than {_CLASSES} classes" if len(classes) > _CLASSES else "needs 200 labelled rows, and 20 of each class"
    names = _strongest(study)
    if not names:
        return "no feature tells anything about the label"
    trees, lines = _out_of_fold(study, names, rows, y)
    weight, error = _flipped(lines, y)
    return rows, np.where(_confident(trees, y), weight, 0.0), error


# stand-ins ----------------------------------------------------------------------------------------------------------------------


def stand_ins(study: Study, name: str) -> StandIns:
    """Return where a sampled column holds stand-ins for missing values; found once for all screens."""
    key = ("stand_ins", name)
    if key not in study._held:
        column = study.data.column(name)
        look = {"integer": _numbers, "fraction": _numbers, "text": _texts, "timestamp": _times, "date": _times}.get(family(column.type))
        known = column.is_valid().to_numpy(zero_copy_only=False)
        study._held[key] = look(column, known) if look else StandIns(np.zeros(len(column), np.bool_), known)
    held: StandIns = study._held[key]
    return held


def _numbers(column: pa.Array, known: Array) -> StandIns:
    values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    known = known & ~np.isnan(values)
    different, counts = np.unique(values[known & np.isfinite(values)], return_counts=True)
    found = _apart(different, counts)
    if not len(found):
        return StandIns(np.zeros(len(values), np.bool_), known)
    return StandIns(np.isin(values, found), known, tuple(f"{each:.10g}" for each in found))


def _apart(values: Array, counts: Array) -> Array:
    """Return those of sorted different numbers that are stand-ins, the most frequent first."""
    n = int(counts.sum())
    often = counts >= max(3, 0.001 * n)
    coded = often & (np.isin(values, _APART) | np.isin(values, _NEGATIVE) | (values == 0))
    extreme = np.zeros(len(values), np.bool_)
    if len(values) > 6:
        extreme[[0, -1]] = (often & (counts >= 5))[[0, -1]]
    if not (coded | extreme).any():
        return np.empty(0)
    rest, times = values[~coded & ~extreme], counts[~coded & ~extreme]
    if len(rest) < 2:
        return np.empty(0)
    low, high = float(rest[0]), float(rest[-1])
    # an extreme value that is no code belongs to the rest unless it is far away
    with np.errstate(over="ignore", invalid="ignore"):
        wide = high - low
        far = extreme & ~coded & (len(rest) >= 5) & (np.maximum(low - values, values - high) >= 5 * wide)
    near = values[extreme & ~coded & ~far]
    low, high = min([low, *near.tolist()]), max([high, *near.tolist()])
    found = [place for place in np.flatnonzero(coded | far)
             if far[place] or _stands_apart(float(values[place]), int(counts[place]), rest, times, low, high, n)]
    found.sort(key=lambda place: -counts[place])
    return np.asarray(values[found], np.float64)


def _stands_apart(value: float, count: int, rest: Array, times: Array, low: float, high: float, n: int) -> bool:
    if low <= value <= high:
        return False
    gap = low - value if value < low else value - high
    wide = high - low
    if value in _NEGATIVE:
        return low >= 0 and len(rest) >= 5 and (count > int(times[0]) or gap > max(2.0, 3 * float(np.median(np.diff(rest)))))
    if value == 0:
        places = np.searchsorted(np.cumsum(times), np.array([0.25, 0.75]) * times.sum())
        middle = float(np.diff(rest[places])[0])
        return len(rest) >= MANY and count <= 0.2 * n and gap >= max(0.25 * wide, 1.5 * middle)
    return gap >= 0.5 * wide and gap >= 3 * float(np.median(np.diff(rest)))


def _times(column: pa.Array, known: Array) -> StandIns:
    values = seconds(column)
    different, counts = np.unique(values[known], return_counts=True)
    coded = np.isin(np.floor(different / 86_400), _DAYS) & (counts >= max(3, 0.001 * known.sum()))
    rest = different[~coded]
    if not coded.any() or len(rest) < 2:
        return StandIns(np.zeros(len(values), np.bool_), known)
    least = 0.1 * (rest[-1] - rest[0])
    chosen = coded & ((different < rest[0] - least) | (different > rest[-1] + least))
    found = different[chosen][np.argsort(-counts[chosen], kind="stable")]
    names = tuple(str(np.datetime64(int(each), "s"))[:10] for each in found)
    return StandIns(np.isin(values, found), known, tuple(dict.fromkeys(names)))


def _texts(column: pa.Array, known: Array) -> StandIns:
    encoded = column.dictionary_encode()
    texts = [each.strip().casefold() if len(each) <= 20 else "long" for each in encoded.dictionary.cast(pa.string()).to_pylist()]
    sure = {each for each in texts if each in _NOTHING}
    if "-" in texts and "+" not in texts:
        sure.add("-")
    if len(set(texts)) - len(sure) > MANY or texts.count("long") > MANY:
        sure |= {each for each in texts if each in _PERHAPS}
    if not sure:
        return StandIns(np.zeros(len(column), np.bool_), known)
    marked = np.append(np.array([each in sure for each in texts]), False)
    codes = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    counts = np.bincount(codes, minlength=len(texts) + 1)
    frequent = sorted(np.flatnonzero(marked), key=lambda place: -counts[place])
    return StandIns(marked[codes], known, tuple(dict.fromkeys(f"'{texts[place]}'" for place in frequent)))


def _tested(column: pa.Array) -> Array:
    """Return which rows of a text column are records of tests."""
    if family(column.type) != "text":
        return np.zeros(len(column), np.bool_)
    encoded = column.cast(pa.string()).dictionary_encode()
    marked = np.append(pc.match_substring_regex(encoded.dictionary, _TESTED).to_numpy(zero_copy_only=False).astype(np.bool_), False)
    found: Array = marked[encoded.indices.fill_null(len(marked) - 1).to_numpy(zero_copy_only=False)]
    return found


# blocks -------------------------------------------------------------------------------------------------------------------------


def _repeated(prints: Array) -> tuple[Array, tuple[int, int] | None]:
    """Return which rows lie in a block that occurs again, and where the first such block starts and comes again."""
    n = len(prints)
    inside = np.zeros(n, np.bool_)
    first: tuple[int, int] | None = None
    if n < 2 * LEAST:
        return inside, None
    _, place, counts = np.unique(prints, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    bits = np.log2(n / counts[place])
    order = np.argsort(place, kind="stable")
    since = np.full(n, n)                       # rows since the same row was there last
    since[order[1:]] = np.where(place[order[1:]] == place[order[:-1]], order[1:] - order[:-1], n)
    enough = 2 * math.log2(n) + 10              # so that of n² / 2 pairs of places fewer than one in a thousand agree by chance
    window, length = prints, 1
    for step in (LEAST, 4, 4):                  # windows of 5, 20 and 80 rows: where rows are not rare, long runs are
        if n < 2 * length * step:
            break
        joined = window[: len(window) - (step - 1) * length].copy()
        for each in range(1, step):
            joined = mixed(joined ^ mixed(window[each * length : each * length + len(joined)], 37 + each), 41)
        window, length = joined, length * step
        # a row that was there within the window tells nothing new: neither states that last nor short cycles are blocks
        total = np.concatenate([[0.0], np.cumsum(np.where(since < length, 0.0, bits))])
        told = total[length:] - total[:-length]
        starts, pair = _again(window, np.flatnonzero(told >= enough), length)
        if pair is not None:
            inside |= np.cumsum(np.bincount(starts, minlength=n) - np.bincount(starts + length, minlength=n + 1)[:n]) > 0
            first = pair if first is None or pair < first else first
    return inside, first


def _again(window: Array, places: Array, length: int) -> tuple[Array, tuple[int, int] | None]:
    """Return the places whose window occurs again without overlap, and the first of them with the last place it occurs at."""
    order = np.argsort(window[places], kind="stable")
    ordered, at = window[places][order], places[order]
    if not len(at):
        return at, None
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(starts, append=len(ordered))
    lowest, highest = at[starts], at[starts + sizes - 1]
    apart = highest - lowest >= length
    if not apart.any():
        return at[:0], None
    first = int(np.argmin(np.where(apart, lowest, np.iinfo(np.int64).max)))
    return at[np.repeat(apart, sizes)], (int(lowest[first]), int(highest[first]))


# labels -------------------------------------------------------------------------------------------------------------------------


def _strongest(study: Study) -> list[str]:
    """Return the features that tell most about the label alone, at most 30, in their order."""
    names = [name for name in study.measured if readable(study, name)]
    if len(names) <= _FEATURES:
        return names
    what, half = aim(study), halves(study)
    told = {name: found.estimate for name in names if (found := power(bins(study, name), what, half)) is not None}
    kept = set(sorted(told, key=lambda name: -told[name])[:_FEATURES])
    return [name for name in names if name in kept]


def _columns(study: Study, names: list[str], rows: Array) -> tuple[Array, Array]:
    """Return the features as trees take them and as lines do: scaled and cut at 5; missing ones are -6, or marked apart; categories
    as ranks by frequency, or the ten most frequent ones apart.
    """
    ranked, apart = [], []
    for name in names:
        if study.kind(name) == "number":
            values, missing = _scaled(study.numbers(name)[rows])
            ranked.append(np.where(missing, -6.0, values))
            apart.append(values)
            if 0.01 < missing.mean() < 1:
                apart.append(missing.astype(np.float64))
            continue
        codes = study.codes(name)[rows]
        places, counts = np.unique(codes, return_counts=True)
        frequent = places[np.argsort(-counts, kind="stable")]
        ranks = np.full(int(places.max()) + 2, 30)   # the last one is that of what is missing, -1
        ranks[frequent[:30]] = np.arange(min(len(frequent), 30))
        ranked.append(ranks[codes].astype(np.float64))
        apart += [(codes == each).astype(np.float64) for each in frequent[:10]]
    return np.stack(ranked, axis=1), np.stack(apart, axis=1)


def _scaled(values: Array) -> tuple[Array, Array]:
    """Return numbers in units of their spread around the median, cut at 5, missing ones 0; and which are missing."""
    missing = ~np.isfinite(values)
    if missing.all():
        return np.zeros(len(values)), missing
    low, middle, high = np.quantile(values[~missing], (0.25, 0.5, 0.75))
    with np.errstate(over="ignore", invalid="ignore"):
        width = (high - low) / 1.35 if high > low else float(values[~missing].std())
        unit = (values - middle) / width if 0 < width < math.inf else np.zeros(len(values))
    return np.clip(np.where(missing | np.isnan(unit), 0.0, unit), -5, 5), missing


def _out_of_fold(study: Study, names: list[str], rows: Array, y: Array) -> tuple[Array, Array]:
    """Return for each row the class scores of trees, and of a logistic regression, that were fitted on other entities."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression

    columns = _columns(study, names, rows)
    cluster = clusters(study.data)
    fold = mixed((rows if cluster is None else cluster[rows]).astype(np.uint64), 43) % np.uint64(3)
    k = int(y.max()) + 1
    found = (np.full((len(y), k), 1 / k), np.full((len(y), k), 1 / k))
    for each in range(3):
        fit, judged = fold != each, fold == each
        if not judged.any() or len(np.unique(y[fit])) < 2:
            continue
        # one thread: boosted trees wait for each other's, on a busy machine for seconds
        models = (ExtraTreesClassifier(25, min_samples_leaf=4, max_features="sqrt", random_state=0), LogisticRegression(C=0.5, max_iter=60))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")   # lines that have not quite arrived are good enough here
            for score, model, given in zip(found, models, columns, strict=True):
                model.fit(given[fit], y[fit])
                score[np.ix_(judged, model.classes_)] = model.predict_proba(given[judged])
    return found


def _confident(score: Array, y: Array) -> Array:
    """Return which rows confident learning counts off the diagonal: the surest class that reaches its threshold is not theirs."""
    threshold = np.array([score[y == each, each].mean() for each in range(score.shape[1])])
    reached = np.where(score >= threshold, score, -1.0)
    sure = reached.argmax(axis=1)
    return np.asarray((reached.max(axis=1) >= 0) & (sure != y))


def _flipped(score: Array, y: Array) -> tuple[Array, float]:
    """Return the probability that each label was flipped, and the standard error of their mean."""
    k = score.shape[1]
    weight = np.zeros(len(y))
    variance = 0.0
    for each in range(1 if k == 2 else 0, k):
        p = np.clip(score[:, each], 1e-9, 1 - 1e-9)
        here = (y == each).astype(np.float64)
        flips, gain = _flips(np.log(p / (1 - p)), here)
        used = flips if k == 2 else np.where(here > 0, flips, 0.0)
        weight = np.maximum(weight, used)
        variance += used.mean() ** 2 / max(2 * gain, 1e-6)   # Wald's z is about the root of the likelihood ratio
    return weight, math.sqrt(variance)


def _flips(margin: Array, y: Array) -> tuple[Array, float]:
    """Fit P(y = 1) = e + (1 - e - d) expit(a margin + b); return each row's probability of a flip, and the gain in log likelihood."""
    from scipy import optimize, special

    def chances(theta: Array) -> tuple[Array, Array]:
        truth = special.expit(theta[0] * margin + theta[1])
        return truth, np.clip(theta[2] + (1 - theta[2] - theta[3]) * truth, 1e-12, 1 - 1e-12)

    def loss(theta: Array) -> float:
        chance = chances(theta)[1]
        return -float(np.mean(np.where(y > 0, np.log(chance), np.log1p(-chance))))

    free = [(0.1, 12.0), (-12.0, 12.0)]
    none = optimize.minimize(lambda theta: loss(np.array([*theta, 0.0, 0.0])), [1.0, 0.0], method="L-BFGS-B", bounds=free)
    best = optimize.minimize(loss, [none.x[0] * 1.2, none.x[1], 0.02, 0.02], method="L-BFGS-B", bounds=[*free, (0.0, 0.3), (0.0, 0.3)])
    truth, _ = chances(best.x)
    e, d = float(best.x[2]), float(best.x[3])
    other = np.where(y > 0, e * (1 - truth), d * truth)
    same = np.where(y > 0, (1 - d) * truth, (1 - e) * (1 - truth))
    gain = max(float(none.fun) - float(best.fun), 0.0) * len(y)
    return np.asarray(other / np.maximum(other + same, 1e-12), np.float64), gain
