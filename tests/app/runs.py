"""Fixed runs to look at: every outcome, many slices, names from the whole world and from people who mean harm."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from assay.app.layout import Terminal, drawn
from assay.app.terminal import lines
from assay.check.expression import parse
from assay.check.verdict import broken, judge
from assay.errors import PredictionError
from assay.result import Cost, Run, Spread, Value

CARRIERS = {
    "UA": (0.731, 4612), "B6": (0.742, 4413), "EV": (0.718, 4302), "DL": (0.752, 4021),
    "AA": (0.733, 2711), "MQ": (0.701, 2203), "US": (0.722, 1711),
    "9E": (0.688, 1402), "WN": (0.741, 1003), "VX": (0.783, 431), "FL": (0.641, 272),
    "AS": (0.522, 160), "F9": (0.431, 158), "YV": (0.702, 31),
    "HA": (0.911, 21), "OO": (0.5, 3)}
COLUMNS = ("dest", "carrier", "temp", "humid", "wind_speed", "visib", "hour", "precip", "pressure", "distance", "origin",
           "dewp", "minute", "weekday")
HOSTILE = ("[red]owned[/red]", "\x1b[31mred\x1b]0;title\x07", "two\nlines", "\u202egnirts", "bell\x07", "", None, "[link=file:///etc]x[/link]",
           "名古屋空港", "São Paulo", "x" * 200)


def auc(number: float, n: int, **key: object) -> Value:
    spread = Spread("normal", number, n=n, error=1.3 / math.sqrt(n), scale="logit", low_limit=0.0, high_limit=1.0)
    return Value.of("auc", spread, n=n, slice=key, better="higher")


def full() -> Run:
    """Return a run with every outcome, twelve checks, slices and columns."""
    whole = auc(0.7284, 28104)
    by_carrier = [auc(number, n, carrier=name) for name, (number, n) in CARRIERS.items()]
    recall = [Value.of("recall", Spread("binomial", share, n=n), n=n * 4, slice={"origin": name}, better="higher")
              for name, share, n in (("EWR", 0.312, 2503), ("JFK", 0.274, 2011), ("LGA", 0.301, 1870))]
    ratio = Value.of("selection_rate ratio", Spread("normal", 0.81, n=28104, error=0.05, scale="log", low_limit=0.0, high_limit=1.0),
                     n=28104, better="nearer 1", note="origin=LGA against origin=EWR")
    brier = Value.of("brier", Spread("normal", 0.1612, n=28104, error=0.0012), n=28104, better="lower")
    drop = Value.of("auc", Spread("normal", -0.0113, n=28104, error=0.0061), n=28104, better="higher", against="reference")
    psi = [Value.of("psi", Spread("normal", 0.31 / (place + 1) ** 2, n=28104, error=0.002, low_limit=0.0), n=28104, better="lower",
                    column=name, against="reference") for place, name in enumerate(COLUMNS)]
    missing = [Value.of("missing", Spread("exact", 0.0312 if name == "temp" else 0.0), n=28104, better="lower", column=name,
                        unit="share") for name in COLUMNS]
    asked = [("auc >= 0.7 warn 0.75", [whole]), ("auc by carrier >= 0.6", by_carrier),
             ('"delays are found": recall by origin >= 0.28', recall), ("selection_rate ratio by origin >= 0.8", [ratio]),
             ("brier <= 0.2", [brier]), ("auc >= reference - 0.03", [drop]), ("psi of * <= 0.2", psi),
             ("missing of * <= 0.05", missing)]
    verdicts = [each for text, values in asked for each in judge(parse(text), values)]
    verdicts.append(broken(parse("log_loss <= champion"), PredictionError("the champion answered NaN in row 17", hint="look at that row")))
    values = {repr(each.to_json()): each for _, some in asked for each in some}
    return Run("check", tuple(values.values()), tuple(verdicts), cost=Cost(3.218, 55321, 55321), id="0f" * 16, assay="0.1.0", notes=(
        "312 of 28,104 rows have no label and were left out of what needs one",
        "the model carries no column names: its inputs are taken to be the feature columns of train.parquet, in that order"))


def hostile() -> Run:
    """Return a run whose slice names come from somebody who knows how terminals work."""
    values = [auc(0.3 + 0.05 * place, 400, carrier=name) for place, name in enumerate(HOSTILE)]
    return Run("check", (auc(0.6, 4400), *values), tuple(judge(parse("auc by carrier >= 0.6"), values)), cost=Cost(0.2, 4400, 4400),
               id="ab" * 16, assay="0.1.0", notes=("a note with \x1b[2J and [bold]markup[/bold]",))


def passing() -> Run:
    values = [auc(0.8, 4000)]
    return Run("check", tuple(values), tuple(judge(parse("auc >= 0.7"), values)), cost=Cost(0.5, 4000, 4000), id="cd" * 16, assay="0.1.0")


def unchecked() -> Run:
    values = [auc(0.8, 4000), Value.undefined("recall", "there are no positives", n=4000, better="higher"),
              Value.of("mae", Spread("normal", 12.31, n=4000, error=0.21), n=4000, better="lower", unit="minutes")]
    return Run("check", tuple(values), cost=Cost(0.5, 4000, 4000), id="cd" * 16, assay="0.1.0",
               notes=("no check was named, so nothing could fail: the values are shown as they are",))


GOLDEN = Path(__file__).parent / "golden"
PAGES = [("full", 60, "plain"), ("full", 80, "plain"), ("full", 120, "plain"), ("full", 80, "colour"), ("hostile", 80, "plain"),
         ("hostile", 60, "colour"), ("passing", 80, "plain"), ("unchecked", 80, "plain")]


def main() -> None:
    """Write what the tests compare with: the runs, and the pages that they make."""
    GOLDEN.mkdir(exist_ok=True)
    os.environ["TERM"] = "xterm"
    for name, width, form in PAGES:
        (GOLDEN / f"{name}.json").write_text(json.dumps(globals()[name]().to_json(), ensure_ascii=True), "utf-8")
        run = Run.from_json((GOLDEN / f"{name}.json").read_text("utf-8"))
        screen = Terminal(width, form == "plain")
        with (GOLDEN / f"{name}-{width}-{form}.txt").open("w", encoding="utf-8") as file:
            drawn(lines(run, screen), screen, file)


if __name__ == "__main__":
    main()
