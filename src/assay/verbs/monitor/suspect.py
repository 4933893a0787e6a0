"""Suspected attacks on a model of images: how many inputs of a window carry a trigger, and a page where clean images do not explain it.

``Suspicion.of(job)`` is there where the file names clean images (``backdoor``); ``step`` takes ``Suspicions`` from window to window;
``noted`` and ``figures`` show them. What is suspected says ``probe.backdoor``. ``stream`` and ``account`` import it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.source import source
from assay.errors import AssayError, ConfigError, DataError, PredictionError
from assay.model.model import called
from assay.model.router import Router
from assay.monitor.incident import Alert, Case, Window
from assay.monitor.suspicion import BACKDOOR, LOOK, Alarm, Count, Null, Suspicions, step
from assay.probe.backdoor.detector import DETECTORS, Detector, needed
from assay.remedy.picture import Pictures
from assay.result import Figure, Spread
from assay.verbs.monitor.answer import ordered
from assay.verbs.monitor.kept import Kept, mark

__all__ = ["SUSPECTED", "Suspicion", "figures", "noted"]

Array = np.ndarray[Any, Any]

SUSPECTED = 0.1      # of the budget, where suspects are counted
CLEAN = 2_000        # clean images that are used, at most, unless the rate needs more
_HINT = "look at them: assay probe backdoor, with the window's rows as --inputs; keep them from the model, or guard it"
_DRIFT = "inputs that are blurred, noisy or otherwise unlike the clean images look like that, a trigger makes one class"


class Suspicion:
    """What stays the same: the clean images, and the detector that they calibrate when the first window needs it."""

    def __init__(self, job: Any):
        self._job, self.given = job, job.settings.backdoor
        self.kept: Kept | None = None
        self.asked = 0   # images put to the model
        self.notes: list[str] = []
        self._where = f"{job.config.path}, monitor: backdoor"

    @classmethod
    def of(cls, job: Any) -> Suspicion | None:
        """Return it where ``monitor: backdoor`` names clean images; None without."""
        return cls(job) if job.settings.backdoor is not None else None

    def step(self, memory: Suspicions, window: Window, rows: pa.Table, cases: Iterable[Case], *,
             alpha: float) -> tuple[Suspicions, list[Alert]]:
        """Return the memory after a window, and alerts; nothing of a window without images that can be read.

        Raises ``ConfigError`` where there is no one model to ask, ``DataError`` where clean images are too few.
        """
        found = self._counted(window, rows) if rows.num_rows else None
        if found is None:
            return memory, []
        memory, alarms = step(memory, found[0], found[1], alpha)
        alerts = [self._alert(each, window) for each in alarms]
        lasting = any(each.open and BACKDOOR in each.sources for each in cases)
        if any(each.page for each in alerts) and not lasting:
            memory = replace(memory, pages=memory.pages + 1)
        if memory.standing and lasting and not alerts:
            alerts = [Alert("attack", BACKDOOR, f"suspects were too many when {LOOK} windows were last looked at together")]
        return memory, alerts

    def _alert(self, alarm: Alarm, window: Window) -> Alert:
        when = f" ({window.start[:10]})" if alarm.windows == 1 else f" in {alarm.windows} windows up to {window.start[:10]}"
        looked = "" if alarm.inputs == alarm.rows else f" looked at, of {alarm.rows:,},"
        words = (f"{alarm.suspects:,} of {alarm.inputs:,} inputs{looked} are suspected of a trigger{when}, {alarm.most:,} of them answered "
                 f"{alarm.label}: clean images explain so many with a probability of {_p(alarm.p)} at most")
        return Alert("attack", BACKDOOR, words if alarm.attack else f"{words}; they have many classes, which is what drift makes",
                     page=alarm.attack, share=alarm.suspects / alarm.inputs, hint=_HINT if alarm.attack else _DRIFT)

    # what a window says

    def _counted(self, window: Window, rows: pa.Table) -> tuple[Count, Null] | None:
        """Return the suspects among some rows of a window, from the store where the same images were there before."""
        images = self._images(window, rows)
        if images is None:
            return None
        span, print_ = int(np.datetime64(window.start[:19], "us").astype(np.int64)), hashlib.sha256(images.tobytes()).hexdigest()[:24]
        held = self.kept.get(self._key, span) if self.kept is not None else None
        known: dict[str, Any] = json.loads(held) if held is not None else {}
        if known.get("print") != print_:
            try:
                seen = self._detector.inspect(images)
            except PredictionError as error:   # a model that is out of reach keeps no row from being watched
                self.notes = [f"inputs of {window.start[:16]} were not looked at: {' '.join(str(error).split())}"]
                return None
            labels = Counter(str(self._pictures.shown(each.label)) for each in seen if each.suspect)
            known = {"print": print_, "suspects": dict(labels), "clean": self._detector.rate[1]}
            if self.kept is not None:
                self.kept.put({(self._key, span): json.dumps(known).encode()})
        null = Null.of(int(known["clean"]), self.given.false_alarms, len(DETECTORS))
        return Count(window.number, window.start, rows.num_rows, len(images), known["suspects"]), null

    def _images(self, window: Window, rows: pa.Table) -> Array | None:
        """Return images of some rows, drawn anew for each window and the same whenever it is computed; None where none can be read."""
        pictures = self._pictures
        if not set(pictures.names) <= set(rows.column_names):
            return None   # that they are gone pages by itself
        rows = ordered(self._job, rows)
        if rows.num_rows > self.given.sample:
            rng = np.random.default_rng(list(window.start.encode()))
            rows = rows.take(pa.array(np.sort(rng.choice(rows.num_rows, self.given.sample, replace=False))))
        try:
            some = [each for batch in rows.select(list(pictures.names)).combine_chunks().to_batches()
                    for each in pictures.read(batch) if each is not None]
        except (AssayError, pa.ArrowException):
            return None
        return np.stack(some) if some else None

    # what the clean images say

    @cached_property
    def _pictures(self) -> Pictures:
        return self._clean[0]

    @cached_property
    def _clean(self) -> tuple[Pictures, Array]:
        """Where the images are, and the clean ones that are used."""
        config = self._job.config
        if self._job.model is None or isinstance(self._job.model, Router):
            raise ConfigError("images are put to the model with parts of them covered, and there is no one model to ask", where=self._where,
                              expected="model: FILE")
        place = config.location(self.given.clean)
        names = set(source(place, types=config.types).schema.names)
        roles = {role: each for role, each in config.columns.items()
                 if all(name in names for name in ([each] if isinstance(each, str) else each or ()))}
        data = source(place, types=config.types, **roles)
        try:
            pictures = Pictures.of(self._job.model, data, column=self.given.column, size=self.given.size)
            found = [each for batch in data.batches(list(pictures.names)) for each in pictures.read(batch) if each is not None]
            if not found:
                raise DataError("there are no clean images that can be read", where=data.name)
        except AssayError as error:
            error.where = f"{error.where}, {self._where}" if error.where else self._where
            if "no image" in error.what:    # its hint speaks of options of a command, which a configuration has not
                error.hint = "only models of images are watched for triggers; say `column` or `size` under `backdoor` where this is one"
            raise
        images = np.stack(found)
        most = max(CLEAN, needed(self.given.false_alarms))
        if len(images) > most:
            images = images[np.sort(np.random.default_rng([0, 5]).choice(len(images), most, replace=False))]
        return pictures, images

    @cached_property
    def _detector(self) -> Detector:
        """The detector; what the model answered while it was calibrated is kept, so that the next process need not ask it again."""
        name = f"{self._key} calibration"
        held = self.kept.get(name, 0) if self.kept is not None else None
        if held is not None:
            known = json.loads(held)
            labels = np.frombuffer(zlib.decompress(base64.b64decode(known["labels"])), "<i4").astype(np.int64)
            found, record = self._calibrated(labels)
            if record.print == known["print"]:
                return found
        found, record = self._calibrated(None)   # never, or other images were asked then
        if self.kept is not None:
            labels = np.concatenate(record.said).astype("<i4")
            kept = {"labels": base64.b64encode(zlib.compress(labels.tobytes())).decode(), "print": record.print}
            self.kept.put({(name, 0): json.dumps(kept).encode()})
        return found

    def _calibrated(self, known: Array | None) -> tuple[Detector, _Record]:
        pictures, images = self._clean

        def ask(some: Array) -> Array:
            self.asked += len(some)
            return pictures.ask(some)

        record = _Record(ask, known)
        found = Detector.of(record, images, false_alarms=self.given.false_alarms)
        record.over = True
        return found, record

    @cached_property
    def _key(self) -> str:
        config, given = self._job.config, self.given
        named = [called(self._job.model), self._job.model.digest, mark(config.location(given.clean)), str(given)]
        return f"backdoor {hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]}"


class _Record:
    """A model that writes down what it says until it is ``over``; or, where that is ``known`` from before, says the same and is not asked.

    ``print`` tells what it was asked from anything else.
    """

    def __init__(self, ask: Any, known: Array | None):
        self._ask, self._known, self._at = ask, known, 0
        self._hash = hashlib.sha256()
        self.said: list[Array] = []
        self.over = False

    def __call__(self, images: Array) -> Array:
        if self.over:
            return np.asarray(self._ask(images))
        self._hash.update(np.ascontiguousarray(images).tobytes())
        if self._known is not None and self._at + len(images) <= len(self._known):
            self._at += len(images)
            return self._known[self._at - len(images) : self._at]
        self.said.append(np.asarray(self._ask(images)))
        return self.said[-1]

    @property
    def print(self) -> str:
        return self._hash.hexdigest()


def noted(suspicion: Suspicion | None, memory: Suspicions) -> list[str]:
    """Return what was suspected so far, and in the last window."""
    if suspicion is None:
        return []
    if not memory.past:
        return [*suspicion.notes, "no inputs were looked at for triggers yet"]
    last = memory.past[-1]
    every = f"{sum(memory.suspects.values()):,} of {memory.inputs:,} in all{_classes(memory.suspects)}"
    now = f"{last.total:,} of {last.inputs:,} inputs looked at in the last window{_classes(last.suspects)}"
    return [*suspicion.notes,
            f"suspected of a trigger: {now}; {every}, where {100 * suspicion.given.false_alarms:g} % of clean inputs may be"]


def figures(memory: Suspicions) -> Iterable[Figure]:
    """Return the share of suspects by window, with its interval."""
    if len(memory.past) < 2:
        return
    shares = [each.total / each.inputs for each in memory.past]
    bounds = [Spread("binomial", share, n=each.inputs).interval() for share, each in zip(shares, memory.past, strict=True)]
    table = {"window": tuple(each.number + 1 for each in memory.past), "suspected": tuple(shares),
             "low": tuple(low for low, _ in bounds), "high": tuple(high for _, high in bounds),
             "rows": tuple(each.inputs for each in memory.past)}
    yield Figure("suspected inputs", "line", "Share of inputs suspected of a trigger, by window", table, x="window", y=("suspected",),
                 low=("low",), high=("high",), aspect="backdoor", sentence=f"suspects by class: {_listed(memory.suspects) or 'none'}")


def _listed(suspects: Mapping[str, int]) -> str:
    ordered_ = sorted(suspects.items(), key=lambda pair: (-pair[1], pair[0]))
    rest = len(ordered_) - 5
    return ", ".join(f"{count:,} answered {label}" for label, count in ordered_[:5]) + (f" and {rest} more classes" if rest > 0 else "")


def _classes(suspects: Mapping[str, int]) -> str:
    return f" ({_listed(suspects)})" if suspects else ""


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-12 else "1e-12"
