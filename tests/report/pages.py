"""Runs to make pages of: one of a real model, one as large as they come, one that is hostile."""

from __future__ import annotations

import numpy as np

from assay.result import Cost, Figure, Finding, Incident, Run, Spread, Value, Verdict

__all__ = ["drawn", "hostile", "large", "real"]


def real() -> Run:
    """Return the default suite on the breast cancer data of scikit-learn, with slices and a protected group."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import assay

    frame = load_breast_cancer(as_frame=True).frame
    frame.columns = [each.replace(" ", "_") for each in frame.columns]
    inputs = [each for each in frame.columns if each != "target"][:8]
    frame = frame[[*inputs, "target"]].assign(ward=np.where(np.arange(len(frame)) % 3, "north", "south"))
    train, test = frame.iloc[::2], frame.iloc[1::2]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[inputs], train["target"])
    return assay.check(model, test, train=train, reference=train, label="target", protected=["ward"], checks=["default", "auc by ward >= 0.9"])


def large(features: int = 1000, slices: int = 500) -> Run:
    """Return a run with values, verdicts and figures of so many features, and several metrics in so many slices."""
    rng = np.random.default_rng(0)
    values, verdicts, figures = [], [], []
    for place in range(features):
        value = Value.of("psi", Spread("normal", float(rng.gamma(1, 0.1)), error=0.01), n=10_000, column=f"feature_{place:04}", better="lower")
        values.append(value)
        outcome = "warn" if (value.value or 0) > 0.25 else "pass"
        verdicts.append(Verdict("psi of * <= 0.25", outcome, f"feature_{place:04} has a PSI of {value.value:.3f}", value=value, aspect="drift",
                                expression="psi of * <= 0.25", hint="look at its feed"))
        bins = tuple(f"{each} to {each + 1}" for each in range(10))
        shares = [tuple(map(float, rng.dirichlet(np.ones(10)))) for _ in range(2)]
        figures.append(Figure(f"drift {place}", "bars", f"feature_{place:04}", {"bin": bins, "reference": shares[0], "current": shares[1]},
                              x="bin", y=("reference", "current"), aspect="drift", column=f"feature_{place:04}", sentence="It moved."))
    for metric in ("auc", "accuracy", "recall", "precision"):
        values.append(Value.of(metric, Spread("binomial", 0.8, n=50_000), n=50_000, better="higher"))
        for place in range(slices):
            value = Value.of(metric, Spread("binomial", float(rng.beta(80, 20)), n=200), n=200, better="higher", slice={"shop": f"shop {place:03}"})
            values.append(value)
            verdicts.append(Verdict(f"{metric} by shop >= 0.7", "pass", f"{metric} is {value.value:.2f} in shop {place:03}", slice=value.slice,
                                    value=value))
    return Run("check", tuple(values), tuple(verdicts), figures=tuple(figures), about={"model": "m.onnx", "rows": 50_000},
               cost=Cost(3.0, 50_000, 50_000))


def drawn() -> Run:
    """Return a run with pictures of every kind: many bars, wide matrices, bands, long names, nothing to draw."""
    rng = np.random.default_rng(1)
    grid = tuple(float(each) / 20 for each in range(21))
    curve = np.sqrt(grid)
    classes = tuple(f"class {each} of many" for each in "abcdefghij")
    cells = {name: tuple(map(int, rng.integers(0, 300, 10) + 900 * (np.arange(10) == place))) for place, name in enumerate(classes)}
    figures = (
        Figure("roc", "line", "ROC", {"false positive rate": grid, "true positive rate": tuple(curve), "low": tuple(curve * 0.9),
                                      "high": tuple(np.minimum(1, curve * 1.1))}, x="false positive rate", y=("true positive rate",),
               low=("low",), high=("high",), diagonal=True, aspect="performance", sentence="better than chance"),
        Figure("weeks", "line", "Losses by week", {"week": tuple(range(1, 53)), **{f"model {each}": tuple(map(float, rng.normal(size=52).cumsum() * 1e6))
                                                                                   for each in "abcd"}},
               x="week", y=tuple(f"model {each}" for each in "abcd"), aspect="performance"),
        Figure("confusion", "matrix", "Ten classes", {"truth": classes, **cells}, x="truth", y=classes, aspect="performance"),
        Figure("psi", "bars", "Drift by feature", {"feature": tuple(f"a feature with a rather long name {each:03}" for each in range(300)),
                                                   "psi": tuple(map(float, rng.gamma(1, 0.1, 300)))}, x="feature", y=("psi",), aspect="drift"),
        Figure("origins", "bars", "Origins", {"origin": ("EWR", "JFK", "LGA"), "reference": (0.4, 0.35, 0.25), "current": (0.3, 0.35, 0.35),
                                              "low": (0.38, 0.33, 0.23), "high": (0.42, 0.37, 0.27), "low now": (0.28, 0.33, 0.33),
                                              "high now": (0.32, 0.37, 0.37)}, x="origin", y=("reference", "current"),
               low=("low", "low now"), high=("high", "high now"), aspect="drift"),
        Figure("none", "line", "Nothing", {"x": (), "y": ()}, x="x", y=("y",), aspect="drift"),
        Figure("forest", "interval", "Error by shop", {"shop": tuple(f"shop {each:02}" for each in range(60)), "error": tuple(rng.normal(10, 1, 60)),
                                                       "low": (8.0,) * 60, "high": (12.0,) * 60}, x="shop", y=("error",), low=("low",),
               high=("high",), mark=10.0),
    )
    figures += _explained(rng)
    verdicts = tuple(Verdict(f"psi of {outcome} <= 0.1", outcome, f"this one is of the kind {outcome}", hint="look there", aspect="drift",
                             expression="psi of x <= 0.1") for outcome in ("pass", "warn", "fail", "error", "inconclusive", "too small"))
    return Run("check", verdicts=verdicts, figures=figures, findings=(Finding("fairness", "changing sex turns a yes into a no"),), notes=("late labels",),
               incidents=(Incident("2026-03-01T00:00:00+00:00", "2026-03-04T00:00:00+00:00", True, "precip went missing", "weather", hint="ask its owner"),
                          Incident("2026-05-01T00:00:00+00:00", "2026-05-01T00:00:00+00:00", False, "a route was opened", "schedule", state="resolved"),
                          Incident("2026-08-20T00:00:00+00:00", "2026-11-02T00:00:00+00:00", True, "recall fell", cause="weather")))


def _explained(rng: np.random.Generator) -> tuple[Figure, ...]:
    """Return a picture of each kind that explanations have."""
    steps = tuple(map(float, rng.normal(0, 0.4, 9)))
    ends = {"low": tuple(each - 0.1 for each in steps), "high": tuple(each + 0.1 for each in steps)}
    at = tuple(np.linspace(-2, 2, 20).tolist())
    means = tuple(np.sin(at).tolist())

    def spread(middle: tuple[float, ...]) -> dict[str, tuple[float, ...]]:
        moves = {"low": -0.05, "high": 0.05, "p5": -0.4, "p25": -0.2, "p75": 0.2, "p95": 0.4}
        return {name: tuple(each + move for each in middle) for name, move in moves.items()}

    swarm = [(f"column {lane} of some length", float(place) / 10, int(count), float(rng.random()) if lane else None)
             for lane in range(4) for place, count in enumerate(rng.integers(5, 200, 12), -6)]
    return (
        Figure("why", "waterfall", "Why", {"column": tuple(f"a column {each} = 0.61" for each in range(9)), "contribution": steps, **ends},
               x="column", y=("contribution",), low=("low",), high=("high",), mark=0.3, mark_name="average", end_name="this one", aspect="why"),
        Figure("age", "sensitivity", "Age", {"age": at, "influence": means, **spread(means), "rows": tuple(range(5, 25))}, x="age",
               y=("influence",), low=("low",), high=("high",), aspect="why"),
        Figure("town", "sensitivity", "Town", {"town": ("Rome", "Oslo", "missing"), "influence": (0.5, 0.1, -0.4), **spread((0.5, 0.1, -0.4)),
                                               "rows": (90, 20, 5)}, x="town", y=("influence",), low=("low",), high=("high",), aspect="why"),
        Figure("swarm", "beeswarm", "All rows", dict(zip(("column", "influence", "rows", "value"), zip(*swarm, strict=True), strict=True)),
               x="column", y=("influence",), aspect="why"),
        Figure("tree", "tree", "Segments", {"where": ("all rows", "carrier EV", "hour 15 or later", "origin EWR"), "parent": (None, 0, 1, 0),
                                            "error": (0.2, 0.3, 0.45, 0.25), "low": (0.19, 0.27, 0.4, 0.2), "high": (0.21, 0.33, 0.5, 0.3)},
               x="where", y=("error",), low=("low",), high=("high",), mark=0.2, mark_name="all rows", aspect="why"),
    )


def hostile() -> Run:
    """Return a run whose every text tries to become markup or script."""
    bad = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>\u2028${alert(1)}\u202e"
    value = Value.of("auc", Spread("binomial", 0.5, n=100), n=100, better="higher", slice={bad: bad}, note=bad)
    small = Value.of("auc", Spread("binomial", 0.5, n=3), n=3, better="higher", slice={"ward": "of three people"})
    figure = Figure("f", "bars", bad, {"x": (bad, "b"), "y": (1.0, 2.0)}, x="x", y=("y",), sentence=bad, aspect=bad)
    verdict = Verdict(bad, "fail", bad, slice={bad: bad}, value=value, hint=bad, aspect=bad, expression=bad)
    return Run("check", (value, small), (verdict,), notes=(bad,), figures=(figure,), about={bad: bad})
