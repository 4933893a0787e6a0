"""H2O MOJOs (gradient boosting, random forests, generalized linear models) read and run without Java or any library.

A MOJO is a zip archive with a description, lists of categories, and each tree as bytes; others of H2O's algorithms are refused.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ModelError
from assay.model import archive
from assay.model.answer import Answer
from assay.model.column import codes, numbers
from assay.model.file import File
from assay.model.format import Format, Options, described
from assay.model.network import activated
from assay.model.predictor import Predictor
from assay.model.signature import NUMERIC_TASKS, Input, Signature, Task, agreed_classes, agreed_task
from assay.model.trees import Growth, Trees, Unit

__all__ = ["FORMAT", "load", "recognises"]

Array = np.ndarray[Any, Any]
TASKS: dict[str, Task] = {"Binomial": "binary", "Multinomial": "multiclass", "Regression": "regression"}
INVERSE: dict[str, Callable[[Array], Array]] = {"identity": lambda raw: raw, "log": np.exp, "logit": lambda raw: 1.0 / (1.0 + np.exp(-raw)),
                                                "inverse": lambda raw: 1.0 / raw}
LEAF = 65_535
MOST = 1_000_000    # trees, of all classes together
AUXILIARY = np.dtype([("node", "<i4"), ("reserved", "<i4"), ("weight", "<f4", 2), ("said", "<f4", 2), ("error", "<f4", 2),
                      ("below", "<i4", 2)])   # one for each split: weights, answers and errors of both sides, and their numbers
REFUSED = ("offset_column", "calib_method")
UNITS: dict[str, Unit] = {"identity": "value", "log": "log", "logit": "log-odds"}


@dataclass(frozen=True, eq=False)
class Mojo:
    """A MOJO that was opened: what its description says, its columns in order, and the categories of those that have some."""

    info: Mapping[str, str]
    columns: tuple[str, ...]
    domains: Mapping[int, tuple[str, ...]]
    parts: Mapping[str, bytes]

    def text(self, name: str) -> str:
        if name not in self.info:
            raise ModelError(f"the description of the MOJO has no '{name}'", expected="a whole MOJO")
        return self.info[name]

    def number(self, name: str) -> float:
        try:
            return float(self.text(name))
        except ValueError:
            raise ModelError(f"'{name}' of the MOJO is '{self.text(name)[:40]}'", expected="a number") from None

    def numbers(self, name: str) -> Array:
        try:
            return np.array(json.loads(self.text(name)), np.float64).reshape(-1)
        except (ValueError, TypeError):
            raise ModelError(f"'{name}' of the MOJO cannot be read", expected="a list of numbers") from None


def recognises(model: object) -> bool:
    """Return whether ``model`` is a zip archive with a description as H2O writes it."""
    if not isinstance(model, File) or model.kind != "zip":
        return False
    try:
        return any(each.name == "model.ini" for each in archive.members(model.data))
    except ModelError:   # told where it is loaded, if another format does not take it
        return False


def load(file: File, options: Options) -> Predictor:
    """Return the model of a MOJO; a class is predicted as H2O does, by its threshold where there are two."""
    mojo = _opened(file, options)
    algorithm = mojo.text("algo")
    category = mojo.text("category")
    if algorithm not in ("gbm", "drf", "glm") or category not in TASKS:
        raise ModelError(f"the MOJO is of {algorithm} for {category.lower()}, which is not read here",
                         expected="gbm, drf or glm for two or more classes, or a number")
    used = [name for name in REFUSED if mojo.info.get(name, "null") not in ("null", "")]
    used += [name for name in ("balance_classes",) if mojo.info.get(name) == "true"]   # H2O corrects its answers for that
    if used:
        raise ModelError(f"the MOJO has a {used[0]}, which is not read here", expected="a model without")
    count = int(mojo.number("n_features"))
    if not 0 < count <= len(mojo.columns):
        raise ModelError(f"the MOJO says that it has {count} features of {len(mojo.columns)} columns", expected="a whole MOJO")
    task = agreed_task(TASKS[category], options.task, where=options.name)
    if task in NUMERIC_TASKS or TASKS[category] == "regression":
        signature = Signature(None, task) if task in NUMERIC_TASKS else Signature(
            None, task, agreed_classes((0, 1), options.classes, count=2, where=options.name), scores=options.scores or "probability")
    else:
        known = mojo.domains.get(len(mojo.columns) - 1, ())
        if len(known) != int(mojo.number("n_classes")):
            raise ModelError("the MOJO does not name its classes", expected="a whole MOJO")
        signature = Signature(None, task, agreed_classes(known, options.classes, count=None, where=options.name), scores="probability")
    kinds = {place: Input("", "category", mojo.domains[place]) if place in mojo.domains else Input("", "number") for place in range(count)}
    signature = described(signature, mojo.columns[:count], options, width=count, kinds=kinds)
    scored = _linear(mojo) if algorithm == "glm" else _Ensemble(mojo, algorithm, count)
    return Predictor(options.name, signature, file.digest, _Respond(mojo, signature, count, scored, options.name))


class _Respond:
    def __init__(self, mojo: Mojo, signature: Signature, count: int, scored: Any, where: str):
        self.mojo, self.signature, self.count, self.scored, self.where = mojo, signature, count, scored, where
        said = mojo.info.get("default_threshold", "0.5")
        self.threshold = mojo.number("default_threshold") if said != "null" and "default_threshold" in mojo.info else 0.5

    def trees(self) -> Trees | None:
        """Return the trees in the neutral layout, for who explains them; None for linear models and shares that are no sums."""
        return self.scored.trees(self._given) if isinstance(self.scored, _Ensemble) else None

    def _given(self, batch: pa.RecordBatch) -> Array:
        given = np.empty((batch.num_rows, self.count))
        for place, name in enumerate(batch.schema.names):
            column = batch.column(place)
            known = self.mojo.domains.get(place)
            given[:, place] = (numbers(column, name=name, where=self.where) if known is None
                               else codes(column, known, name=name, where=self.where))
        return given

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        score = self.scored(self._given(batch))
        if score.ndim == 1:
            return Answer.valued(self.signature, score)
        prediction = None
        if self.signature.task == "binary":
            prediction = (score[:, 1] >= self.threshold).astype(np.int32)
        return Answer.scored(self.signature, score, prediction=prediction)


# --- reading ---------------------------------------------------------------------------------------------------------------------


def _opened(file: File, options: Options) -> Mojo:
    import io
    import zipfile

    sizes = {each.name: each.size for each in archive.members(file.data, where=options.name)}
    wanted = [name for name in sizes if name == "model.ini" or name.startswith(("domains/", "trees/"))]
    with zipfile.ZipFile(io.BytesIO(file.data)) as held:    # which members() has looked through
        try:
            parts = {name: held.read(name) for name in wanted}
        except (zipfile.BadZipFile, RuntimeError, KeyError, OSError) as error:
            raise ModelError("the MOJO is damaged", expected="a whole MOJO") from error
    info: dict[str, str] = {}
    columns: list[str] = []
    domains: dict[int, tuple[str, ...]] = {}
    section = ""
    for line in parts["model.ini"].decode("utf-8", "replace").splitlines():
        if line.startswith("[") and line.endswith("]"):
            section = line
        elif section == "[info]" and "=" in line:
            name, _, value = line.partition("=")
            info[name.strip()] = value.strip()
        elif section == "[columns]" and line:
            columns.append(line)
        elif section == "[domains]" and line:
            place, _, rest = line.partition(":")
            said = rest.split()
            if len(said) != 2 or not place.isdigit() or f"domains/{said[1]}" not in parts:
                raise ModelError("the lists of categories of the MOJO cannot be read", expected="a whole MOJO")
            known = parts[f"domains/{said[1]}"].decode("utf-8", "replace").removesuffix("\n").split("\n")
            if info.get("escape_domain_values") == "true":
                known = [each.replace("\\n", "\n").replace("\\\\", "\\") for each in known]
            domains[int(place)] = tuple(known)
    found = Mojo(info, tuple(columns), domains, parts)
    if found.text("endianness") != "LITTLE_ENDIAN":
        raise ModelError("the MOJO was made on a machine of another order of bytes", expected="LITTLE_ENDIAN")
    return found


# --- trees -----------------------------------------------------------------------------------------------------------------------


class _Ensemble:
    """The trees of a MOJO and what H2O makes of their sums."""

    def __init__(self, mojo: Mojo, algorithm: str, count: int):
        number, groups = int(mojo.number("n_trees")), int(mojo.number("n_trees_per_class"))
        self.classes = int(mojo.number("n_classes"))
        if mojo.number("mojo_version") < 1.2 or not 0 < groups <= max(self.classes, 1) or not 0 < number * groups <= MOST:
            raise ModelError(f"the MOJO is of version {mojo.text('mojo_version')} with {number} trees of {groups} classes",
                             expected="version 1.2 or later")
        growth = Growth()
        for group in range(groups):
            for place in range(number):
                name = f"trees/t{group:02d}_{place:03d}"
                if f"{name}.bin" in mojo.parts:      # a class may have none
                    _tree(mojo.parts[f"{name}.bin"], mojo.parts.get(f"{name}_aux.bin", b""), mojo, count, growth, group)
        self.algorithm, self.number = algorithm, number
        self.link = mojo.info.get("link_function", "identity")
        if algorithm == "gbm" and self.classes < 3 and self.link not in INVERSE:
            raise ModelError(f"the MOJO has the link '{self.link}', which is not read here", expected=f"one of {', '.join(INVERSE)}")
        self.start = mojo.number("init_f") if algorithm == "gbm" else 0.0
        self.double = mojo.info.get("binomial_double_trees") == "true"
        self.grown = growth.trees(base=np.zeros(groups), unit="margin", strict=True, single=False,
                                  matrix=lambda batch: np.empty((0, count)), source=np.arange(count))

    def __call__(self, given: Array) -> Array:
        total = self.grown.sums(given)
        if self.algorithm == "gbm":
            if self.classes > 2:
                return activated(total, "softmax")
            one = np.asarray(INVERSE[self.link](total[:, 0] + self.start))
            return np.column_stack([1.0 - one, one]) if self.classes == 2 else one
        if self.classes < 2:
            return np.asarray(total[:, 0] / self.number)
        if self.classes == 2 and not self.double:
            first = total[:, 0] / self.number
            return np.column_stack([first, 1.0 - first])
        whole = total.sum(axis=1, keepdims=True)
        return np.asarray(np.where(whole > 0, total / np.where(whole > 0, whole, 1.0), total))

    def trees(self, matrix: Callable[[pa.RecordBatch], Array]) -> Trees | None:
        """Return trees whose sums are log-odds, margins, shares or values; None where H2O divides the sums of classes by their total."""
        made = replace(self.grown, matrix=matrix)
        if self.algorithm == "gbm" and self.classes > 2:
            return made
        if self.algorithm == "gbm":
            unit = UNITS.get(self.link)
            return None if unit is None else replace(made, base=np.array([self.start]), unit=unit)
        mean = made.value / self.number
        if self.classes < 2:
            return replace(made, value=mean, unit="value")
        if self.classes > 2 or self.double:
            return None
        return replace(made, value=np.column_stack([mean, -mean]), base=np.array([0.0, 1.0]), unit="probability")


def _tree(data: bytes, beside: bytes, mojo: Mojo, count: int, growth: Growth, group: int) -> None:
    """Read one tree: node by node, the bytes of the left part before those of the right one; ``beside`` tells the weights."""
    left: list[int] = []
    right: list[int] = []
    feature: list[int] = []
    threshold: list[float] = []
    default: list[bool] = []
    value: list[float] = []
    sets: list[tuple[int, Array]] = []

    def made(leaf: float = 0.0) -> int:
        left.append(-1)
        right.append(-1)
        feature.append(-1)
        threshold.append(0.0)
        default.append(False)
        value.append(leaf)
        return len(left) - 1

    made()
    waiting = [(0, 0)]    # a node, and where its bytes begin
    try:
        while waiting:
            node, at = waiting.pop()
            kind, column = struct.unpack_from("<BH", data, at)
            at += 3
            if column == LEAF:
                value[node] = struct.unpack_from("<f", data, at)[0]
                continue
            if column >= count or len(left) > len(data):
                raise ValueError("a column")
            way = data[at]
            at += 1
            alone, leftward, equal = way == 1, way in (2, 4), kind & 12
            feature[node], default[node], threshold[node] = column, leftward, np.inf     # alone: all but missing values go left
            if not alone and equal == 0:
                threshold[node] = struct.unpack_from("<f", data, at)[0]
                at += 4
            elif not alone:
                first, bits, at = (0, 32, at) if equal == 8 else (*struct.unpack_from("<HI", data, at), at + 6)
                size = ((bits - 1) >> 3) + 1
                marks = np.unpackbits(np.frombuffer(data, np.uint8, size, at), bitorder="little")[:bits]
                at += size
                sets.append((node, _leftward(marks, first, len(mojo.domains.get(column, ())), leftward=leftward)))
            mask = kind & 51
            if mask <= 3:
                length = int.from_bytes(data[at:at + mask + 1], "little")
                at += mask + 1
                left[node] = made()
                waiting.append((left[node], at))
                at += length
            elif mask == 48:
                left[node] = made(struct.unpack_from("<f", data, at)[0])
                at += 4
            else:
                raise ValueError("a node")
            right[node] = made()
            if (kind & 0xC0) >> 2 & 16:
                value[right[node]] = struct.unpack_from("<f", data, at)[0]
            else:
                waiting.append((right[node], at))
    except (struct.error, ValueError, IndexError) as error:
        raise ModelError("a tree of the MOJO is damaged", expected="a whole MOJO") from error
    growth.add(left=np.array(left), right=np.array(right), feature=np.array(feature), threshold=np.array(threshold),
               default_left=np.array(default), cover=_cover(beside, left, right), value=np.array(value), output=group, sets=sets)


def _cover(beside: bytes, left: list[int], right: list[int]) -> Array:
    """The weight of training rows in each node, found by the numbers that H2O gave the nodes; 0 where it is not told.

    A forest counts every row at its root and only those that were drawn below it, so the leaves count, and nodes are their sums.
    """
    cover = np.zeros(len(left))
    if not beside or len(beside) % AUXILIARY.itemsize:
        return cover
    told = {int(each["node"]): each for each in np.frombuffer(beside, AUXILIARY)}
    waiting = [(0, 0)]
    while waiting:
        node, number = waiting.pop()
        each = told.get(number)
        if left[node] < 0 or each is None:
            continue
        for side, child in enumerate((left[node], right[node])):
            cover[child] = each["weight"][side]
            waiting.append((child, int(each["below"][side])))
    for node in range(len(left) - 1, -1, -1):    # children stand behind their parents
        if left[node] >= 0:
            cover[node] = cover[left[node]] + cover[right[node]]
    return cover


def _leftward(marks: Array, first: int, known: int, *, leftward: bool) -> Array:
    """The categories that go left: those whose bit is not set; those without a bit go where missing values go."""
    place = np.arange(known)
    inside = (place >= first) & (place < first + len(marks))
    goes = np.full(known, leftward)
    goes[inside] = marks[place[inside] - first] == 0
    found: Array = place[goes].astype(np.float64)
    return found


# --- linear models ---------------------------------------------------------------------------------------------------------------


def _linear(mojo: Mojo) -> Any:
    link, family = mojo.text("link"), mojo.text("family")
    several = family == "multinomial"
    if not several and link not in INVERSE:
        raise ModelError(f"the MOJO has the link '{link}', which is not read here", expected=f"one of {', '.join(INVERSE)}")
    cats, nums = int(mojo.number("cats")), int(mojo.number("nums"))
    offsets = mojo.numbers("cat_offsets").astype(np.int64)
    classes = int(mojo.number("n_classes")) if several else 1
    beta = mojo.numbers("beta")
    levels = int(offsets[-1]) if len(offsets) else 0
    if (cats < 0 or nums < 0 or len(offsets) != cats + 1 or (np.diff(offsets) < 0).any() or offsets[0] != 0
            or len(beta) != classes * (levels + nums + 1)):
        raise ModelError("the coefficients of the MOJO are not as many as its columns", expected="a whole MOJO")
    beta = beta.reshape(classes, -1)
    skipped = 0 if mojo.info.get("use_all_factor_levels") == "true" else 1
    means = mojo.numbers("num_means") if mojo.info.get("mean_imputation") == "true" and nums else None
    modes = mojo.numbers("cat_modes") if mojo.info.get("mean_imputation") == "true" and cats else None
    if (means is not None and len(means) != nums) or (modes is not None and len(modes) != cats):
        raise ModelError("the means of the MOJO are not as many as its columns", expected="a whole MOJO")

    def scored(given: Array) -> Array:
        out = np.tile(beta[:, -1], (len(given), 1))
        for place in range(cats):
            column = given[:, place] if modes is None else np.where(np.isnan(given[:, place]), modes[place], given[:, place])
            out[np.isnan(column)] = np.nan
            at = np.nan_to_num(column, nan=-1).astype(np.int64) - skipped + offsets[place]
            held = np.flatnonzero((at >= offsets[place]) & (at < offsets[place + 1]))
            out[held] += beta[:, at[held]].T
        for place in range(nums):
            column = given[:, cats + place]
            column = column if means is None else np.where(np.isnan(column), means[place], column)
            out += np.outer(column, beta[:, levels + place])
        if several:
            return activated(out, "softmax")
        one = np.asarray(INVERSE[link](out[:, 0]))
        return np.column_stack([1.0 - one, one]) if family in ("binomial", "quasibinomial", "fractionalbinomial") else one
    return scored


FORMAT = Format(recognises, load, what="H2O MOJOs: gradient boosting, random forests, generalized linear models", runs="no")
