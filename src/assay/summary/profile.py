"""All summaries of one pass over the rows: by slice and by need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.errors import SummaryError
from assay.result import SliceKey
from assay.summary import codec
from assay.summary.summary import Need, Summary, parse

__all__ = ["Profile"]

Place = tuple[SliceKey, Need]
ALL: SliceKey = ()

_MAGIC = b"ASSAYP"
_LIMIT, _INDEX = 4 << 30, 32 << 20  # bytes of a profile, and of the JSON in it, which is twenty times as large in memory


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
                 failures: Mapping[str | Need, Exception] | None = None):
        self._items: dict[Place, Summary] = dict(items or {})
        self.rows = rows
        self.unlabelled = unlabelled
        self.model_rows = model_rows
        self.failures: dict[str | Need, Exception] = dict(failures or {})  # of models and needs, in this process; not part of the bytes
        self._places: dict[Need, list[SliceKey]] = {}
        for key, need in self._items:
            self._places.setdefault(need, []).append(key)

    def __getitem__(self, place: Place) -> Summary:
        return self._items[place]

    def get(self, place: Place, default: Any = None) -> Any:
        return self._items.get(place, default)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def summary(self, key: SliceKey, need: Need) -> Summary:
        """Return the summary at a place, an empty one where nothing was seen yet."""
        found = self._items.get((key, need))
        if found is None:
            found = self._items[key, need] = need.empty()
            self._places.setdefault(need, []).append(key)
        return found

    def put(self, key: SliceKey, need: Need, summary: Summary) -> None:
        """Set the summary at a place."""
        if (key, need) not in self._items:
            self._places.setdefault(need, []).append(key)
        self._items[key, need] = summary

    def add(self, other: Profile) -> None:
        """Take the summaries of another pass over the same rows."""
        for (key, need), summary in other.items():
            self.put(key, need, summary)

    def at(self, key: SliceKey) -> dict[Need, Summary]:
        """Return the summaries of one slice."""
        return {need: summary for (place, need), summary in self._items.items() if place == key}

    def slices(self, need: Need) -> list[SliceKey]:
        """Return the slices for which there is a summary of ``need``, sorted as text."""
        return sorted(self._places.get(need, ()), key=repr)

    def merge(self, other: Profile) -> Profile:
        """Return the profile of the rows of both."""
        items: dict[Place, Summary] = {}
        for place in {**self._items, **other._items}:
            mine, theirs = self._items.get(place), other._items.get(place)
            # merged with an empty one where only one side has it: a summary in two profiles would be updated in both
            items[place] = (place[1].empty() if mine is None else mine).merge(place[1].empty() if theirs is None else theirs)
        return Profile(items, rows=self.rows + other.rows, unlabelled=self.unlabelled + other.unlabelled,
                       model_rows=self.model_rows + other.model_rows, failures={**self.failures, **other.failures})

    def dump(self) -> bytes:
        """Return the profile as bytes: an index of slices and needs, then the summaries in the one format."""
        places = sorted(self._items, key=repr)
        slices = {key: place for place, key in enumerate(dict.fromkeys(key for key, _ in places))}
        needs = {need: place for place, need in enumerate(dict.fromkeys(need for _, need in places))}
        body, items = bytearray(), []
        for key, need in places:
            part = self._items[key, need].dump()
            items.append((slices[key], needs[need], len(part)))
            body += part
        index = {"rows": self.rows, "unlabelled": self.unlabelled, "model_rows": self.model_rows, "slices": list(slices),
                 "needs": [need.to_json() for need in needs], "items": items}
        return codec.sealed(_MAGIC, index, body, most=_LIMIT, header_most=_INDEX)

    @classmethod
    def parse(cls, data: bytes) -> Profile:
        """Return the profile that :meth:`dump` wrote; raises ``SummaryError`` for anything else."""
        index, body = codec.opened(_MAGIC, data, most=_LIMIT, header_most=_INDEX)
        try:
            keys, needs = [_key(each) for each in index["slices"]], [Need.from_json(each) for each in index["needs"]]
            place, items = 0, {}
            for slice_, need_, length in index["items"]:
                if not (_inside(slice_, len(keys)) and _inside(need_, len(needs)) and _inside(length, len(body) - place + 1)):
                    raise SummaryError("the profile is cut off")
                found, at = parse(bytes(body[place : place + length])), (keys[slice_], needs[need_])
                if not at[1].asks_for(found) or at in items:
                    raise SummaryError(f"the profile holds another summary than its index says: '{found.kind}'")
                items[at] = found
                place += length
        except SummaryError:
            raise
        except (LookupError, TypeError, ValueError) as error:
            raise SummaryError(f"the profile cannot be read ({type(error).__name__})", expected="bytes that assay wrote") from error
        if place != len(body):
            raise SummaryError("the profile is longer than its index says")
        rows, unlabelled, model_rows = (codec.whole(index, name) for name in ("rows", "unlabelled", "model_rows"))
        return cls(items, rows=rows, unlabelled=unlabelled, model_rows=model_rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Profile) and self.dump() == other.dump()

    __hash__ = None  # type: ignore[assignment]


def _key(data: Any) -> SliceKey:
    """Return the key of a slice from JSON."""
    if not all(isinstance(name, str) and (value is None or isinstance(value, str | int | float | bool)) for name, value in data):
        raise SummaryError("what should name a slice does not")
    return tuple((name, value) for name, value in data)


def _inside(place: Any, size: int) -> bool:
    return isinstance(place, int) and not isinstance(place, bool) and 0 <= place < size
