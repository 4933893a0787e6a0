"""The loop that numba compiles: a plain function of arrays, complete in itself, as a compiled function sees no other.

``decide`` cuts boxes of inputs until every one is decided; ``probe/ensemble.py`` prepares its arrays and is the only one that uses it.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

__all__ = ["decide"]


def decide(roots, left, right, axis, cut, listed, mask, value, least, most, parted, variants, base, level, slack, low, high, volume, heap,
           free, state, total, gain, offset, waiting, marks, room):
    """Take boxes off the ``heap``, the largest first, and decide or cut them, until none is left or ``room`` boxes were looked at.

    A box (``low`` to ``high``, both in it) is fair where bounds on the sum of the trees show that all variants get one class, and unfair
    where they show that two variants get different ones. Bounds are the least and the greatest leaf that the box reaches in each tree, for
    each variant, and the greatest difference between variants: what is reached below the splits that part them. ``cut`` is how many first
    places of an axis go left; below 0 it is -1 less a row of ``listed``, which counts those that do. ``total`` gathers the volumes: fair,
    unfair, and not decidable (nothing left to cut, and a sum within ``slack`` of ``level``). ``state`` holds the sizes of the heap, of the
    slots in use and of the ``free`` ones. Return how many were looked at.
    """
    every = (1 << variants) - 1
    lower = np.empty(variants)
    upper = np.empty(variants)
    here_low = np.empty(variants)
    here_high = np.empty(variants)
    axes = low.shape[1]
    seen = 0
    while seen < room and state[0] > 0:
        seen += 1
        # take the largest off the heap
        slot = heap[0]
        state[0] -= 1
        count = state[0]
        if count > 0:
            last = heap[count]
            at = 0
            while True:
                child = 2 * at + 1
                if child >= count:
                    break
                if child + 1 < count and volume[heap[child + 1]] > volume[heap[child]]:
                    child += 1
                if volume[heap[child]] <= volume[last]:
                    break
                heap[at] = heap[child]
                at = child
            heap[at] = last
        # bounds
        common_low = base
        common_high = base
        spread = 0.0
        for v in range(variants):
            lower[v] = 0.0
            upper[v] = 0.0
        for place in range(len(gain)):
            gain[place] = 0.0
        for t in range(len(roots)):
            top = -1
            for v in range(variants):
                here_low[v] = np.inf
                here_high[v] = -np.inf
            apart = 0.0
            size = 1
            waiting[0] = roots[t]
            marks[0] = every if parted[roots[t]] else 1
            under = -1          # size of the stack beneath the split of variants that is gone through
            group_low = np.inf
            group_high = -np.inf
            while size > 0:
                if under >= 0 and size <= under:
                    apart = max(apart, group_high - group_low)
                    under = -1
                    group_low = np.inf
                    group_high = -np.inf
                size -= 1
                node = waiting[size]
                mark = marks[size]
                while left[node] >= 0:
                    a = axis[node]
                    if a < 0:
                        one = mark & mask[node]
                        other = mark & ~mask[node]
                        if one == 0:
                            node = right[node]
                        elif other == 0:
                            node = left[node]
                        else:
                            if under < 0:
                                under = size
                            waiting[size] = right[node]
                            marks[size] = other
                            size += 1
                            node = left[node]
                            mark = one
                        continue
                    where = cut[node]
                    goes = 0    # 1 left, 2 right, 0 both ways
                    if where < 0:
                        there = listed[-1 - where, high[slot, a] + 1] - listed[-1 - where, low[slot, a]]
                        goes = 1 if there == high[slot, a] - low[slot, a] + 1 else 2 if there == 0 else 0
                    elif high[slot, a] < where:
                        goes = 1
                    elif low[slot, a] >= where:
                        goes = 2
                    if goes == 1:
                        node = left[node]
                    elif goes == 2:
                        node = right[node]
                    else:
                        if top < 0:
                            top = node
                        waiting[size] = right[node]
                        marks[size] = mark
                        size += 1
                        node = left[node]
                leaf = value[node]
                for v in range(variants):
                    if mark >> v & 1:
                        here_low[v] = min(here_low[v], leaf)
                        here_high[v] = max(here_high[v], leaf)
                if under >= 0:
                    group_low = min(group_low, leaf)
                    group_high = max(group_high, leaf)
            if under >= 0:
                apart = max(apart, group_high - group_low)
            if parted[roots[t]] == 0:
                common_low += here_low[0]
                common_high += here_high[0]
            else:
                spread += apart
                for v in range(variants):
                    lower[v] += here_low[v]
                    upper[v] += here_high[v]
            if top >= 0:
                one, other = left[top], right[top]
                won = most[top] - least[top] - 0.5 * (most[one] - least[one] + most[other] - least[other])
                a = axis[top]
                where = cut[top]
                if where < 0:   # the first place in the box that goes another way than the one before it
                    row = -1 - where
                    where = low[slot, a] + 1
                    while listed[row, where + 1] - listed[row, where] == listed[row, where] - listed[row, where - 1]:
                        where += 1
                gain[offset[a] + where] += won + 1e-12
        ones = 0
        zeros = 0
        far = False
        for v in range(variants):
            lower[v] += common_low
            upper[v] += common_high
            if lower[v] > level + slack:
                ones += 1
            if upper[v] <= level - slack:
                zeros += 1
            if lower[v] > level + spread + slack or upper[v] <= level - spread - slack:
                far = True
        if variants in (ones, zeros) or spread == 0.0 or far:
            total[0] += volume[slot]
            free[state[2]] = slot
            state[2] += 1
            continue
        if ones > 0 and zeros > 0:
            total[1] += volume[slot]
            free[state[2]] = slot
            state[2] += 1
            continue
        best = 0.0
        which = -1
        for place in range(len(gain)):
            if gain[place] > best:
                best = gain[place]
                which = place
        if which < 0:
            total[2] += volume[slot]
            free[state[2]] = slot
            state[2] += 1
            continue
        a = 0
        while a + 1 < axes and offset[a + 1] <= which:
            a += 1
        where = which - offset[a]
        width = high[slot, a] - low[slot, a] + 1
        if state[2] > 0:
            state[2] -= 1
            new = free[state[2]]
        else:
            new = state[1]
            state[1] += 1
        for k in range(axes):
            low[new, k] = low[slot, k]
            high[new, k] = high[slot, k]
        whole = volume[slot]
        part = whole * (where - low[slot, a]) / width
        high[slot, a] = where - 1
        low[new, a] = where
        volume[slot] = part
        volume[new] = whole * (high[new, a] - where + 1) / width
        for half in range(2):   # put both on the heap
            box = slot if half == 0 else new
            at = state[0]
            state[0] += 1
            while at > 0 and volume[heap[(at - 1) // 2]] < volume[box]:
                heap[at] = heap[(at - 1) // 2]
                at = (at - 1) // 2
            heap[at] = box
    return seen
