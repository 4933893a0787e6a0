"""What was found of text classifiers, in words: a sentence with numbers first, then the causes, who is right, and what is responsible.

``Report`` gives the parts of a run. ``verbs.probe.text`` uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from assay.errors import listed
from assay.probe.text.grammar import Grammar
from assay.probe.text.label import UNDEFINED
from assay.probe.text.search import responsible
from assay.probe.text.tree import length
from assay.result import Finding, Spread, Value, Verdict
from assay.verbs.probe.classifier import Named
from assay.verbs.probe.corpus import Corpus
from assay.verbs.probe.question import Asked, Found, Known

__all__ = ["Report"]

NAMED = 3   # productions that a sentence names


@dataclass(frozen=True, eq=False)
class Report:
    """All of it, as the parts of a run: values, verdicts, findings, sentences, notes."""

    named: Sequence[Named]
    grammar: Grammar
    asked: Asked
    found: Sequence[Found]
    corpus: Corpus

    @property
    def values(self) -> list[Value]:
        out: list[Value] = []
        for each in self.found:
            of = {"of": each.question.name}
            made = each.search
            out += [each.share] if each.share is not None else []
            out += [
                Value.of("findings", Spread("exact", float(len(made.faults))), n=len(made.tests), better="lower", options=of),
                Value.of(
                    "findings per sentence searched",
                    Spread("exact", made.rate),
                    n=len(made.tests),
                    options=of,
                    note="how well the search does, and no share of anything",
                ),
                Value.of("findings apart", Spread("exact", float(len(made.apart))), n=len(made.faults), options=of),
                Value.of("causes", Spread("exact", float(len(each.known))), n=len(made.faults), options=of),
            ]
        return out

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """A verdict for each question: whether anything fails, or with a bound the share of drawn sentences."""
        out = []
        for each in self.found:
            check, bound = f"no sentence on which {each.question.fails}", self.asked.at_most
            first = self._first(each)
            value = each.share
            if not each.search.tests and not each.drawn:
                out.append(Verdict(check, "inconclusive", first, aspect="text"))
            elif bound == 0:
                hit = bool(each.search.faults or each.failed)
                hint = "read the causes: is the model wrong there, or the grammar? --replay asks them again" if hit else None
                out.append(Verdict(check, "fail" if hit else "pass", first, value=value, threshold=0.0, aspect="text", hint=hint))
            else:
                outcome: Any = "inconclusive"
                if value is not None and value.low is not None and value.high is not None:
                    outcome = "pass" if value.high <= bound else "fail" if value.low > bound else "inconclusive"
                out.append(
                    Verdict(
                        f"{check}, of those drawn, for all but {100 * bound:g} %",
                        outcome,
                        first,
                        value=value,
                        threshold=bound,
                        aspect="text",
                    )
                )
        return out

    @cached_property
    def findings(self) -> list[Finding]:
        out = []
        for each, verdict in zip(self.found, self.verdicts, strict=True):
            for one in each.known:
                cause = one.cause
                given: dict[str, Any] = {
                    "text": cause.text,
                    "asked": each.question.name,
                    "label": one.label,
                    "findings": one.count,
                    "found": cause.before,
                    "ordinary": self.corpus.ordinary(cause.text),
                }
                contrast = {"text": cause.contrast} if cause.contrast is not None else {}
                out.append(
                    Finding(
                        "text",
                        self._sentence(each, one),
                        {key: value for key, value in given.items() if value is not None},
                        contrast,
                        cause.answers,
                        "fail" if verdict.verdict == "fail" else "warn",
                    )
                )
        return out

    def _sentence(self, found: Found, one: Known) -> str:
        cause, who = one.cause, found.question.who
        if found.question.name == "contradiction":
            said = ", ".join(f"{each.name} {_label(answer)}" for each, answer in zip(who, cause.answers, strict=True))
            told = f"“{cause.text}”: {said}{self._right(one)}"
        elif found.question.name == "expected":
            told = f"“{cause.text}”: {who[0].name} {_label(cause.answers[0])}, the grammar {one.label}"
        else:
            told = f"“{cause.text}” {_label(cause.answers[0])}, “{cause.contrast}” {_label(cause.answers[1])} ({found.question.name})"
        share = self.corpus.ordinary(cause.text)
        usual = f"; more ordinary than {100 * share:.0f} % of the corpus" if share is not None else ""
        return f"{told}; {one.count:,} of {len(found.search.faults):,} findings{usual}"

    def _right(self, one: Known) -> str:
        return "" if one.label in (None, UNDEFINED) else f" (the grammar says {one.label})"

    def _first(self, each: Found) -> str:
        """Return the sentence that comes first: how often, in what was searched and in what was drawn, and of which causes."""
        made, question = each.search, each.question
        if not made.tests and not each.drawn:
            return f"nothing was asked: no sentence of the grammar can be judged ({question.name})"
        searched = (
            f"of all {len(made.tests):,} sentences of the grammar"
            if made.method == "everything"
            else f"of {len(made.tests):,} sentences that the search made"
        )
        if not made.faults:
            most = f", at most {100 * (each.share.high or 0):.2g} % of those drawn with 95 % confidence" if each.share is not None else ""
            hits = f", but on {each.failed:,} of {each.drawn:,} drawn" if each.failed else most
            return f"{question.fails} on none {searched}{hits}"
        many = f"{len(each.known):,} cause{'s' * (len(each.known) != 1)}" + (", the most frequent: " if len(each.known) > 1 else ": ")
        more = f"; {many}{self._sentence(each, each.known[0]).partition('; ')[0]}" if each.known else ""
        return f"{question.fails} on {100 * made.rate:.2g} % {searched}{self._share(each)}{more}"

    def _share(self, each: Found) -> str:
        value = each.share
        if value is None or value.value is None:
            return ""
        low, high = (100 * (end or 0.0) for end in (value.low, value.high))
        return f", on {100 * value.value:.2g} % [{low:.2g}, {high:.2g}] of {each.drawn:,} drawn from the grammar"

    @property
    def sentences(self) -> list[str]:
        out = [self._first(each) for each in self.found]
        for each in self.found:
            if each.question.name == "contradiction" and each.known:
                out += self._sides(each)
            named = responsible(self.grammar, [one.cause for one in each.known], seed=self.asked.seed) if len(each.known) > 1 else []
            plain = {one.name for one in self.grammar.productions if each.plain(one.number)}  # they stand for any word of their rule
            named = [one for one in named if one.name not in plain]
            if named:
                parts = [
                    f"{one.name} ({100 * one.share:.0f} % of the causes, {100 * one.usual:.0f} % of sentences)" for one in named[:NAMED]
                ]
                of = f" ({each.question.name})" if len(self.found) > 1 else ""
                out.append(f"productions most responsible{of}: {'; '.join(parts)}")
        return out

    def _sides(self, each: Found) -> list[str]:
        """Return who is right by the grammar, cause by cause."""
        told = [one for one in each.known if one.label not in (None, UNDEFINED)]
        if not told:
            return []
        counts = [(who.name, sum(one.cause.answers[place] == one.label for one in told)) for place, who in enumerate(each.question.who)]
        nobody = sum(one.label not in one.cause.answers for one in told)
        parts = [f"{name} in {count:,}" for name, count in counts] + ([f"nobody in {nobody:,}"] if nobody else [])
        causes = "the one cause" if len(told) == 1 else f"{len(told):,} causes"
        return [f"who is right in {causes} by the labels of the grammar: {', '.join(parts)}"]

    @property
    def notes(self) -> list[str]:
        out = []
        for each in self.found:
            made, of = each.search, f" ({each.question.name})" if len(self.found) > 1 else ""
            if each.interrupted:
                out.append(
                    f"interrupted after {len(made.tests):,} sentences{of}: what was found until then is told, "
                    + ("as it was found" if not each.calls else "and shrunk as far as it was")
                )
            elif made.stopped == "exhausted" and made.method != "everything" and made.tests:
                out.append(f"the search ended after {len(made.tests):,} sentences{of}: hardly anything new could be made")
            if each.left and not each.interrupted:
                out.append(
                    f"{each.left:,} of {len(made.faults):,} findings are explained by none of the causes{of}; more are looked for "
                    f"with --shrink above {self.asked.shrink:,}"
                )
            if each.calls:
                before = [length(one.cause.before) for one in each.known]
                after = [length(one.cause.text) for one in each.known]
                out.append(
                    f"causes have {sum(after) / len(after):.1f} words, the findings that they were shrunk from "
                    f"{sum(before) / len(before):.1f}; {each.calls:,} more sentences were asked{of}"
                )
        if any(each.question.name == "contradiction" for each in self.found):
            out.append("a contradiction says that at least one model is wrong, and not which; where all are wrong together nothing is seen")
        if any(each.question.name == "expected" for each in self.found):
            odd = self.grammar.labels - (getattr(self.found[0].question.oracle, "labels", None) or self.grammar.labels)
            if odd:
                out.append(f"sentences labelled {listed(sorted(odd))} are left out, as the model never answers that")
        out.append("how many findings a search makes says how well it searches; the share of what was drawn is the one to quote")
        if self.grammar.unreachable:
            out.append(f"no sentence of the grammar reaches {listed(self.grammar.unreachable)}")
        return out + self.corpus.notes


def _label(answer: str | None) -> str:
    return "abstains" if answer is None else f"says {answer}"
