"""One execution of a verb: everything it found, in the one shape that JSON, pages and scripts read.

``Run`` holds it, ``Cost`` what it took; ``RENDERERS`` are the formats it is saved in.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assay.errors import ConfigError, DataError
from assay.registry import Registry
from assay.result.attribution import Attribution
from assay.result.figure import Figure
from assay.result.file import write_whole
from assay.result.finding import Finding
from assay.result.incident import Incident
from assay.result.plain import plain, restored, whole
from assay.result.table import frame, grouped, overall, row
from assay.result.term import OUTCOMES, Outcome, Scalar, worst
from assay.result.value import Value
from assay.result.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["RENDERERS", "Cost", "Run"]

_SHOWN = 20  # lines of a run that stand for it where it is printed
RENDERERS: Registry[Any] = Registry("renderer", {
    "xml": "assay.report.junit:render", "md": "assay.report.markdown:render", "yaml": "assay.report.yaml:render",
    "card": "assay.report.card:render", "html": "assay.report.html:render", "htm": "assay.report.html:render"})


@dataclass(frozen=True)
class Cost:
    """What a run took: wall seconds, rows read, rows put to a model.

    A row that is read in two passes counts twice, and so does one that is put to a model, or altered and put to it, again.
    """

    seconds: float = 0.0
    rows: int = 0
    model_rows: int = 0

    def to_json(self) -> dict[str, Any]:
        return whole(self)


@dataclass(frozen=True, repr=False)
class Run:
    """One execution of a verb: everything it found, in the one shape that ``--json``, pages and scripts read.

    ``about`` says what was judged, in the order to show it: ``{"model": "delay.onnx", "task": "binary", "rows": 28_128}``. ``sentences``
    say in words what was found, the first things to read; ``attributions`` are what an explanation rests on.

    >>> run = Run("check", verdicts=(Verdict("auc >= 0.7", "pass", "auc is 0.80"),))
    >>> run.passed, run.exit_code, Run.from_json(run.to_json()) == run
    (True, 0, True)
    """

    verb: str
    values: tuple[Value, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    findings: tuple[Finding, ...] = ()
    incidents: tuple[Incident, ...] = ()
    cost: Cost = Cost()
    notes: tuple[str, ...] = ()
    strict: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    assay: str = ""
    figures: tuple[Figure, ...] = ()
    about: Mapping[str, Scalar] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    attributions: tuple[Attribution, ...] = ()

    def __post_init__(self) -> None:
        if not self.assay:
            from assay import __version__

            object.__setattr__(self, "assay", __version__)

    def __repr__(self) -> str:
        """Return the verdict in words, and the worst of what was judged; ``to_json`` has everything."""
        ordered = sorted(self.verdicts, key=lambda each: OUTCOMES.index(each.verdict))
        head = self.sentences if self.sentences and not ordered else (self.verdict, *self.sentences)
        lines = [f"{self.verb}: {head[0]}", *(f"  {each}" for each in head[1:]),
                 *(f"  {each.verdict:12}  {each.sentence}" for each in ordered[:_SHOWN])]
        if len(ordered) > _SHOWN:
            lines.append(f"  and {len(ordered) - _SHOWN} more verdicts: .verdicts has all")
        if not ordered:
            lines += [f"  {each}" for each in self.values[:_SHOWN]]
            if len(self.values) > _SHOWN:
                lines.append(f"  and {len(self.values) - _SHOWN} more values: .values has all")
        return "\n".join([*lines, *(f"  note: {each}" for each in self.notes)])

    def _repr_html_(self) -> str:
        """Return the page of the run in a frame, for notebooks."""
        text: str = RENDERERS["html"](self, height=680)
        return text

    @property
    def verdict(self) -> Outcome:
        """The verdict of the whole run."""
        outcomes: list[Outcome] = [*(each.verdict for each in self.verdicts), *(each.outcome for each in self.findings)]
        if any(each.page for each in self.incidents):
            outcomes.append("fail")
        return worst(outcomes, strict=self.strict)

    @property
    def passed(self) -> bool:
        """Whether the verdict is pass or warn."""
        return self.verdict in ("pass", "warn")

    @property
    def exit_code(self) -> int:
        """0 pass or warn, 1 fail or error, 3 inconclusive (2 is kept for usage and bad input)."""
        return {"pass": 0, "warn": 0, "fail": 1, "error": 1, "inconclusive": 3}[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """Return the run as plain JSON types (no NaN: undefined numbers are null)."""
        return {
            "assay": self.assay, "verb": self.verb, "run": self.id, "verdict": self.verdict, "strict": self.strict,
            "values": [each.to_json() for each in self.values],
            "verdicts": [each.to_json() for each in self.verdicts],
            "findings": [each.to_json() for each in self.findings],
            "incidents": [each.to_json() for each in self.incidents],
            "figures": [each.to_json() for each in self.figures],
            "notes": list(self.notes), "about": plain(self.about), "cost": self.cost.to_json(),
            **({"sentences": list(self.sentences)} if self.sentences else {}),
            **({"attributions": [each.to_json() for each in self.attributions]} if self.attributions else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str) -> Run:
        """Return the run that :meth:`to_json` wrote, given as a mapping or as text."""
        try:
            found: Mapping[str, Any] = json.loads(data) if isinstance(data, str) else data
            return cls(
                found["verb"], tuple(map(Value.from_json, found.get("values", ()))),
                tuple(map(Verdict.from_json, found.get("verdicts", ()))), tuple(map(Finding.from_json, found.get("findings", ()))),
                tuple(map(Incident.from_json, found.get("incidents", ()))), Cost(**restored(Cost, found.get("cost", {}))),
                tuple(found.get("notes", ())), bool(found.get("strict", False)), found["run"], found.get("assay", ""),
                tuple(map(Figure.from_json, found.get("figures", ()))), dict(found.get("about", {})),
                tuple(found.get("sentences", ())), tuple(map(Attribution.from_json, found.get("attributions", ()))),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"this is not a run written by assay ({type(error).__name__}: {error})",
                            expected="the JSON that --json writes") from error

    def to_arrow(self, part: Literal["values", "verdicts"] = "values") -> pa.Table:
        """Return the values or the verdicts as an Arrow table, one row each; slices become one text column."""
        import pyarrow as pa

        rows = [row(each) for each in getattr(self, part)]
        names = list(dict.fromkeys(key for row in rows for key in row))
        return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})

    def to_pandas(self, part: Literal["values", "verdicts"] = "values") -> pd.DataFrame:
        """Return the values or the verdicts as a pandas frame (needs pandas)."""
        return frame(self.to_arrow(part))

    def by_group(self, by: str | Sequence[str] | None = None, metrics: str | Sequence[str] | None = None, *,
                 intervals: bool = False) -> pd.DataFrame:
        """Return the values of slices as a pandas frame: one row a slice, one column a metric (needs pandas).

        ``by`` names what the rows were cut by (``"carrier"``, ``"carrier * age"`` or ``["carrier", "age"]`` where it was crossed); it may
        be left out where the run knows one only. ``metrics`` are all that were measured so, or the ones that are named, as they
        stand in :attr:`Value.name` (``psi of x`` for a column). With ``intervals`` the columns are (metric, ``value``, ``low``,
        ``high`` or ``n``). What is not defined, not measured, or of a slice of fewer than 5 rows is NaN. Disparities and
        differences to another model are left out. Errors: ``ConfigError``, ``UnknownNameError``.

        >>> from assay import Spread
        >>> values = [Value.of("recall", Spread("binomial", share, n=200), n=500, slice={"sex": name})
        ...           for name, share in (("f", 0.9), ("m", 0.8))]
        >>> Run("check", tuple(values)).by_group()
             recall
        sex
        f       0.9
        m       0.8
        """
        return grouped(self.values, by, metrics, intervals=intervals)

    def overall(self, metrics: str | Sequence[str] | None = None) -> pd.Series[float]:
        """Return the values of all rows as a pandas series, one entry a metric (needs pandas).

        ``metrics`` as in :meth:`by_group`; what is not defined is NaN.

        >>> from assay import Spread
        >>> Run("check", (Value.of("auc", Spread("normal", 0.75), n=500),)).overall()["auc"]
        np.float64(0.75)
        """
        return overall(self.values, metrics)

    def to_yaml(self) -> str:
        """Return the checks of the run as YAML for ``assay.yaml``, those that the default suite chose among them."""
        text: str = RENDERERS["yaml"](self)
        return text

    def save(self, path: str | Path, format: str | None = None) -> Path:
        """Write the run to ``path`` in a format, that of its suffix if none is named, all or nothing.

        ``json`` is always there; other formats are whatever is registered as a renderer: ``html``, ``md``, ``xml`` (JUnit), ``yaml``
        (the checks), ``card`` (a model card in Markdown).
        """
        path = Path(path)
        suffix = format or path.suffix.lstrip(".").lower()
        if suffix == "json":
            text = json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
        elif suffix in RENDERERS:
            text = RENDERERS[suffix](self)
        else:
            raise ConfigError(f"no report format goes with '{path.name}'", expected=f"a name ending in .json, .{', .'.join(RENDERERS)}")
        write_whole(path, text)
        return path
