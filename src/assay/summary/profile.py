"""All summaries of one pass over the rows: by slice and by need."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from assay.errors import SummaryError
from assay.result import SliceKey
from assay.summary.summary import Need, Summary, parse

__all__ = ["Profile"]

Place = tuple[SliceKey, Need]
ALL: SliceKey = ()


class Profile(Mapping[Place, Summary]):
    """A mapping (slice, need) -> summary, which adds like the summaries in it; ``()`` is the slice of all rows.

    >>> from assay.summary.summary import Need
    >>> need = Need("moments", ("age",))
    >>> profile = Profile()
    >>> profile.summary(ALL, need).update([20.0, 40.0])
    >>> profile.merge(profile)[ALL, need].n, Profile.parse(profile.dump()) == profile
    (4, True)
    """

    def __init__(self, items: Mapping[Place, Summary] | None = None, *, rows: int = 0, unlabelled: int = 0, model_rows: int = 0,
                 failures: Mapping[str, Exception] | None = None):
        self._items: dict[Place, Summary] = dict(items or {})
        self.rows = rows
        self.unlabelled = unlabelled
        self.model_rows = model_rows
        self.failures = dict(failures or {})  # of models, in this process; not part of the bytes

    def __getitem__(self, place: Place) -> Summary:
        return self._items[place]

    def __iter__(self) -> Iterator[Place]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def summary(self, key: SliceKey, need: Need) -> Summary:
        """Return the summary at a place, an empty one where nothing was seen yet."""
        found = self._items.get((key, need))
        if found is None:
            found = self._items[key, need] = need.empty()
        return found

    def at(self, key: SliceKey) -> dict[Need, Summary]:
        """Return the summaries of one slice."""
        return {need: summary for (place, need), summary in self._items.items() if place == key}

    def slices(self, need: Need) -> list[SliceKey]:
        """Return the slices for which there is a summary of ``need``, sorted as text."""
        return sorted((key for key, each in self._items if each == need), key=repr)

    def merge(self, other: Profile) -> Profile:
        """Return the profile of the rows of both."""
        items = dict(self._items)
        for place, summary in other._items.items():
            mine = items.get(place)
            items[place] = summary if mine is None else mine.merge(summary)  # type: ignore[arg-type]
        return Profile(items, rows=self.rows + other.rows, unlabelled=self.unlabelled + other.unlabelled,
                       model_rows=self.model_rows + other.model_rows)

    def dump(self) -> bytes:
        """Return the profile as bytes: a JSON index, then the summaries in the one format."""
        places = sorted(self._items, key=repr)
        parts = [self._items[place].dump() for place in places]
        index = {"rows": self.rows, "unlabelled": self.unlabelled, "model_rows": self.model_rows,
                 "items": [[key, need.to_json(), len(part)] for (key, need), part in zip(places, parts, strict=True)]}
        head = json.dumps(index, separators=(",", ":")).encode()
        return b"ASSAYP\x01" + struct.pack("<Q", len(head)) + head + b"".join(parts)

    @classmethod
    def parse(cls, data: bytes) -> Profile:
        """Return the profile that :meth:`dump` wrote; raises ``SummaryError`` for anything else."""
        try:
            if data[:7] != b"ASSAYP\x01":
                raise SummaryError("these bytes are not a profile of this version", expected="bytes that assay wrote")
            size = struct.unpack_from("<Q", data, 7)[0]
            index: dict[str, Any] = json.loads(data[15 : 15 + size])
            place, items = 15 + size, {}
            for key, need, length in index["items"]:
                if not isinstance(length, int) or length < 0 or place + length > len(data):
                    raise SummaryError("the profile is cut off")
                items[tuple((str(name), value) for name, value in key), Need.from_json(need)] = parse(data[place : place + length])
                place += length
            if place != len(data):
                raise SummaryError("the profile is longer than its index says")
            return cls(items, rows=int(index["rows"]), unlabelled=int(index["unlabelled"]), model_rows=int(index["model_rows"]))
        except SummaryError:
            raise
        except (ValueError, KeyError, TypeError, struct.error, RecursionError) as error:
            raise SummaryError(f"the profile cannot be read ({type(error).__name__})", expected="bytes that assay wrote") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Profile) and self.dump() == other.dump()

    __hash__ = None  # type: ignore[assignment]
