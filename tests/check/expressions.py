"""Strategies that draw checks, nasty names included."""

from __future__ import annotations

from hypothesis import strategies as st

from assay.check.expression import BASES, Bound, Check
from assay.check.lexeme import KEYWORDS

nasty = st.one_of(
    st.text(min_size=1, max_size=12),
    st.sampled_from([*KEYWORDS, *BASES, "a`b", "``", "naïve", "ヘッダ", "a b", " ", "x\n", "0", "1e5", "a.b", "a..b", "*x", "\ud800",
                     "null", "true", "'", '"', "\\", "\\n", "{}", "(", ")", ">=", "a >= 1", "%", "\x00", "\u2028", "e\u0301"]),
    st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
)
names = nasty.filter(lambda name: name != "*")
numbers = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.0, 0.7, 1.0, 0.007, 1e15, 1e16, -0.01, 5e-324]))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), numbers, nasty)
quoted = names.map(lambda name: f"`{name.replace('`', '``')}`")
words = st.sampled_from(["carrier", "origin", "age:4", "horizon", "where", "by", "between", "warn", "and", "not", "in", "3.5", "-", "==",
                         "<", ">=", "'N'", '"a \\" >= b"', "*", "+", "champion", "é"])
groups = st.recursive(st.one_of(words, quoted), lambda inner: st.lists(inner, min_size=1, max_size=3).map(
    lambda parts: f"({', '.join(parts)})"), max_leaves=8)
clauses = st.lists(groups, min_size=1, max_size=5).map(" ".join).filter(
    lambda text: text not in ("'N'", '"a \\" >= b"') and not _comma_in_all(text))


def _comma_in_all(text: str) -> bool:
    """Whether the clause is one list in parentheses, or one string in them: neither is a way to slice."""
    try:
        Check("m", by=text, at_least=Bound(0))
    except ValueError:
        return True
    return False


@st.composite
def checks(draw: st.DrawFn) -> Check:
    base = draw(st.none() | st.sampled_from(BASES))
    factor = 1.0 if base is None else draw(st.sampled_from([1.0, 1.05, 0.5, 1e-9, 3.0]))
    low, high = sorted((draw(numbers), draw(numbers)))
    kind = draw(st.sampled_from(["at_least", "at_most", "between"]))
    strict = draw(st.booleans())
    by = draw(st.none() | clauses)
    return Check(
        draw(names),
        options=draw(st.dictionaries(names, scalars, max_size=3)),
        columns=draw(st.just(("*",)) | st.lists(names, max_size=3, unique=True).map(tuple)),
        by=by,
        compare=draw(st.none() | st.sampled_from(["ratio", "difference"])) if by else None,
        at_least=None if kind == "at_most" else Bound(low, base, factor),
        at_most=None if kind == "at_least" else Bound(high, base, factor),
        warn=(high if kind == "at_least" else low) if strict and kind != "between" else None,
        name=draw(st.none() | nasty.filter(lambda name: name.strip() != "")),
        where=draw(st.none() | clauses),
    )
