"""Which points were asked already: a set of exact keys in open addressing, for thousands of keys at a time.

``KeySet.add(keys)`` says which are new; ``bits`` holds one mark a key. Searches in this package import it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["KeySet"]

Array = np.ndarray[Any, Any]

_MIX = np.uint64(0x9E3779B97F4A7C15)
_FULL = 0.6   # of the table, at which it is doubled


class KeySet:
    """A growing set of keys of one or more 63-bit words, laid out (words, keys).

    >>> seen = KeySet()
    >>> fresh, _ = seen.add(np.array([[3, 5, 3]]))
    >>> fresh.tolist(), seen.add(np.array([[5, 7]]))[0].tolist(), len(seen)
    ([False, True, True], [False, True], 3)
    """

    def __init__(self, words: int = 1, capacity: int = 1 << 14):
        self.words = words
        self._count = 0
        self._empty(1 << max(int(capacity) - 1, 1).bit_length())

    def __len__(self) -> int:
        return self._count

    def add(self, keys: Array) -> tuple[Array, Array]:
        """Put keys into the set; return which were not in it, of equal ones one only, and the slot of each.

        Slots are places in ``bits``, until the next call.
        """
        keys = keys + 1   # 0 marks an empty slot
        if (self._count + keys.shape[1]) > _FULL * len(self.table[0]):
            self._grow(self._count + keys.shape[1])
        return self._put(keys)

    def has(self, keys: Array) -> Array:
        """Return which keys are in the set."""
        keys = keys + 1
        slots = self._first(keys)
        found = np.zeros(keys.shape[1], bool)
        pending = np.arange(keys.shape[1])
        while len(pending):
            at = slots[pending]
            same = self._same(at, keys, pending)
            found[pending[same]] = True
            more = ~same & (self.table[0][at] != 0)
            pending = pending[more]
            slots[pending] = (slots[pending] + 1) & self.mask
        return found

    def _empty(self, capacity: int) -> None:
        self.table = np.zeros((self.words, capacity), np.int64)
        self.owner = np.zeros(capacity, np.int32)
        self.bits = np.zeros(capacity, np.int8)
        self.mask = capacity - 1
        self.shift = np.uint64(64 - capacity.bit_length() + 1)

    def _first(self, keys: Array) -> Array:
        hashed = keys[0].astype(np.uint64)
        for word in keys[1:]:
            hashed = (hashed ^ (hashed >> np.uint64(29))) * _MIX + word.astype(np.uint64)
        return np.asarray(((hashed * _MIX) >> self.shift).astype(np.int64))

    def _same(self, slots: Array, keys: Array, rows: Array) -> Array:
        out = self.table[0][slots] == keys[0][rows]
        for word in range(1, self.words):
            out &= self.table[word][slots] == keys[word][rows]
        return np.asarray(out)

    def _put(self, keys: Array) -> tuple[Array, Array]:
        slots = self._first(keys)
        fresh = np.zeros(keys.shape[1], bool)
        pending = np.arange(keys.shape[1])
        while len(pending):
            at = slots[pending]
            free = self.table[0][at] == 0
            if free.any():   # the last of those that want a slot gets it; equal keys then find themselves there
                wanting, spot = pending[free], at[free]
                self.owner[spot] = wanting
                won = self.owner[spot] == wanting
                takers, taken = wanting[won], spot[won]
                for word in range(self.words):
                    self.table[word][taken] = keys[word][takers]
                self.bits[taken] = 0
                fresh[takers] = True
            pending = pending[~self._same(at, keys, pending)]
            slots[pending] = (slots[pending] + 1) & self.mask
        self._count += int(fresh.sum())
        return fresh, slots

    def _grow(self, count: int) -> None:
        there = np.flatnonzero(self.table[0])
        keys, bits = self.table[:, there], self.bits[there]
        self._count = 0
        self._empty(1 << int(count / _FULL).bit_length())
        if len(there):
            _, slots = self._put(keys)
            self.bits[slots] = bits
