from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

import assay
from assay.errors import ConfigError, PredictionError, UnknownNameError
from assay.probe.text.grammar import load, parse
from assay.probe.text.label import UNDEFINED
from assay.probe.text.ledger import APART, Ledger, Makeup, apart
from assay.probe.text.naturalness import Naturalness
from assay.probe.text.oracle import Differential, Expected, Metamorphic, Outcome, classifier
from assay.probe.text.reference import drawn, walked
from assay.probe.text.relation import RELATIONS, Relation, relation
from assay.probe.text.sampler import Sampler
from assay.probe.text.search import responsible, search
from assay.probe.text.shrink import CALLS, asking, causes, shrunk
from assay.probe.text.surrogate import Panel, Surrogate
from assay.probe.text.tree import distance, label, length, text

GOOD = ("good", "nice", "great", "love", "perfect", "better")
BAD = ("bad", "awful", "terrible", "hate", "boring", "worse")


def words(texts: Sequence[str], negation: Sequence[str] = ()) -> list[tuple[str | None, float]]:
    """A classifier that counts words, and turns its answer where it sees a negation that it knows."""
    found: list[tuple[str | None, float]] = []
    for each in texts:
        parts = each.casefold().replace(".", " ").replace("!", " ").replace(",", " ").split()
        score = sum(part in GOOD for part in parts) - sum(part in BAD for part in parts)
        score = -score if any(part in negation for part in parts) else score
        found.append(("positive" if score > 0 else "negative" if score < 0 else None, 0.9))
    return found


ONE = Differential({"plain": words, "negating": lambda texts: words(texts, ("not", "never", "hardly", "nothing"))})


@pytest.fixture(scope="module")
def found():
    return search(load("sentiment"), ONE, budget=1_000, seed=1)


@pytest.fixture(scope="module")
def base():
    return drawn(load("sentiment"), ONE, budget=1_000, seed=1)


def test_a_search_keeps_to_its_budget_and_asks_nothing_twice(found) -> None:
    assert len(found.tests) == 500
    assert found.rows == 1_000
    assert len({each.text for each in found.tests}) == 500
    grammar = load("sentiment")
    for each in found.tests[::37]:
        assert text(grammar, each.tree) == each.text
        assert label(grammar, each.tree) == each.label != UNDEFINED
        assert ONE.ask([each.text], [each.label])[0] == each.outcome


def test_a_search_finds_more_and_more_different_faults_than_draws(found, base) -> None:
    assert 0 < base.rate < 0.4
    assert found.rate > 0.5
    assert len(found.apart) > 1.5 * len(base.apart)


@pytest.mark.slow
def test_its_faults_have_most_of_as_many_causes_as_those_of_draws(found, base) -> None:
    mine, theirs = (causes(run.grammar, ONE, run.faults) for run in (found, base))
    assert len(mine) >= 0.6 * len(theirs)   # of 500 tests: rare causes are found by draws alone, as the page on texts says
    assert sum(count > 1 for _, count in mine) >= sum(count > 1 for _, count in theirs)


def test_the_same_seed_finds_the_same() -> None:
    grammar = load("topic")
    one, other = (search(grammar, ONE, budget=400, seed=4) for _ in range(2))
    assert [each.text for each in one.tests] == [each.text for each in other.tests]


def test_a_small_grammar_is_asked_as_a_whole() -> None:
    grammar = parse('start: "it is" quality' + "\n" + 'quality: "good" | "bad" | "not good"')
    run = search(grammar, ONE, budget=100)
    assert (run.method, run.stopped, len(run.tests), len(run.faults)) == ("everything", "exhausted", 3, 1)


def test_a_grammar_of_few_sentences_in_many_derivations_ends() -> None:
    grammar = parse("start: start one | one" + "\n" + 'one: "" | "good" @ 0.0001')
    for run in (search(grammar, ONE, budget=2_000), drawn(grammar, ONE, budget=2_000)):
        assert run.stopped == "exhausted"


def test_where_nothing_fails_nothing_is_found() -> None:
    run = search(load("ogma-a"), ONE, budget=400)
    assert (len(run.tests), run.faults, run.apart, run.covered) == (200, [], [], 0.0)


def test_too_small_a_budget_is_refused() -> None:
    with pytest.raises(ConfigError, match="a budget of 1 model rows"):
        search(load("sentiment"), ONE, budget=1)


def test_an_interrupt_keeps_what_was_found() -> None:
    def interrupted(texts: Sequence[str]) -> list[tuple[str | None, float]]:
        if ledger["left"] <= 0:
            raise KeyboardInterrupt
        ledger["left"] -= len(texts)
        return words(texts)

    ledger = {"left": 100}
    run = search(load("sentiment"), Differential({"one": interrupted, "other": words}), budget=2_000)
    assert run.stopped == "interrupted"
    assert 0 < len(run.tests) <= 150


# references ---------------------------------------------------------------------------------------------------------------


def test_the_walk_changes_one_word_at_a_time() -> None:
    grammar = load("ogma-a")
    run = walked(grammar, ONE, budget=80, seed=2)
    assert len(run.tests) == 40
    near = [distance(one.tree, other.tree) for one, other in zip(run.tests, run.tests[1:], strict=False)]
    assert np.median(near) < 0.6


# shrinking ----------------------------------------------------------------------------------------------------------------


def test_shrunk_faults_fail_again_are_shorter_and_are_sentences_of_the_grammar(base) -> None:
    grammar = base.grammar
    ask = asking(grammar, ONE)
    ratios = []
    for each in base.faults[:40]:
        cause = shrunk(grammar, each.tree, each.outcome, ask)
        assert cause.calls <= CALLS
        assert text(grammar, cause.tree) == cause.text
        assert ONE.ask([cause.text], [None])[0].fails
        assert ONE.ask([cause.text], [None])[0].answers == each.outcome.answers
        ratios.append(length(cause.text) / length(each.text))
    assert max(ratios) <= 1
    assert np.median(ratios) <= 0.75


def test_shrinking_asks_no_more_than_it_may(base) -> None:
    each = base.faults[0]
    assert shrunk(base.grammar, each.tree, each.outcome, asking(base.grammar, ONE), calls=2).calls <= 2


def test_causes_explain_every_fault_once_whoever_found_it_first(base) -> None:
    some = base.faults[:40]
    found = causes(base.grammar, ONE, some)
    assert sum(count for _, count in found) == len(some)
    assert len({cause.key for cause, _ in found}) == len(found) < len(some)
    assert causes(base.grammar, ONE, some[::-1]) == found
    ask = asking(base.grammar, ONE)
    first = min(some, key=lambda each: (length(each.text), each.text))
    assert shrunk(base.grammar, first.tree, first.outcome, ask).key in {cause.key for cause, _ in found}
    for cause, _ in found:
        assert ONE.ask([cause.text], [None])[0].answers == cause.answers


@pytest.mark.slow
def test_the_productions_responsible_are_named() -> None:
    grammar = load("sentiment")
    oracle = Differential({"plain": words, "hardly": lambda texts: words(texts, ("hardly",))})
    run = search(grammar, oracle, budget=1_600, seed=3)
    ask = asking(grammar, oracle)
    named = responsible(grammar, [shrunk(grammar, each.tree, each.outcome, ask) for each in run.faults[::20]])
    assert any("hardly" in each.name for each in named[:4])
    assert all(each.share > each.usual for each in named)


# oracles ------------------------------------------------------------------------------------------------------------------


def test_labels_of_two_taxonomies_are_mapped_and_the_unsure_abstain() -> None:
    stars = lambda texts: [("5 stars" if "good" in each else "3 stars", 0.8) for each in texts]   # noqa: E731
    oracle = Differential({"words": words, "stars": stars}, names={"5 stars": "positive", "3 stars": None})
    assert [each.answers for each in oracle.ask(["good", "bad"], [None, None])] == [("positive", "positive"), ("negative", None)]
    assert oracle.ask(["good bad bad"], [None])[0].fails
    sure = Differential({"words": words, "stars": stars}, names={"5 stars": "positive"}, at_least=0.85)
    assert not sure.ask(["good bad bad"], [None])[0].fails


def test_three_models_contradict_where_two_do() -> None:
    oracle = Differential({"a": words, "b": words, "c": lambda texts: [("negative", 1.0)] * len(texts)})
    assert oracle.rows == 3
    assert [each.fails for each in oracle.ask(["good", "bad"], [None, None])] == [True, False]


def test_one_model_contradicts_nobody() -> None:
    with pytest.raises(ConfigError, match="one model contradicts nobody"):
        Differential({"a": words})


def test_the_label_of_the_grammar_is_expected_where_it_has_one() -> None:
    oracle = Expected(words)
    assert not oracle.fits("good", UNDEFINED)
    assert not oracle.fits("good", None)
    assert [each.fails for each in oracle.ask(["good", "not good", "chair"], ["positive", "negative", "neutral"])] == [False, True, False]


def test_a_model_that_answers_too_few_or_nonsense_is_at_fault() -> None:
    with pytest.raises(PredictionError, match="gives 0 answers to 1"):
        Expected(lambda texts: []).ask(["good"], ["positive"])
    with pytest.raises(PredictionError, match="nan sure"):
        Expected(lambda texts: [("positive", float("nan"))]).ask(["good"], ["positive"])


def test_metamorphic_relations_find_what_they_are_about() -> None:
    assert Metamorphic(words, relation("negation")).ask(["It is good."], [None])[0] == Outcome(
        ("positive", "positive"), True, "It is not good.")
    assert not Metamorphic(lambda texts: words(texts, ("not",)), relation("negation")).ask(["It is good."], [None])[0].fails
    biased = lambda texts: [("negative" if "Fatima" in each or "Aisha" in each else "positive", 0.9) for each in texts]   # noqa: E731
    oracle = Metamorphic(biased, relation("names"))
    assert any(each.fails for each in oracle.ask([f"Mary saw {n} dogs" for n in range(12)], [None] * 12))
    assert not oracle.fits("The dog barked.", None)


def test_a_direction_is_one() -> None:
    sure = lambda texts: [("positive", 0.9 if "very" in each else 0.6) for each in texts]   # noqa: E731
    unsure = lambda texts: [("positive", 0.6 if "very" in each else 0.9) for each in texts]   # noqa: E731
    assert not Metamorphic(sure, relation("weaker")).ask(["very good"], [None])[0].fails
    assert Metamorphic(unsure, relation("weaker")).ask(["very good"], [None])[0].fails
    more = Relation("more", "more", lambda each: each + " very", "stronger")
    assert Metamorphic(unsure, more).ask(["good"], [None])[0].fails


@pytest.mark.parametrize(("name", "before", "after"), [
    ("pronouns", "He lost his way.", "She lost her way."),
    ("contraction", "It wasn't good.", "It was not good."),
    ("negation", "The soup was good.", "The soup was not good."),
    ("negation", "The soup was good, but the tea was cold.", None),
    ("negation", "It is not good.", None),
    ("punctuation", "Good.", "Good..."),
    ("weaker", "It is very good.", "It is a bit good."),
    ("religion", "A tree.", None),
    ("typos", "a cat", None),
])
def test_relations_change_what_they_say(name: str, before: str, after: str | None) -> None:
    assert relation(name).change(before) == after


@pytest.mark.parametrize("name", sorted(RELATIONS))
def test_relations_always_make_the_same_sentence(name: str) -> None:
    sentence = "Mary is a very good German and a Muslim, he said"
    assert relation(name).change(sentence) == relation(name).change(sentence) != sentence


def test_a_typing_error_changes_the_order_of_two_letters_only() -> None:
    made = relation("typos").change("The wonderful restaurant")
    assert made is not None
    assert sorted(made) == sorted("The wonderful restaurant")
    assert sum(one != other for one, other in zip(made, "The wonderful restaurant", strict=True)) == 2


def test_an_unknown_relation_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'negation'"):
        relation("negatoin")


def test_a_model_of_assay_is_a_classifier() -> None:
    import pyarrow as pa

    model = assay.load(lambda batch: pa.array([[0.2, 0.8] if "good" in each else [0.7, 0.3] for each in batch["text"].to_pylist()]),
                       task="binary", classes=["no", "yes"], name="m")
    assert classifier(model, "text")(["good", "x"]) == [("yes", 0.8), ("no", 0.7)]


# parts --------------------------------------------------------------------------------------------------------------------


def test_distances_are_those_of_two_sets() -> None:
    grammar, random = load("reviews"), Random(2)
    sampler, makeup = Sampler(grammar), Makeup(len(grammar.productions))
    trees = [sampler.drawn(random) for _ in range(30)]
    parts = [makeup.of(each) for each in trees]
    fast = makeup.distances(parts, parts)
    assert np.allclose(fast, [[distance(one, other) for other in trees] for one in trees])


def test_those_apart_are_kept_greedily() -> None:
    grammar, random = load("topic"), Random(2)
    sampler = Sampler(grammar)
    trees = [sampler.drawn(random) for _ in range(150)]
    kept: list[int] = []
    for place, tree in enumerate(trees):
        if all(distance(tree, trees[other]) >= APART for other in kept):
            kept.append(place)
    assert apart(trees) == kept


def test_a_stand_in_learns_a_pair_of_productions() -> None:
    rng = np.random.default_rng(0)
    parts = [sorted(set(rng.integers(0, 30, 8).tolist())) for _ in range(600)]
    fails = [3 in each and 7 in each for each in parts]
    parts += [[3, 7, *(int(n) for n in rng.integers(8, 30, 4))] for _ in range(60)]
    fails += [True] * 60
    model = Surrogate()
    marks = [model.marks(sorted(set(each)), 30) for each in parts]
    model.fit(marks, [0 if each else -1 for each in fails])
    chance = model.chances(marks)[:, 0]
    assert chance[np.array(fails)].min() > np.quantile(chance[~np.array(fails)], 0.98)


def test_what_models_answer_foretells_faults_that_were_never_seen() -> None:
    rng = np.random.default_rng(1)
    parts = [sorted(set(rng.integers(0, 12, 4).tolist())) for _ in range(900)]
    answers = [("a" if 3 in each else "b", "b" if 7 in each else "a") for each in parts]
    seen = [place for place, each in enumerate(answers) if each != ("a", "b")][:500]
    model = Panel()
    marks = [model.direct.marks(each, 12) for each in parts]
    sizes = [len(each) for each in parts]
    model.fit([marks[n] for n in seen], [sizes[n] for n in seen], [answers[n] for n in seen], [False] * len(seen))
    chance, kinds, _ = model.chances(marks, sizes)
    assert model.kinds == [("a", "b")]                     # that which differs and was not seen to be sound
    new = np.array([each == ("a", "b") for each in answers])
    assert np.median(kinds[new, 0]) > np.quantile(kinds[~new, 0], 0.9)
    assert np.median(chance[new]) > np.quantile(chance[~new], 0.9)


def test_a_ledger_asks_no_sentence_that_cannot_be_judged() -> None:
    grammar = parse('start: "a" = "x" | "b" = ? | "c"')
    ledger = Ledger(grammar, Expected(lambda texts: [("x", 1.0)] * len(texts)), 10)
    assert [each.text for each in ledger.ask([(0, ()), (1, ()), (2, ()), (0, ())])] == ["a"]


def test_ordinary_sentences_score_higher() -> None:
    model = Naturalness.of(["the soup was very good", "the tea was cold", "we liked the soup", "it was very cold"] * 5)
    assert model.score("the tea was very good") > model.score("good very was tea the") > model.score("qwx zzk vvv")
    total = sum(np.exp(model.score(each)) > 0 for each in ("a", "the", ""))
    assert total == 3
