"""Runs to make pages of: one of a real model, one as large as they come, one that is hostile."""

from __future__ import annotations

import numpy as np

from assay.result import Cost, Figure, Run, Spread, Value, Verdict

__all__ = ["hostile", "large", "real"]


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


def hostile() -> Run:
    """Return a run whose every text tries to become markup or script."""
    bad = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>\u2028${alert(1)}\u202e"
    value = Value.of("auc", Spread("binomial", 0.5, n=100), n=100, better="higher", slice={bad: bad}, note=bad)
    small = Value.of("auc", Spread("binomial", 0.5, n=3), n=3, better="higher", slice={"ward": "of three people"})
    figure = Figure("f", "bars", bad, {"x": (bad, "b"), "y": (1.0, 2.0)}, x="x", y=("y",), sentence=bad, aspect=bad)
    verdict = Verdict(bad, "fail", bad, slice={bad: bad}, value=value, hint=bad, aspect=bad, expression=bad)
    return Run("check", (value, small), (verdict,), notes=(bad,), figures=(figure,), about={bad: bad})
