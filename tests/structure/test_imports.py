from __future__ import annotations

import textwrap

import pytest

from tests.structure.imports import Import, imported

KNOWN = ("pkg", "pkg.a", "pkg.a.b", "pkg.c")


def found(text: str, module: str = "pkg.a.b", is_package: bool = False) -> list[tuple[str, str]]:
    return [(each.target, each.moment) for each in imported(module, textwrap.dedent(text), KNOWN, is_package)]


@pytest.mark.parametrize(("text", "expected"), [
    ("import numpy as np, pkg.c", [("numpy", "import"), ("pkg.c", "import")]),
    ("from pkg import c, __version__", [("pkg.c", "import"), ("pkg", "import")]),
    ("from pkg.c import one, two", [("pkg.c", "import")]),
    ("from . import b", [("pkg.a.b", "import")]),
    ("from .. import c", [("pkg.c", "import")]),
    ("from ..c import one", [("pkg.c", "import")]),
    ("try:\n    import x\nexcept ImportError:\n    import y", [("x", "import"), ("y", "import")]),
    ("def f():\n    from pkg import c", [("pkg.c", "call")]),
    ("class A:\n    import x\n    def f(self):\n        import y", [("x", "import"), ("y", "call")]),
    ("if TYPE_CHECKING:\n    import x\n    def f():\n        import y\nelse:\n    import z",
     [("x", "typing"), ("y", "typing"), ("z", "import")]),
    ("import typing\nif typing.TYPE_CHECKING:\n    import x", [("typing", "import"), ("x", "typing")]),
    ("importlib.import_module('pkg.c')", [("pkg.c", "import")]),
    ("f = lambda: __import__('x')", [("x", "call")]),
    ("importlib.import_module(name)", []),
])
def test_every_form_of_import_is_seen(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_relative_imports_of_a_package_start_in_itself() -> None:
    assert found("from . import b", "pkg.a", is_package=True) == [("pkg.a.b", "import")]
    assert found("from .. import c", "pkg.a", is_package=True) == [("pkg.c", "import")]


def test_an_import_says_where_it_stands() -> None:
    assert [str(each) for each in imported("pkg.a", "\nimport x\n")] == ["pkg.a:2 imports x"]
    assert Import("a", "b", 1, "import") != Import("a", "b", 1, "call")
