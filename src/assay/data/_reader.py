"""What every kind of data must offer to become a source, and what they share: limits, and faults in words.

A ``Reader`` yields the columns it is asked for, as it finds them: batches of any size and any Arrow type. ``source`` makes the
rest of it (types, sizes, roles, filters). Only modules of ``assay.data`` import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import pyarrow as pa

from assay.errors import AssayError, UnreadableDataError, without_secrets

__all__ = ["LIMIT", "Reader", "checked", "guarded", "shares", "told", "unreached"]

LIMIT = 131_072   # rows a batch: a column of numbers is 1 MiB, which stays in cache while it is summarised
T = TypeVar("T")


class Reader(Protocol):
    """One kind of data. ``arrow`` has the types as found; ``rows`` is None where only reading tells.

    Where some columns can be read without the others, a reader is ``columnar`` and has ``strips(strips)``: for each strip of columns
    in turn, its place and a batch of it, as ``read`` gives them. It works on the thread that asks: several read side by side.
    """

    name: str
    arrow: pa.Schema
    rows: int | None

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield batches that hold at least ``columns`` (at least one, all known, each once), rows in order."""
        ...

    def parts(self, parts: int) -> list[Reader]:
        """Return at most ``parts`` readers that hold the same rows in the same order, one after another."""
        ...


def told(error: BaseException) -> str:
    """Return the first line of an error of a library, short enough for a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."


def unreached(error: BaseException, where: str) -> UnreadableDataError:
    """Return the error of a store of objects that did not give what was asked; what it said may hold credentials."""
    return UnreadableDataError(f"the store could not be read ({without_secrets(told(error))})", where=where,
                               hint="check the name, the region and the credentials, which are taken from the environment")


def guarded(batches: Iterable[T], fault: Callable[[Exception], AssayError]) -> Iterator[T]:
    """Yield from ``batches``; what a library raises in between becomes the error that ``fault`` makes of it."""
    found = iter(batches)
    try:
        while True:
            try:
                batch = next(found)
            except StopIteration:
                return
            except AssayError:
                raise
            except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, EOFError) as error:
                raise fault(error) from error
            yield batch
    finally:
        if (close := getattr(found, "close", None)) is not None:
            close()


def checked(batch: pa.RecordBatch, name: str) -> pa.RecordBatch:
    """Return ``batch`` once it is certain that its memory is what its types say; files are written by strangers."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UnreadableDataError(f"the file holds values that are not valid ({told(error)})", where=name,
                                  hint="was it written by another program? text must be UTF-8") from error
    return batch


def shares(weights: Sequence[int], parts: int) -> list[tuple[int, int]]:
    """Return at most ``parts`` half-open stretches that cover ``weights`` in order, of about equal weight, none empty.

    >>> shares([1, 1, 1, 3], 2)
    [(0, 3), (3, 4)]
    """
    parts = max(1, min(parts, len(weights)))
    total, done, start = sum(weights), 0, 0
    found: list[tuple[int, int]] = []
    for place, weight in enumerate(weights):
        done += weight
        left = len(weights) - place - 1
        if len(found) < parts - 1 and (done * parts >= total * (len(found) + 1) or left < parts - len(found)):
            found.append((start, place + 1))
            start = place + 1
    if start < len(weights) or not found:
        found.append((start, len(weights)))
    return found
