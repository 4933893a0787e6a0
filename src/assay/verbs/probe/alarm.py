"""What the searches for backdoors tell alike, of images and of rows: how many inputs are suspected, and whether false alarms explain it.

``judged`` makes the verdict, ``untested`` counts what it cannot speak of, ``measured`` and ``forced`` make the values, ``told`` the
sentence; ``probable``, ``plain`` and ``named`` write what stands in them. ``backdoor`` and ``tampered`` use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.data.source import Source
from assay.probe.backdoor.share import Counted
from assay.probe.backdoor.stream import Stream
from assay.result import Spread, Value, Verdict

__all__ = ["ALARM", "UNCLEAR", "forced", "judged", "measured", "named", "plain", "probable", "told", "untested"]

ALARM, UNCLEAR = 0.01, 0.1    # bounds of the probability that false alarms alone are as many
TESTS = 4        # clean ones of other classes below which no cut can be told from a harmless one
BLIND = 0.05     # share of inputs that may go untested where the verdict passes


def untested(found: Sequence[Any], detector: Any) -> int:
    """Return how many inputs have a class of which no cut could be tested: there are too few clean ones of any other."""
    return sum(detector.tests(each.label) < TESTS for each in found)


def judged(stream: Stream, sentence: str, blind: int = 0) -> Verdict:
    """Return whether more inputs are suspected than false alarms explain; ``blind`` are those that could not be tested."""
    outcome: Any = "fail" if stream.p <= ALARM else "inconclusive" if stream.p <= UNCLEAR or not stream.inputs else "pass"
    if blind:
        sentence += f"; {blind:,} of {stream.inputs:,} inputs could not be tested: hardly a clean one of another class was given"
        outcome = "inconclusive" if outcome == "pass" and blind > BLIND * stream.inputs else outcome
    return Verdict("inputs are suspected no more often than clean ones", outcome, sentence, p=stream.p, aspect="backdoor",
                   hint="keep the suspects away from the model, and train it again without the rows that show the trigger"
                   if outcome == "fail" else None)


def measured(stream: Stream | None, rate: tuple[int, int], asked: float | None, what: str) -> list[Value]:
    """Return the rate of false alarms, and of the inputs the share of suspects and the mean number of ``what`` (images) asked."""
    hits, n = rate
    out = [Value.of("false alarm rate", Spread("binomial", hits / n, n=n), n=n, better="lower",
                    note=f"clean {what}, each judged by the others")]
    if stream is not None and stream.inputs and asked is not None:
        out += [Value.of("suspect share", Spread("binomial", stream.suspects / stream.inputs, n=stream.inputs), n=stream.inputs,
                         better="lower"),
                Value.of(f"{what} asked for each input", Spread("exact", asked), n=stream.inputs)]
    return out


def forced(found: Counted, label: Any) -> Value:
    """Return the share of clean ones that the strongest trigger moves to the class ``label``, with its exact interval."""
    return Value("forced share", found.share if found.tried else None, found.low, found.high, found.tried, better="lower",
                 method="exact binomial", options={"class": label})


def told(stream: Stream, rate: tuple[int, int], label: str, what: str) -> str:
    """Return how many inputs are suspected, most of them answered ``label``, beside the false alarms of clean ``what``."""
    hits, clean = rate
    low, high = Spread("binomial", hits / clean, n=clean).interval()
    alarms = f"false alarms: {100 * hits / clean:.2g} % [{100 * (low or 0):.2g}, {100 * (high or 0):.2g}] of clean {what}"
    if not stream.inputs:
        return f"no input was looked at ({alarms})"
    if not stream.suspects:
        return f"none of {stream.inputs:,} inputs is suspected ({alarms})"
    of = f", {stream.most:,} of them answered {label}" if stream.label is not None and stream.suspects > 1 else ""
    verb = "is" if stream.suspects == 1 else "are"
    chance = f"; clean inputs alone would make so many with a probability of {probable(stream.p)} at most"
    return f"{stream.suspects:,} of {stream.inputs:,} inputs {verb} suspected{of} ({alarms}{chance})"


def named(data: Source | None, name: Any) -> str:
    """Return what a reader finds an input by: its id, or its row."""
    key = data.schema.id if data is not None else None
    return f"{key} {name}" if key is not None else f"row {name}"


def plain(value: Any) -> Any:
    """Return an id as JSON has it."""
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def probable(value: float) -> str:
    """Return a probability as a reader has it.

    >>> probable(0.0123), probable(1e-20)
    ('0.012', 'less than 1e-12')
    """
    return f"{value:.2g}" if value >= 1e-12 else "less than 1e-12"
