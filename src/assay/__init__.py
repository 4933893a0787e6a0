"""assay tells you whether a model is good enough to ship, when it stops being so, and why.

>>> import assay
>>> model = assay.load(lambda batch: [0.2] * batch.num_rows, task="regression")
>>> model.signature.task
'regression'

This is the public surface. Every name is looked up on first use, so that ``import assay`` loads nothing: no numpy, no
Arrow, no library that you did not ask for. Nothing inside the package imports names from here, save ``__version__``.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay import errors as errors
    from assay.check.expression import Check as Check
    from assay.data.schema import Schema as Schema
    from assay.data.slice import slicing as slicing
    from assay.data.source import Source as Source
    from assay.data.source import source as source
    from assay.engine.plan import Plan as Plan
    from assay.errors import AssayError as AssayError
    from assay.metric.metric import Metric as Metric
    from assay.metric.metric import metric as metric
    from assay.model.answer import Answer as Answer
    from assay.model.load import load as load
    from assay.model.model import Model as Model
    from assay.model.signature import Signature as Signature
    from assay.result import Finding as Finding
    from assay.result import Incident as Incident
    from assay.result import Run as Run
    from assay.result import Spread as Spread
    from assay.result import Value as Value
    from assay.result import Verdict as Verdict
    from assay.summary.profile import Profile as Profile
    from assay.summary.summary import Need as Need
    from assay.summary.summary import Summary as Summary
    from assay.verbs.behaviour.behaviour import behaviour as behaviour
    from assay.verbs.check import check as check
    from assay.verbs.estimate import estimate as estimate
    from assay.verbs.explain.explain import explain as explain
    from assay.verbs.gate.canary import canary as canary
    from assay.verbs.gate.gate import gate as gate
    from assay.verbs.gate.replay import compare as compare
    from assay.verbs.gate.replay import replay as replay
    from assay.verbs.gate.training import training as training
    from assay.verbs.interop.expectation import expectations as expectations
    from assay.verbs.interop.scorer import evaluation as evaluation
    from assay.verbs.interop.scorer import scorer as scorer
    from assay.verbs.probe.association import associations as associations
    from assay.verbs.probe.backdoor import backdoor as backdoor
    from assay.verbs.probe.experiment import experiment as experiment
    from assay.verbs.probe.fairness import probe as probe
    from assay.verbs.probe.privacy import probe_privacy as probe_privacy
    from assay.verbs.probe.robustness import probe_robustness as probe_robustness
    from assay.verbs.probe.text import probe_text as probe_text
    from assay.verbs.profile import profile as profile
    from assay.verbs.repair.repair import repair as repair

__version__ = "0.1.0"

_TARGETS = {
    "Answer": "assay.model.answer:Answer",
    "AssayError": "assay.errors:AssayError",
    "Check": "assay.check.expression:Check",
    "Finding": "assay.result:Finding",
    "Incident": "assay.result:Incident",
    "Metric": "assay.metric.metric:Metric",
    "Model": "assay.model.model:Model",
    "Need": "assay.summary.summary:Need",
    "Plan": "assay.engine.plan:Plan",
    "Profile": "assay.summary.profile:Profile",
    "Run": "assay.result:Run",
    "Schema": "assay.data.schema:Schema",
    "Signature": "assay.model.signature:Signature",
    "Source": "assay.data.source:Source",
    "Spread": "assay.result:Spread",
    "Summary": "assay.summary.summary:Summary",
    "Value": "assay.result:Value",
    "Verdict": "assay.result:Verdict",
    "associations": "assay.verbs.probe.association:associations",
    "backdoor": "assay.verbs.probe.backdoor:backdoor",
    "behaviour": "assay.verbs.behaviour.behaviour:behaviour",
    "canary": "assay.verbs.gate.canary:canary",
    "check": "assay.verbs.check:check",
    "compare": "assay.verbs.gate.replay:compare",
    "errors": "assay.errors",
    "estimate": "assay.verbs.estimate:estimate",
    "evaluation": "assay.verbs.interop.scorer:evaluation",
    "expectations": "assay.verbs.interop.expectation:expectations",
    "experiment": "assay.verbs.probe.experiment:experiment",
    "explain": "assay.verbs.explain.explain:explain",
    "gate": "assay.verbs.gate.gate:gate",
    "load": "assay.model.load:load",
    "metric": "assay.metric.metric:metric",
    "probe": "assay.verbs.probe.fairness:probe",
    "probe_privacy": "assay.verbs.probe.privacy:probe_privacy",
    "probe_robustness": "assay.verbs.probe.robustness:probe_robustness",
    "probe_text": "assay.verbs.probe.text:probe_text",
    "profile": "assay.verbs.profile:profile",
    "repair": "assay.verbs.repair.repair:repair",
    "replay": "assay.verbs.gate.replay:replay",
    "scorer": "assay.verbs.interop.scorer:scorer",
    "slicing": "assay.data.slice:slicing",
    "source": "assay.data.source:source",
    "training": "assay.verbs.gate.training:training",
}
# Verbs that share their name with a package: `assay.check(...)` judges, `assay.check.expression` is a module. Python binds
# a package to its parent when it is imported, so one name can hold but one object: the package, which we make callable.
# More in design/facade.md.
_SHARED = frozenset({"check", "estimate", "explain", "metric", "probe"})

__all__ = ["__version__", *_TARGETS]  # noqa: PLE0604  (the names are text; ruff cannot see that)


class _Verb(ModuleType):
    """A package that can be called: it passes the call on to the verb of its name."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return _found(_last(self.__name__))(*args, **options)

    @property
    def __signature__(self) -> object:
        import inspect

        return inspect.signature(_found(_last(self.__name__)))


class _Facade(ModuleType):
    """The package ``assay`` itself; sees each of its packages when Python binds it, whoever imported it."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _SHARED and isinstance(value, ModuleType):
            value.__class__ = _Verb
        super().__setattr__(name, value)


def _last(module: str) -> str:
    return module.rpartition(".")[2]


def _found(name: str) -> Any:
    module, _, attribute = _TARGETS[name].partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def __getattr__(name: str) -> Any:
    if name not in _TARGETS:
        from assay.errors import nearest

        guess = nearest(name, _TARGETS)
        raise AttributeError(f"module 'assay' has no attribute '{name}'" + (f"; did you mean '{guess}'?" if guess else ""), name=name)
    found = importlib.import_module(f"assay.{name}") if name in _SHARED else _found(name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)


sys.modules[__name__].__class__ = _Facade
