"""What a model takes and what it gives: its inputs by name, its task, and its classes in the order of its scores.

``Signature`` is the interface. Everything above the models reads it; only adapters write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from assay.errors import ConfigError, SignatureError, listed, nearest

__all__ = ["Class", "Input", "Kind", "ScoreKind", "Signature", "Task", "agreed_classes", "agreed_task", "plain"]

Task: TypeAlias = Literal["binary", "multiclass", "multilabel", "regression", "ranking"]
Kind: TypeAlias = Literal["number", "category", "text", "boolean", "time", "unknown"]
ScoreKind: TypeAlias = Literal["probability", "score"]
Class: TypeAlias = str | int | bool | float

TASKS: tuple[str, ...] = get_args(Task)
NUMERIC_TASKS = ("regression", "ranking")


@dataclass(frozen=True)
class Input:
    """One column that a model takes; ``categories`` are those it was trained with, in the order of its codes, if known."""

    name: str
    type: Kind = "unknown"
    categories: tuple[Class, ...] | None = None


@dataclass(frozen=True)
class Signature:
    """The inputs, the task and the classes of a model.

    ``inputs`` is None where the model takes whatever columns it is given, or, with ``positional``, where it knows only that
    they are ``width`` many: such a model must be bound to names (:func:`assay.model.model.bind`) before it predicts.
    ``classes`` come from the model, never from data; position k belongs to score k. For several labels they name the labels.
    ``scores`` says what the scores are: probabilities, scores of any size (a margin: enough for AUC, not for log loss),
    or None where the model gives labels only, or numbers.

    >>> Signature((Input("age", "number"),), "binary", ("no", "yes"), scores="probability").names
    ('age',)
    """

    inputs: tuple[Input, ...] | None
    task: Task
    classes: tuple[Class, ...] | None = None
    scores: ScoreKind | None = None
    positional: bool = False
    width: int | None = None

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(f"there is no task '{self.task}'", expected=f"one of {listed(TASKS)}")
        if (self.classes is None) != (self.task in NUMERIC_TASKS):
            raise ConfigError(f"a model for {self.task} has {'no' if self.classes else 'its'} classes, by name and in order")
        if self.classes is not None and len({(_family(each), each) for each in self.classes}) < len(self.classes):
            raise SignatureError(f"the classes {listed(map(str, self.classes))} repeat", expected="each class once")
        if self.task == "binary" and len(self.classes or ()) != 2:
            raise SignatureError(f"{len(self.classes or ())} classes are not binary", expected="two classes",
                                 hint="use the task multiclass")

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the inputs, or None where the model does not know them."""
        return None if self.inputs is None else tuple(each.name for each in self.inputs)


def plain(value: Any) -> Any:
    """Return a numpy scalar as what it is in Python, anything else as it is.

    >>> import numpy as np
    >>> plain(np.int64(3)), plain(np.str_("a")), plain(np.True_)
    (3, 'a', True)
    """
    value = value.item() if hasattr(value, "item") and not isinstance(value, bytes) else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def agreed_task(found: Task | None, asked: str | None, *, where: str, why: str = "") -> Task:
    """Return the task of a model that is known (or not) to do ``found``, of which the user said that it is ``asked``.

    A number may be used as a ranking, or as the probability of a class; a classifier is never a regressor.

    >>> agreed_task("regression", "ranking", where="model")
    'ranking'
    """
    if asked is not None and asked not in TASKS:
        guess = nearest(asked, TASKS)
        raise ConfigError(f"there is no task '{asked}'", where=where, expected=f"one of {listed(TASKS)}",
                          hint=f"did you mean '{guess}'?" if guess else None)
    task: Any = asked or found
    if task is None:
        raise SignatureError("the model does not say what it predicts" + (f": {why}" if why else ""), where=where,
                             expected=f"its task, one of {listed(TASKS)}", hint="pass task=... (and classes=[...])")
    if found in NUMERIC_TASKS:
        fits = task in (*NUMERIC_TASKS, "binary")
    else:
        fits = found is None or task == found or (found == "binary" and task == "multiclass")
    if not fits:
        raise SignatureError(f"the model is made for {found}, not for {task}", where=where, hint="leave the task out: the model knows it")
    agreed: Task = task
    return agreed


def agreed_classes(known: Iterable[Any] | None, asked: Sequence[Any] | None, *, count: int | None, where: str) -> tuple[Class, ...]:
    """Return the classes of a model that knows ``known`` of its own, as the user ``asked`` to name them.

    A user may name the classes of a model that has only numbers for them. Giving the model's own classes in another order is
    refused: the order is that of the scores, and taking another would swap them silently.

    >>> agreed_classes([0, 1], ["no", "yes"], count=2, where="model")
    ('no', 'yes')
    """
    own = None if known is None else tuple(_class(plain(each), where) for each in known)
    if asked is None:
        if own is None:
            raise SignatureError("the model does not name its classes", where=where, expected="the classes in the order of its scores",
                                 hint="pass classes=[...]")
        return own
    given = tuple(_class(plain(each), where) for each in asked)
    count = len(own) if own is not None else count
    if count is not None and len(given) != count:
        raise SignatureError(f"{len(given)} classes were named and the model has {count}", where=where,
                             expected=f"the classes {listed(map(str, own))}" if own else f"{count} classes")
    if own is not None and given != own and set(map(str, given)) == set(map(str, own)):
        raise SignatureError("the classes were named in another order than that of the model's scores", where=where,
                             expected=f"the order {listed(map(str, own))}", hint="leave the classes out: the model knows them")
    return given


def _class(value: Any, where: str) -> Class:
    if not isinstance(value, str | int | bool | float):
        raise SignatureError(f"a class is of type {type(value).__name__}", where=where, expected="text, a number or true/false")
    return value


def _family(value: Class) -> str:
    # 1 == True in Python, but a model may well tell "1" from 1, never 1 from True
    return "text" if isinstance(value, str) else "number"
