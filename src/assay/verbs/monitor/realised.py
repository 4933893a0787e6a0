"""What was estimated of windows beside what their labels showed, for people: sentences, values and figures of a run.

``told(estimation, guesses)`` returns sentences and values, ``figures(guesses)`` a line with its band and the realised values as points.
``account`` uses them.
"""

from __future__ import annotations

from collections.abc import Iterable

from assay.metric import find
from assay.monitor.guess import Guesses, Past, scored
from assay.result import Figure, Value
from assay.verbs.explain.explanation import number
from assay.verbs.ground import percent
from assay.verbs.monitor.estimated import Estimation

__all__ = ["figures", "told"]


def told(estimation: Estimation | None, guesses: Guesses) -> tuple[list[str], list[Value]]:
    """Return what is to be said of the last window that was estimated, how estimates did so far, and the values of that window."""
    if estimation is None:
        return [], []
    said = list(estimation.notes)
    if not guesses.past:
        return said + _waiting(estimation), []
    last = guesses.past[-1]
    said += [_now(estimation, last), *(line for line in estimation.why(last.number)), estimation.settling(last)]
    if guesses.offs:
        said.append("labels that came lately disagree with what was estimated of them: what they follow has changed, which estimates "
                    "cannot know")
    said += [line for name in _metrics(guesses)[:1] for line in _done(guesses, name)]   # figures say it of the others
    return [line for line in said if line], list(_values(last, _metrics(guesses)))


def _waiting(estimation: Estimation) -> list[str]:
    if estimation.over or estimation.reach is None or estimation.settings.estimate.on:
        return []
    return ["performance without labels is estimated of windows after those that the reference and the training data cover"]


def _metrics(guesses: Guesses) -> list[str]:
    return list(dict.fromkeys(name for each in guesses.past for name in each.guesses))


def _now(estimation: Estimation, last: Past) -> str:
    when = last.start[:16].replace("T", " ").removesuffix(" 00:00")
    if last.refusal is not None:
        return f"how good the model is in the window of {when} cannot be said without labels: {last.refusal}"
    parts = []
    for name, each in last.guesses.items():
        before = estimation.values.get(name)
        gap = 0.0 if before is None else each.value - before
        clear = before is not None and not each.low <= before <= each.high
        usual = "" if before is None else f" ({number(before)} on the reference)"
        if before is not None and clear:
            usual = f", {number(abs(gap))} {'above' if gap > 0 else 'below'} the {number(before)} of the reference"
        parts.append(f"{name} {number(each.value)} [{number(each.low)}, {number(each.high)}]{usual}")
    if not parts:
        return f"nothing can be estimated of the window of {when}: its metrics are not defined"
    return f"estimated without labels, if what labels follow has not changed, in the window of {when}: {'; '.join(parts)}"


def _done(guesses: Guesses, name: str) -> Iterable[str]:
    found = scored(guesses.past, name)
    if found is None:
        return
    failed = f"; it missed most in the windows of {', '.join(each.start[:10] for each in found.worst)}" if found.worst else ""
    refused = sum(each.refusal is not None for each in guesses.past)
    rest = f"; nothing was said of {refused:,} window{'s' if refused != 1 else ''}" if refused else ""
    yield (f"estimated against realised {name}: off by {number(found.error)} on average in {found.windows:,} windows whose labels came, "
           f"where chance in the labels alone brings {number(found.floor)}; {percent(found.inside)} of them inside the 95 % intervals "
           f"({percent(found.plain)} before these were recalibrated){failed}{rest}")


def _values(last: Past, metrics: Iterable[str]) -> Iterable[Value]:
    for name in metrics:
        each, better = last.guesses.get(name), find(name).better
        if last.refusal is not None or each is None:
            yield Value.undefined(name, f"not estimated: {last.refusal or 'not defined'}", n=last.rows, better=better,
                                  options={"of": "estimate"})
        else:
            yield Value(name, each.value, each.low, each.high, last.rows, better=better, method="doubly robust", options={"of": "estimate"})


def figures(guesses: Guesses) -> Iterable[Figure]:
    """Return a figure of each metric: estimates with their band, and what labels showed as points; gaps where nothing could be said."""
    for name in _metrics(guesses):
        windows = [(each, each.guesses.get(name)) for each in guesses.past]
        if len(windows) < 2:
            continue
        spoken = [None if each.refusal is not None else guess for each, guess in windows]
        table = {"window": tuple(each.number + 1 for each, _ in windows),
                 "estimated": tuple(guess.value if guess else None for guess in spoken),
                 "realised": tuple(guess.realised if guess else None for _, guess in windows),
                 "low": tuple(guess.low if guess else None for guess in spoken),
                 "high": tuple(guess.high if guess else None for guess in spoken),
                 "rows": tuple(each.rows for each, _ in windows)}
        done = scored(guesses.past, name)
        sentence = "no labels have come yet" if done is None else (
            f"{percent(done.inside)} of {done.windows:,} windows inside the band, off by {number(done.error)} on average, "
            f"of which chance in the labels alone brings {number(done.floor)}")
        yield Figure(f"estimated {name}", "line", f"Estimated against realised {name} by window", table, x="window",
                     y=("estimated", "realised"), low=("low",), high=("high",), points=("realised",), aspect="performance",
                     sentence=sentence)
