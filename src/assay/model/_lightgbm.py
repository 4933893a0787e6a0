"""LightGBM: boosters, the classes that look like scikit-learn's, and their .txt files.

LightGBM reads its files without checking them: a damaged one can end the process. So they are checked here first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import MissingExtraError, ModelError, SignatureError, listed
from assay.model import guard
from assay.model._lightgbm_trees import grown
from assay.model.answer import Answer
from assay.model.column import codes, is_numeric, matrix
from assay.model.file import File
from assay.model.format import Format, Options, belongs, described
from assay.model.predictor import Predictor
from assay.model.signature import NUMERIC_TASKS, Input, Signature, Task, agreed_classes, agreed_task, plain
from assay.model.trees import Trees

__all__ = ["FORMAT", "load", "recognises"]

CLASSES: dict[str, tuple[Task, str]] = {
    "binary": ("binary", "probability"), "cross_entropy": ("binary", "probability"), "multiclass": ("multiclass", "probability"),
    "multiclassova": ("multiclass", "score"),   # one sigmoid a class: they do not sum to 1
}

LEAF = ("leaf_value", "leaf_weight", "leaf_count")
NEEDED = {"split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child", "internal_value"}
INNER = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child", "internal_value", "internal_weight",
         "internal_count")


def recognises(model: object) -> bool:
    """Return whether ``model`` is a LightGBM file, booster, or estimator."""
    return model.kind == "lightgbm" if isinstance(model, File) else belongs(model, "lightgbm")


def load(model: Any, options: Options) -> Predictor:
    """Return the model behind a booster; the classes of a bare booster are 0 to K-1 unless named, as it keeps no names."""
    if isinstance(model, File):
        text = model.data.decode("utf-8", "replace")
        check(text)
    try:
        import lightgbm
    except ImportError:
        raise MissingExtraError.of("lightgbm", "to load a LightGBM model") from None
    estimator = None
    if isinstance(model, File):
        try:
            booster = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise ModelError(f"LightGBM cannot read the file, it is cut off or damaged ({guard.cause(error)})") from error
    elif isinstance(model, lightgbm.Booster):
        booster = model
    elif hasattr(model, "booster_") or hasattr(type(model), "booster_"):
        if not getattr(model, "fitted_", False):
            raise ModelError(f"{type(model).__name__} is not fitted", expected="a fitted model", hint="call fit first")
        estimator, booster = model, model.booster_
    else:
        raise ModelError(f"{type(model).__name__} is no model", expected="a Booster or an estimator of LightGBM")
    return _predictor(booster, estimator, options)


def _predictor(booster: Any, estimator: Any, options: Options) -> Predictor:
    head = booster.model_to_string(num_iteration=1)
    said = re.search(r"^objective=(\S+)", head, re.MULTILINE)
    objective = said.group(1) if said else "custom"
    count = int(re.search(r"^num_class=(\d+)", head, re.MULTILINE).group(1))  # type: ignore[union-attr]
    own = getattr(estimator, "classes_", None)
    found, kind = _task(objective, count, own)
    task = agreed_task(found, options.task, where=options.name, why="its objective is of the user's making")
    if task in NUMERIC_TASKS:
        signature = Signature(None, task)
    else:
        known = range(max(count, 2)) if own is None else [plain(each) for each in own]
        signature = Signature(None, task, agreed_classes(known, options.classes, count=None, where=options.name),
                              scores=options.scores or kind)  # type: ignore[arg-type]
    names = list(booster.feature_name())
    made_up = tuple(f"Column_{place}" for place in range(len(names)))
    unnamed = tuple(names) == made_up
    kinds = _kinds(booster, head, names, options)
    signature = described(signature, None if unnamed else names, options, width=len(names), kind="number", kinds=kinds)
    digest = options.digest or hashlib.sha256(booster.model_to_string().encode()).hexdigest()
    respond = _Respond(booster, signature, kinds, options.name)
    return Predictor(options.name, signature, digest, respond, alias=_alias, usual=made_up if unnamed else ())


def _alias(name: str) -> str:
    return re.sub(r"\s", "_", name)


def _task(objective: str, count: int, own: Any) -> tuple[Task | None, str]:
    if objective in CLASSES:
        return CLASSES[objective]
    if objective in ("lambdarank", "rank_xendcg"):
        return "ranking", "score"
    if objective in ("custom", "none", "null", "na"):
        if own is None and count < 2:
            return None, "score"
        return ("binary" if count < 2 or len(own if own is not None else range(count)) == 2 else "multiclass"), "score"
    return "regression", "probability"


def _kinds(booster: Any, head: str, names: Sequence[str], options: Options) -> dict[int, Input]:
    """The categorical columns by place, with their categories of training where the model keeps them.

    LightGBM keeps the categories of every pandas category column in order, but not which columns those are. They are the
    categorical features, unless ordered categories or features of plain codes were mixed in; then the user must say.
    """
    infos = re.search(r"^feature_infos=(.*)$", head, re.MULTILINE)
    marks = infos.group(1).split(" ") if infos else []
    places = {place for place, each in enumerate(marks) if ":" in each and not each.startswith("[")}
    listed_there = re.search(r"^\[categorical_feature: ([\d,]+)\]", head, re.MULTILINE)
    if listed_there:
        places |= {int(each) for each in listed_there.group(1).split(",") if each}
    said = options["categories"] or {}
    strange = [each for each in said if each not in names]
    if strange:
        raise SignatureError(f"categories were given for {listed(strange)}, which the model does not take", where=options.name)
    if said:
        return {place: Input("", "category", tuple(said[names[place]]) if names[place] in said else None)
                for place in sorted(places | {names.index(each) for each in said})}
    stored = booster.pandas_categorical or []
    if stored and len(stored) != len(places):
        raise SignatureError(f"the model holds {len(stored)} lists of categories and {len(places)} categorical features, so it is not "
                             "clear which column has which", where=options.name, expected="the categories of training",
                             hint="pass categories={'column': [...], ...} for each column that was a pandas category")
    return {place: Input("", "category", tuple(stored[at]) if stored else None) for at, place in enumerate(sorted(places))}


class _Respond:
    def __init__(self, booster: Any, signature: Signature, kinds: Mapping[int, Input], where: str):
        self.booster, self.signature, self.kinds, self.where = booster, signature, kinds, where

    def trees(self) -> Trees | None:
        """Return the trees in the neutral layout, for who explains them."""
        return grown(self.booster.model_to_string(), lambda batch: matrix(batch, where=self.where, columns=self._made(batch)))

    def _made(self, batch: pa.RecordBatch) -> dict[int, Any]:
        made = {}
        for place, each in self.kinds.items():
            array, name = batch.column(place), batch.schema.names[place]
            if each.categories is not None:
                made[place] = codes(array, each.categories, name=name, where=self.where)
            elif not is_numeric(array.type):
                raise SignatureError(f"the column '{name}' is of type {array.type}, and the model holds no categories of training",
                                     where=self.where, expected="the codes of training as numbers",
                                     hint=f"pass categories={{'{name}': [...]}}")
        return made

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        made = self._made(batch)
        said = self.booster.predict(matrix(batch, where=self.where, columns=made, view=True))
        return Answer.valued(self.signature, said) if self.signature.classes is None else Answer.scored(self.signature, said)


def check(text: str) -> None:
    """Raise ``ModelError`` unless the text of a model is whole: sizes as stated, every index inside its bounds, no loops."""
    try:
        text = text.replace("\r\n", "\n")
        if "\r" in text or "\0" in text:
            raise ValueError("an end of a line")  # the library ends lines there, and would read what is not checked here
        head, _, body = text.partition("\n\n")
        stated = _pairs(head)
        sizes = [int(each) for each in stated["tree_sizes"].split()]
        features = int(stated["max_feature_idx"]) + 1
        if len(stated["feature_names"].split(" ")) != features or len(stated["feature_infos"].split(" ")) != features:
            raise ValueError("the number of features")
        raw, at = body.encode(), 0
        for number, size in enumerate(sizes):
            tree = raw[at:at + size].decode()
            if not tree.startswith(f"Tree={number}\n") or any("=" not in line for line in tree.strip("\n").split("\n")):
                raise ValueError(f"tree {number}")
            _check_tree(_pairs(tree.strip("\n")), features, number)
            at += size
        rest = raw[at:].lstrip()
        if not rest.startswith(b"end of trees") or (b"\nparameters:" in rest and b"\nend of parameters" not in rest):
            raise ValueError("the end")
        _check_end(rest.decode())
    except (ValueError, KeyError, IndexError) as error:
        raise ModelError(f"the LightGBM file is cut off or damaged ({guard.cause(error)})", expected="a whole model") from error


def _pairs(text: str) -> dict[str, str]:
    """Return the lines ``key=value`` of a text; a key that is there twice would be read one way here and another by the library."""
    lines = [line.partition("=")[::2] for line in text.split("\n")]
    if len({name for name, _ in lines}) < len(lines):
        raise ValueError("a key that is there twice")
    return dict(lines)


def _check_end(text: str) -> None:
    """Refuse trees behind the end of the trees, and parameters that are not ``[name: value]``."""
    if "\nTree=" in text or "\ntree_sizes=" in text:
        raise ValueError("trees behind the end of the trees")
    _, there, said = text.partition("\nparameters:\n")
    for line in said.partition("\nend of parameters")[0].split("\n") if there else ():
        if line and not re.fullmatch(r"\[[^:\[\]]+: .*\]", line):
            raise ValueError("a parameter")


def _check_tree(tree: Mapping[str, str], features: int, number: int) -> None:
    leaves = int(tree["num_leaves"])
    inner, kinds = leaves - 1, int(tree.get("num_cat", "0"))
    fault = ValueError(f"tree {number}")
    lengths = dict.fromkeys(LEAF, leaves) | dict.fromkeys(INNER, inner)
    # LightGBM ends the process where a list is not as long as it must be, or holds what is no number
    table = {name: np.array(tree[name].split(), dtype=np.float64) for name in lengths if tree.get(name)}
    if leaves < 1 or kinds < 0 or "leaf_value" not in table or any(len(each) != lengths[name] for name, each in table.items()):
        raise fault
    if tree.get("is_linear", "0") != "0":
        _check_linear(tree, leaves, features, fault)
    if not inner:
        return
    if not NEEDED <= set(table):
        raise fault
    split, left, right = (np.array(tree[name].split(), dtype=np.int64) for name in ("split_feature", "left_child", "right_child"))
    if split.min() < 0 or split.max() >= features:
        raise fault
    children, parents = np.concatenate([left, right]), np.tile(np.arange(inner), 2)
    # a child node comes after its parent, so there is no way round in circles; a leaf k is written as -k-1
    if ((children >= 0) & ((children <= parents) | (children >= inner))).any() or (children < -leaves).any():
        raise fault
    kind = np.array(tree["decision_type"].split(), dtype=np.int64)
    categorical = (kind & 1) == 1
    if kind.min() < 0 or kind.max() > 127:
        raise fault
    if kinds or categorical.any():
        bounds = np.array(tree["cat_boundaries"].split(), dtype=np.int64)
        words = np.array(tree["cat_threshold"].split(), dtype=np.uint32)
        chosen = table["threshold"][categorical]
        if (len(bounds) != kinds + 1 or bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] != len(words)
                or not ((chosen >= 0) & (chosen < kinds)).all()):
            raise fault


def _check_linear(tree: Mapping[str, str], leaves: int, features: int, fault: ValueError) -> None:
    """The linear models in the leaves: as many features and coefficients as stated."""
    counts = np.array(tree["num_features"].split(), dtype=np.int64)
    used = np.array(tree["leaf_features"].split(), dtype=np.int64)
    if (len(tree["leaf_const"].split()) != leaves or len(counts) != leaves or counts.min() < 0 or counts.sum() != len(used)
            or len(tree["leaf_coeff"].split()) != len(used) or (len(used) and (used.min() < 0 or used.max() >= features))):
        raise fault


FORMAT = Format(recognises, load, frozenset({"categories"}), what="LightGBM: .txt files, boosters and estimators",
                library="lightgbm", extra="lightgbm", runs="no")
