"""One model's (or one fleet's) watch over its sources: rules, then evidence, then what either learns; a pure step from window to window.

``advanced(watch, window, ...) -> (Watch, Report)`` is the whole interface, with ``Watch.judged`` for what people say, and ``dump`` and
``parse`` for its bytes. Keep the bytes after each window: a window that changes late is computed again from those before it, and
gives what it would have given then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from assay.errors import SummaryError
from assay.monitor import evidence, fault, reading
from assay.monitor.baseline import Season
from assay.monitor.budget import Account, Budget
from assay.monitor.evidence import Outcome, Page, State, Tuning
from assay.monitor.fault import Fault, Record
from assay.monitor.incident import Alert
from assay.monitor.reading import Fact, Reference, Seen, Table
from assay.summary import codec

__all__ = ["Report", "Watch", "advanced"]

_ACCEPT = 7  # windows after which a fault that stays is how it is now


@dataclass(frozen=True)
class Watch:
    """All that is remembered between windows; ``streaks`` counts for how many windows each fault has stood."""

    reference: Reference = field(default_factory=dict)
    record: Record = field(default_factory=Record)
    state: State = field(default_factory=State)
    account: Account = field(default_factory=Account)              # of the rules
    streaks: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    charged: Mapping[str, str] = field(default_factory=dict)       # by source, the layer whose account paid for the last page
    held: Mapping[tuple[str, str], Fact] = field(default_factory=dict)  # what the rules refused to learn in the last incident

    def judged(self, source: str, true: bool) -> Watch:
        """Return the watch after a person said whether the last page of a source was worth it.

        Not worth it: the streams that jumped are expected to, and what broke a record is the record. Worth it: it costs no budget.
        """
        layer = self.charged.get(source, "")
        watch = self
        if layer == "rules":
            watch = replace(watch, account=watch.account.judged(true))
            kept = watch.state.account
            watch = replace(watch, state=replace(evidence.judged(watch.state, source, true), account=kept))
        elif layer == "evidence":
            watch = replace(watch, state=evidence.judged(watch.state, source, true))
        else:  # a catastrophe, which no account paid for
            kept = watch.state.account
            watch = replace(watch, state=replace(evidence.judged(watch.state, source, true), account=kept))
        if not true:
            columns = dict(watch.record.columns)
            for key, fact in watch.held.items():
                if key[0] == source and key in columns:
                    columns[key] = fault.taken(fault.taken(columns[key], fact), fact, settled=True)  # twice: once is forgiven
            watch = replace(watch, record=replace(watch.record, columns=columns))
        return replace(watch, held={key: fact for key, fact in watch.held.items() if key[0] != source},
                       charged={name: each for name, each in watch.charged.items() if name != source})

    def dump(self) -> bytes:
        """Return the watch as bytes, the same for the same watch."""
        plain = {"reference": [[*key, seen.to_json()] for key, seen in self.reference.items()], "record": self.record.to_json(),
                 "account": self.account.to_json(), "streaks": [[*key, count] for key, count in self.streaks.items()],
                 "charged": dict(self.charged), "held": [[*key, {name: _plain(value) for name, value in vars(fact).items()}]
                                                         for key, fact in self.held.items()]}
        text = json.dumps(plain, separators=(",", ":")).encode("utf-8", "surrogatepass")
        return codec.dump("watch", {"plain": np.frombuffer(text, np.uint8), "state": np.frombuffer(self.state.dump(), np.uint8)})

    @classmethod
    def parse(cls, data: bytes) -> Watch:
        """Return the watch that :meth:`dump` wrote; raises ``SummaryError`` for anything else."""
        kind, found = codec.parse(data)
        if kind != "watch":
            raise SummaryError(f"the bytes hold '{kind}'", expected="the state of a monitor")
        try:
            plain = json.loads(found["plain"].tobytes().decode("utf-8", "surrogatepass"))
            return cls({(str(source), str(name)): Seen.from_json(seen) for source, name, seen in plain["reference"]},
                       Record.from_json(plain["record"]), State.parse(found["state"].tobytes()), Account.from_json(plain["account"]),
                       {(str(a), str(b), str(c)): int(count) for a, b, c, count in plain["streaks"]},
                       {str(name): str(layer) for name, layer in plain["charged"].items()},
                       {(str(source), str(name)): _fact(fact) for source, name, fact in plain["held"]})
        except SummaryError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise SummaryError(f"the fields do not make the state of a monitor ({type(error).__name__})") from error


def _plain(value: Any) -> Any:
    return repr(value) if isinstance(value, float) and not np.isfinite(value) else list(value) if isinstance(value, tuple) else value


def _fact(data: Mapping[str, Any]) -> Fact:
    kinds = {name: type(value) for name, value in vars(Fact(0, 0, "")).items()}
    values: dict[str, Any] = {name: tuple(map(float if name == "quantiles" else str, value)) if kinds[name] is tuple else kinds[name](value)
                              for name, value in data.items()}
    return Fact(**values)


@dataclass(frozen=True)
class Report:
    """What a window said, by layer, and as the alerts that become incidents."""

    alerts: tuple[Alert, ...]
    faults: tuple[Fault, ...]
    outcome: Outcome
    opened: tuple[str, ...]   # sources that page now, each once, whichever layer spoke
    learned: int              # windows of history


def advanced(watch: Watch, tables: Sequence[Table], *, budget: Budget, season: Season | None = None,
             weights: Mapping[str, float] | None = None, resting: Sequence[str] = (), tuning: Tuning | None = None) -> tuple[Watch, Report]:
    """Return the watch after a window of ``tables``, and what the window said."""
    season = season or Season()
    readings, facts = reading.read(watch.reference, tables)
    broken = fault.faults(watch.record, tables, facts, phase=season.places, resting=resting)
    streaks = {(each.rule, each.source, each.column): watch.streaks.get((each.rule, each.source, each.column), 0) + 1 for each in broken}
    known = {(source, column) for (_, source, column), count in streaks.items() if count > _ACCEPT}  # broken so long that it is so now
    whole = {each.source for each in broken if each.rule == "stale"}
    apart = {(each.source, each.column) for each in broken}
    apart |= {(source, column) for source, column in facts if source in whole}
    # rules first: what they page is paid for, and evidence of the same source joins it
    was = {source for _, source, _ in watch.streaks}
    busy = {name for name, age in zip(watch.state.sources, watch.state.age.tolist(), strict=True) if age}
    account, other, opened, withheld, charged = _spent(watch, budget, broken, streaks)
    state, outcome = evidence.step(replace(watch.state, account=other), readings, alpha=budget.evidence, season=season, weights=weights,
                                   apart=apart, resting=resting, covered=was | set(opened), tuning=tuning)
    spoke = [page.source for page in outcome.pages if page.state == "opened" and page.source not in opened and page.source not in was]
    charged = charged | dict.fromkeys(spoke, "evidence")
    out = (apart - known) | _culprits(state)
    held = {**{key: fact for key, fact in watch.held.items() if key[0] in (busy | was)}, **{key: facts[key] for key in out if key in facts}}
    after = Watch(reading.learned(watch.reference, tables, apart=out),
                  fault.learned(watch.record, tables, facts, phase=season.places, apart=out, resting=resting), state, account, streaks,
                  {**watch.charged, **charged}, held)
    first = tuple(dict.fromkeys((*opened, *spoke)))
    alerts = (*_fault_alerts(broken, opened, withheld), *_evidence_alerts(outcome.pages, spoke))
    return after, Report(alerts, broken, outcome, first, outcome.learned)


def _culprits(state: State) -> set[tuple[str, str]]:
    """Return the columns of the incidents that evidence has opened."""
    streams = state.streams
    return {(streams[at].source, streams[at].column) for at in np.flatnonzero(state.culprit > 0).tolist()}


def _spent(watch: Watch, budget: Budget, broken: Sequence[Fault],
           streaks: Mapping[tuple[str, str, str], int]) -> tuple[Account, Account, list[str], list[str], dict[str, str]]:
    """Return the accounts of rules and evidence, and the sources that page: a catastrophe always, the rest while there is a page to spend.

    Rules that have none left take one from the evidence where it keeps one: what both may spend together stays as it was.
    What goes on since the window before, or touches only columns that evidence has paged already, does not page again.
    """
    lasting = {(source, column) for _, source, column in watch.streaks}
    moved = _culprits(watch.state)
    account, other = watch.account.filled(budget.rules), watch.state.account
    opened, withheld, charged = [], [], {}
    for source in dict.fromkeys(each.source for each in broken):
        fresh = [each for each in broken if each.source == source and streaks[each.rule, each.source, each.column] == 1]
        where = {(source, each.column) for each in fresh}
        if not fresh or where & lasting or where <= moved:
            continue
        if any(each.catastrophe for each in fresh):
            opened.append(source)
            charged[source] = "catastrophe"
        elif account.open:
            account = account.spent()
            opened.append(source)
            charged[source] = "rules"
        elif other.balance >= 2:
            other = other.spent()
            opened.append(source)
            charged[source] = "evidence"
        else:
            account = account.refused()
            withheld.append(source)
    return account, other, opened, withheld, charged


def _fault_alerts(broken: Sequence[Fault], opened: Sequence[str], withheld: Sequence[str]) -> list[Alert]:
    groups: dict[tuple[str, str], list[Fault]] = {}
    for each in broken:
        groups.setdefault((each.source, each.rule), []).append(each)
    found = []
    for (source, rule), some in groups.items():
        worst = max(some, key=lambda each: each.share or 0.0)
        hint = "not paged, as the budget of the rules is spent" if source in withheld else worst.hint
        columns = tuple(each.column for each in some if each.column)
        words = worst.words if len(some) == 1 else f"{_MANY.get(rule, rule)} (worst: {worst.column} {worst.words})"
        found.append(Alert("fault", source, words, columns, page=source in opened, share=worst.share, hint=hint))
    return found


_MANY = {"column gone": "are no longer delivered", "type changed": "changed their type", "all missing": "have no value at all",
         "constant": "have one single value", "missing": "lost values", "filled": "have values where most were missing",
         "far outside": "lie far outside all that was seen",
         "spelling": "write values otherwise", "renamed": "have a renamed category", "unseen": "have values never seen before",
         "sign": "have the opposite sign", "unit": "changed their unit"}


def _evidence_alerts(pages: Sequence[Page], spoke: Sequence[str]) -> list[Alert]:
    found = []
    for page in pages:
        if page.state == "ticket" or not page.moved:
            continue
        columns = tuple(dict.fromkeys(each.stream.column for each in page.moved if each.stream.column))[:12]
        lead = page.moved[0]
        pace = "over days " if lead.slow else ""
        words = f"moved: {lead.stream} {pace}by {abs(lead.z):.1f} of its standard deviations"
        if len(page.moved) > 1:
            words += f", and {len(page.moved) - 1} more statistic{'s' if len(page.moved) > 2 else ''}"
        hint = "not paged, as the budget of the evidence is spent" if page.state == "withheld" else None
        found.append(Alert("drift", page.source, words, columns, page=page.source in spoke, evidence=page.evidence, hint=hint))
    return found
