from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from assay.errors import ConfigError, UnknownNameError
from assay.probe.text.grammar import Grammar, Tree, load, parse, shipped
from assay.probe.text.label import UNDEFINED
from assay.probe.text.sampler import Sampler
from assay.probe.text.tree import label, nodes, numbers, paths, replaced, skeleton, text
from tests.probe.text.parsing import derivations


def lines(*given: str) -> Grammar:
    return parse("\n".join(given))


def derivable(grammar: Grammar, tree: Tree, symbol: int) -> bool:
    number, children = tree
    production = grammar.productions[number]
    return (production.symbol == symbol and len(children) == len(production.children)
            and all(derivable(grammar, child, below) for child, below in zip(children, production.children, strict=True)))


@pytest.mark.parametrize(("script", "word"), [
    (['start: "a" thng', 'thing: "b"'], "line 1, column 12: there is no rule 'thng'"),
    (['start: "a" b', 'b: "c" b'], "line 2, column 4: the rule 'b' never ends"),
    (['start: "a" @ 0'], "never ends"),
    (["start: /[a-z]+/"], "line 1, column 8: sentences are not made from regular expressions"),
    (['start: "a'], "line 1, column 8"),
    (['start: "a" )'], r"found \)"),
    (['start: ("a"'], r"expected '\)'"),
    (["start: one = $2", 'one: "a"'], r"\$2 is no rule"),
    (["start: one one = $one", 'one: "a"'], "stands here 2 times"),
    (['start: "a" = maybe'], "a label"),
    (["%import common.WORD", 'start: "a"'], "%import is not known"),
    (['start: "a"~3..1'], "repetitions"),
    (['start: "a"~1..1000'], "repetitions"),
    (["%words x", 'start: "a"'], "expected a text in quotes"),
    (['%words x "x.txt"', "start: x"], "no files of words"),
    (['%mine x "the was"', "start: x"], "no one place"),
    (['%mine x "the _ was"', "start: x"], "mined from a corpus"),
    ([""], "no rules"),
])
def test_what_is_wrong_is_said_with_its_place(script: list[str], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        lines(*script)


@pytest.mark.parametrize("script", [
    "\n".join(f"a{n}: a{n + 1}" for n in range(1_000)) + '\na1000: "x"',             # a chain deeper than any stack
    "\n".join(f"a{n}: a{n + 1} a{n + 1}" for n in range(60)) + '\na60: "x"',         # 2**60 words at the least
    'start: (("a"~100)~100)~100',
    "start: " + "(" * 5_000 + '"a"' + ")" * 5_000,
    'start: "a" = ' + "-" * 5_000 + '"b"',
    "x" * 2_000_000,
], ids=["chain", "doubling", "repetition", "brackets", "label", "long"])
def test_hostile_grammars_are_refused_at_once(script: str) -> None:
    with pytest.raises(ConfigError):
        parse(script)


def test_a_grammar_that_recurs_on_both_sides_gives_sentences_of_a_bounded_size() -> None:
    grammar = lines('start: start start | start "x" start start | "a" @ 0.01')
    random, sampler = Random(1), Sampler(grammar)
    assert grammar.size == math.inf
    assert max(len(numbers(sampler.drawn(random))) for _ in range(300)) < 400


def test_left_recursion_and_operators_give_what_they_say() -> None:
    grammar = lines('start: start "x" @ 0.5 | ("a" | "b")? "c"~2 ["d"]')
    seen = {text(grammar, Sampler(grammar).drawn(Random(seed))) for seed in range(300)}
    assert {"c c", "a c c", "b c c d", "c c x", "c c d x x"} <= seen
    assert all(each.replace(" x", "").removeprefix("a ").removeprefix("b ").removesuffix(" d") == "c c" for each in seen)


def test_a_finite_grammar_is_counted_and_enumerated() -> None:
    grammar = lines("start: one two? one", 'one: "a" | "b" | "c"', 'two: "x" | one')
    trees = list(grammar.trees())
    assert len(trees) == len(set(trees)) == grammar.size == 3 * 5 * 3
    assert all(derivable(grammar, each, grammar.start) for each in trees)


def test_draws_follow_the_weights() -> None:
    grammar = lines('start: "a" @ 3 | "b" | "c" @ 0')
    counts = Counter(text(grammar, Sampler(grammar).drawn(Random(seed))) for seed in range(2_000))
    assert counts["c"] == 0
    assert abs(counts["a"] / 2_000 - 0.75) < 0.04


def test_capitals_write_one_word_and_letters_have_ranges() -> None:
    grammar = lines('start: "no" ID', 'ID: "A".."B" "0".."1"')
    assert {text(grammar, each) for each in grammar.trees()} == {"no A0", "no A1", "no B0", "no B1"}


def test_words_come_from_a_file_beside_the_grammar_only(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret.txt").write_text("hidden")
    (tmp_path / "inner" / "food.txt").write_text("soup\n# no word\n\ntea\nsoup\n")
    file = tmp_path / "inner" / "g.lark"
    file.write_text('%words food "food.txt"\nstart: "hot" food')
    assert {text(grammar, each) for grammar in [load(file)] for each in grammar.trees()} == {"hot soup", "hot tea"}
    file.write_text('%words food "../secret.txt"\nstart: food')
    with pytest.raises(ConfigError, match="outside the folder"):
        load(file)


def test_slots_are_mined_from_a_corpus() -> None:
    corpus = ["The tea was hot.", "the tea was cold", "This soup is good", "the soup was fine", "The end"]
    grammar = parse('%mine food "the _ was" "this _ is" 5\nstart: "more" food', corpus=corpus)
    assert [text(grammar, each) for each in grammar.trees()] == ["more soup", "more tea"]


def test_a_grammar_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'sentiment'"):
        load("sentimnt")
    with pytest.raises(ConfigError, match="no such grammar"):
        load("none/of.lark")


# labels -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_shipped_grammars_have_no_rule_that_nothing_reaches_and_say_of_each_sentence_what_it_is(name: str) -> None:
    grammar = load(name)
    random, sampler = Random(3), Sampler(grammar)
    trees = [sampler.drawn(random) for _ in range(700)]
    labels = Counter(label(grammar, each) for each in trees)
    assert grammar.unreachable == ()
    assert all(derivable(grammar, each, grammar.start) for each in trees[:100])
    if name.startswith("ogma"):
        assert set(labels) == {None}
        return
    assert labels[None] == 0
    assert set(labels) - {UNDEFINED} == set(grammar.labels)
    assert labels[UNDEFINED] < 0.5 * len(trees)
    seen = set().union(*({*numbers(each)} for each in trees))
    assert len(seen) > 0.8 * len(grammar.productions)
    shown = [text(grammar, each) for each in trees]
    assert not [each for each in shown if "  " in each or " ." in each or " ," in each.replace('", ', "")]


EXPECTED = {
    "sentiment": {
        "The hotel was not good.": "negative", "The hotel was good.": "positive", "Nothing is better than the hotel.": "positive",
        "Nothing is worse than the hotel.": "negative", "The hotel was anything but awful.": "positive", "The hotel was not awful.": UNDEFINED,
        "The hotel was good, but the hotel was awful.": "negative", "The hotel was good, and the hotel was awful.": UNDEFINED,
        "The hotel is on the second floor.": "neutral", "There is no problem with the hotel.": "positive",
        "I heard that the hotel was good.": UNDEFINED, "The hotel was supposed to be good, and it was not.": "negative",
        "It is a horror film about cancer.": "neutral", "The hotel was good, but the battery died yesterday.": "negative",
    },
    "reviews": {
        "This coffee is not good.": "negative", "It tastes like soap.": "negative", "It tastes like heaven.": "positive",
        "Nothing beats this coffee.": "positive", "I will never buy it again.": "negative", "This coffee is good. This coffee is awful.": UNDEFINED,
        "This coffee is awful, but this coffee is good.": "positive",
    },
    "toxicity": {
        "You are an idiot.": "toxic", "You are not an idiot.": "clean", "We visited Scunthorpe.": "clean", "He called me a moron.": UNDEFINED,
        "Shut up, you moron.": "toxic", "Please do not call people “moron”.": "clean", "I will hurt you.": "toxic",
    },
    "topic": {"United beat Lions 3-0": "sport", "Central bank raises rates": "business", "Probe reaches Mars": "science",
              "Parliament passes budget": "politics", "United beat Lions as parliament passes budget": UNDEFINED},
    "language": {"The house is small.": "en", "Das Haus ist alt.": "de", "La casa es grande.": "es", "La maison est moderne.": "fr",
                 "La casa è grande.": "it", "Het huis is warm.": "nl"},
    "json": {'{"message": "the app is great."}': "positive", '{"message": "the app is not great."}': "negative",
             '{"message": "the app is great, but support is slow."}': "negative",
             '{"message": "the app is great. support is slow."}': UNDEFINED},
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_labels_of_shipped_grammars_are_those_that_a_reader_gives(name: str) -> None:
    grammar = load(name)
    found = {sentence: {label(grammar, each) for each in derivations(grammar, sentence)} for sentence in EXPECTED[name]}
    assert found == {sentence: {known} for sentence, known in EXPECTED[name].items()}


@pytest.mark.parametrize("sentence", ["It is a hotel about cancer.", "The hotel broke yesterday.",
                                      "The hotel was good, but it is a movie about cancer."])
def test_what_readers_would_not_understand_is_no_sentence(sentence: str) -> None:
    assert not list(derivations(load("sentiment"), sentence))


# trees --------------------------------------------------------------------------------------------------------------------


def test_edits_stay_in_the_language() -> None:
    grammar, random = load("sentiment"), Random(5)
    sampler = Sampler(grammar)
    for _ in range(200):
        tree = sampler.drawn(random)
        path, node = random.choice(list(nodes(tree)))
        new = replaced(tree, path, sampler.drawn(random, grammar.productions[node[0]].symbol, depth=len(path)))
        assert derivable(grammar, new, grammar.start)
        assert paths(grammar, new) <= grammar.paths


def test_a_skeleton_forgets_words_and_keeps_structure() -> None:
    grammar = lines('start: "it is" quality | "it is not" quality', 'quality: "good" | "bad"')
    one, other, third = (0, ((2, ()),)), (0, ((3, ()),)), (1, ((2, ()),))
    assert skeleton(grammar, one) == skeleton(grammar, other) == "it is quality"
    assert skeleton(grammar, third) == "it is not quality"
