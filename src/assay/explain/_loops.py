"""The loops that numba compiles: plain functions of arrays, each complete in itself, as a compiled function sees no other.

``build``, ``apply`` and ``single`` are described in ``design/explain.md``; only ``explain/kernel.py`` uses them.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

__all__ = ["apply", "build", "single"]


def build(first, last, zero, bits, tests, tests_at, leaf_at, count, players, mask, asked, share, leaf, at, behind, shares,
           nodes, rule_t, rule_w, power, plus_by, minus_by, room, base):
    """Fill the tables of groups ``first`` to ``last``: for each pattern, what each player of the group gets from its leaves."""
    pattern = np.empty(1024, np.uint16)
    rows = behind.shape[1]
    for g in range(first, last):
        size = 1 << bits[g]
        start, stop = at[g - zero], at[g - zero + 1]
        room[start:stop] = 0.0
        counts = np.zeros(size)
        if not shares:
            for low in range(0, rows, 1024):
                n = min(1024, rows - low)
                pattern[:n] = size - 1
                for each in range(tests_at[g], tests_at[g + 1]):
                    column, begin, more = tests[each, 0], np.uint16(tests[each, 1]), np.uint16(tests[each, 2])
                    clear = np.uint16(65535 ^ (1 << tests[each, 3]))
                    codes = behind[column, low:low + n]
                    for r in range(n):
                        pattern[r] &= clear if np.uint16(codes[r] - begin) > more else np.uint16(65535)
                for r in range(n):
                    counts[pattern[r]] += 1.0
        total = 0.0
        mine = np.empty(size, np.int64)
        for each_leaf in range(leaf_at[g], leaf_at[g + 1]):
            v = leaf[each_leaf]
            if v == 0.0:
                continue
            d = count[each_leaf]
            wide = 1 << d
            full = wide - 1
            mine[:] = 0
            for s in range(d):
                m, a, b = mask[each_leaf, s], asked[each_leaf, s], np.int64(1) << s
                for x in range(size):
                    mine[x] |= b if (x & m) == a else np.int64(0)
            k = nodes[d]
            plus, minus = np.zeros(wide), np.zeros(wide)
            empty = 0   # players that no training row shares: counted as sharing all, and set right below
            if shares:
                for s in range(d):
                    if share[each_leaf, s] == 0.0:
                        empty |= 1 << s
                mean = 1.0
                for s in range(d):
                    mean *= share[each_leaf, s]
                total += v * mean
                for q in range(k):
                    t = rule_t[d, q]
                    u = 1.0 - t
                    y = np.empty(wide)
                    y[0] = 1.0
                    for s in range(d):
                        r = share[each_leaf, s]
                        no = u if r == 0.0 else u * r
                        yes = t + u * r
                        h = 1 << s
                        for x in range(h):
                            y[h + x] = y[x] * yes
                            y[x] *= no
                    c = rule_w[d, q] / u
                    for x in range(wide):
                        minus[x] += c * y[x]
            else:
                own = np.zeros(wide)
                for x in range(size):
                    own[mine[x]] += counts[x]
                total += v * own[full] / rows
                some = np.empty(wide * k)
                size_of = np.empty(wide, np.int64)
                size_of[0] = 0
                for x in range(1, wide):
                    size_of[x] = size_of[x >> 1] + (x & 1)
                rise, gains, losses = power[d], plus_by[d], minus_by[d]
                for x in range(wide):
                    h, p = own[full ^ x], size_of[x]
                    for q in range(k):
                        some[x * k + q] = h * rise[p, q]
                h = k
                while h < wide * k:
                    for low in range(0, wide * k, 2 * h):
                        for i in range(low, low + h):
                            some[h + i] += some[i]
                    h *= 2
                for x in range(wide):
                    p = size_of[x]
                    a, b = 0.0, 0.0
                    for q in range(k):
                        y = some[x * k + q]
                        a += gains[p, q] * y
                        b += losses[p, q] * y
                    plus[x] = a
                    minus[x] = b
            scale = v if shares else v / rows
            table = np.empty(wide)
            for s in range(d):
                h = 1 << s
                r = share[each_leaf, s]
                factor = 1.0 if r == 0.0 else (1.0 - r) / r
                for x in range(wide):
                    if shares:
                        if empty & ~x & ~h:
                            table[x] = 0.0
                        elif x & h:
                            table[x] = scale * minus[x ^ h] * factor
                        else:
                            table[x] = 0.0 if r == 0.0 else -scale * minus[x]
                    elif x & h:
                        table[x] = scale * (plus[x] - plus[x ^ h] - minus[x ^ h])
                    else:
                        table[x] = -scale * minus[x]
                place = start + players[each_leaf, s] * size
                for x in range(size):
                    room[place + x] += table[mine[x]]
        base[g] = total


def apply(low, high, first, last, bits, tests, tests_at, member, member_at, at, room, rows, out):
    """Look up the pattern of each row from ``low`` to ``high`` in the tables of groups ``first`` to ``last``."""
    pattern = np.empty(1024, np.uint16)
    for begin_row in range(low, high, 1024):
        n = min(1024, high - begin_row)
        for g in range(first, last):
            size = 1 << bits[g]
            pattern[:n] = size - 1
            for each in range(tests_at[g], tests_at[g + 1]):
                column, begin, more = tests[each, 0], np.uint16(tests[each, 1]), np.uint16(tests[each, 2])
                clear = np.uint16(65535 ^ (1 << tests[each, 3]))
                codes = rows[column, begin_row:begin_row + n]
                for r in range(n):
                    pattern[r] &= clear if np.uint16(codes[r] - begin) > more else np.uint16(65535)
            start = at[g - first]
            for s in range(member_at[g], member_at[g + 1]):
                place = start + (s - member_at[g]) * size
                table = room[place:place + size]
                line = out[member[s], begin_row:begin_row + n]
                for r in range(n):
                    line[r] += table[pattern[r]]


def single(lane, lanes, tests, tests_at, count, players, share, leaf, rows, behind, shares, gain, nodes, rule_t, rule_w, power, plus_by,
           minus_by, deep, out, base):
    """Add leaves ``lane``, ``lane + lanes`` ... one by one: a value for each pattern that occurs, then a look-up a row."""
    most = max(rows.shape[1], behind.shape[1])
    pattern, which = np.empty(most, np.uint64), np.empty(rows.shape[1], np.int64)
    slots = 16
    while slots < 2 * most:
        slots *= 2
    table = np.full(slots, -1, np.int64)
    seen, there, weight = np.empty(rows.shape[1], np.uint64), np.empty(behind.shape[1], np.uint64), np.zeros(behind.shape[1])
    one = np.uint64(1)
    for each_leaf in range(lane, len(leaf), lanes):
        v = leaf[each_leaf]
        if v == 0.0:
            continue
        d = count[each_leaf]
        full = np.uint64(0)
        for s in range(d):
            full |= one << np.uint64(s)
        n_seen, n_there = 0, 0
        for part in range(2):
            codes = rows if part == 0 else behind
            n = codes.shape[1]
            if n == 0:
                continue
            pattern[:n] = full
            for each in range(tests_at[each_leaf], tests_at[each_leaf + 1]):
                column, begin, more = tests[each, 0], np.uint16(tests[each, 1]), np.uint16(tests[each, 2])
                clear = ~(one << np.uint64(tests[each, 3]))
                line = codes[column]
                for r in range(n):
                    pattern[r] &= clear if np.uint16(line[r] - begin) > more else ~np.uint64(0)
            used = 0
            for r in range(n):   # distinct patterns, in the order in which they come
                x = pattern[r]
                place = np.int64((x * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)) & (slots - 1)
                while True:
                    at = table[place]
                    if at < 0:
                        table[place] = used
                        if part == 0:
                            seen[used] = x
                        else:
                            there[used] = x
                            weight[used] = 0.0
                        at = used
                        used += 1
                        break
                    if (seen[at] if part == 0 else there[at]) == x:
                        break
                    place = (place + 1) & (slots - 1)
                if part == 0:
                    which[r] = at
                else:
                    weight[at] += 1.0
            for each in range(used):   # empty the table again
                x = seen[each] if part == 0 else there[each]
                place = np.int64((x * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)) & (slots - 1)
                while table[place] >= 0:
                    table[place] = -1
                    place = (place + 1) & (slots - 1)
            if part == 0:
                n_seen = used
            else:
                n_there = used
        got = np.zeros((n_seen, d))
        k = nodes[d]
        if shares:
            mean = 1.0
            for s in range(d):
                mean *= share[each_leaf, s]
            base[lane] += v * mean
            factor = np.empty(d)
            for each in range(n_seen):
                x = seen[each]
                for q in range(k):
                    t, w = rule_t[d, q], rule_w[d, q]
                    u = 1.0 - t
                    product, zeros = 1.0, 0
                    for s in range(d):
                        f = u * share[each_leaf, s] + (t if (x >> np.uint64(s)) & one else 0.0)
                        factor[s] = f
                        if f == 0.0:
                            zeros += 1
                        else:
                            product *= f
                    if zeros > 1:
                        break
                    for s in range(d):
                        if zeros == 1 and factor[s] != 0.0:
                            continue
                        rest = product if factor[s] == 0.0 else product / factor[s]
                        got[each, s] += w * ((1.0 if (x >> np.uint64(s)) & one else 0.0) - share[each_leaf, s]) * rest
        else:
            b = behind.shape[1]
            for z in range(n_there):
                if there[z] == full:
                    base[lane] += v * weight[z] / b
            if d <= deep and 3.0 * n_seen * n_there > (1 << d) * k * (0.5 * d + 4.0):
                wide = 1 << d
                some = np.zeros(wide * k)
                rise, gains, losses = power[d], plus_by[d], minus_by[d]
                for z in range(n_there):
                    x = np.int64(there[z] ^ full)
                    p = 0
                    for s in range(d):
                        p += (x >> s) & 1
                    for q in range(k):
                        some[x * k + q] = weight[z] * rise[p, q]
                h = k
                while h < wide * k:
                    for low in range(0, wide * k, 2 * h):
                        for i in range(low, low + h):
                            some[h + i] += some[i]
                    h *= 2
                for each in range(n_seen):   # only patterns that occur, and their neighbours
                    x = np.int64(seen[each])
                    p = 0
                    for s in range(d):
                        p += (x >> s) & 1
                    a, m = 0.0, 0.0
                    for q in range(k):
                        y = some[x * k + q]
                        a += gains[p, q] * y
                        m += losses[p, q] * y
                    for s in range(d):
                        if (x >> s) & 1:
                            c = 0.0
                            for q in range(k):
                                c += (gains[p - 1, q] + losses[p - 1, q]) * some[(x ^ (1 << s)) * k + q]
                            got[each, s] = (a - c) / b
                        else:
                            got[each, s] = -m / b
            else:
                for each in range(n_seen):
                    x = seen[each]
                    lacks = full & ~x
                    n = 0
                    for s in range(d):
                        n += np.int64((lacks >> np.uint64(s)) & one)
                    loss = 0.0
                    for z in range(n_there):
                        y = there[z]
                        if lacks & ~y:
                            continue
                        only = full & ~y
                        p = 0
                        rest = only
                        while rest:
                            rest &= rest - one
                            p += 1
                        c = weight[z] / b
                        loss += c * gain[n, p]
                        g = c * gain[p, n]
                        rest = only
                        s = 0
                        while rest:
                            if rest & one:
                                got[each, s] += g
                            rest >>= one
                            s += 1
                    for s in range(d):
                        if (lacks >> np.uint64(s)) & one:
                            got[each, s] = -loss
        for s in range(d):
            line = out[players[each_leaf, s]]
            for r in range(rows.shape[1]):
                line[r] += v * got[which[r], s]
