"""Relations between two sentences that answers must respect: what changes nothing, what turns a label, what weakens it.

``relation(name)`` gives one of ``RELATIONS``; a ``Relation`` has ``change``, which is the second sentence or None where it says nothing.
``probe.text.oracle`` and the verbs import it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from assay.errors import UnknownNameError

__all__ = ["RELATIONS", "Relation", "exchange", "relation"]

# The groups are those of whom classifiers of text were found to speak unequally (Kiritchenko and Mohammad 2018; CheckList, Ribeiro 2020).
NAMES = (("Mary", "Emily", "Anna", "Julia", "Laura", "Susan"), ("John", "Peter", "Paul", "Robert", "Mark", "Steve"),
         ("Aisha", "Fatima", "Leila", "Yasmin", "Amina", "Zahra"), ("Jamal", "Ahmed", "Hassan", "Omar", "Ali", "Yusuf"))
PRONOUNS = (("he", "him", "his", "himself", "man", "men", "boy", "father", "son", "brother", "husband", "uncle"),
            ("she", "her", "her", "herself", "woman", "women", "girl", "mother", "daughter", "sister", "wife", "aunt"))
NATIONS = (("American", "British", "German", "French", "Italian", "Mexican", "Turkish", "Nigerian", "Indian", "Chinese", "Russian",
            "Iraqi"),)
RELIGIONS = (("Christian", "Muslim", "Jewish", "Hindu", "Buddhist", "atheist"), ("church", "mosque", "synagogue", "temple"))
SHORTER = {"is not": "isn't", "are not": "aren't", "was not": "wasn't", "were not": "weren't", "do not": "don't", "does not": "doesn't",
           "did not": "didn't", "cannot": "can't", "will not": "won't", "would not": "wouldn't", "it is": "it's", "I am": "I'm"}
LONGER = {short: long for long, short in SHORTER.items()}
AUXILIARY = re.compile(r"\b(is|are|was|were|will|would|can|could|should)\b(?! not\b|n't)", re.IGNORECASE)
WEAKER = {"very": "a bit", "extremely": "a bit", "really": "slightly", "totally": "partly", "always": "sometimes"}
LETTERS = 5   # of the shortest word that gets a typing error


@dataclass(frozen=True)
class Relation:
    """How ``change`` makes a second sentence, and how the answers to both must be related.

    ``same``: the same label. ``flip``: another label. ``less``, ``more``: not surer, or not less sure, of the same label.
    """

    name: str
    kind: Literal["same", "flip", "less", "more"]
    change: Callable[[str], str | None]
    sentence: str
    protected: bool = False


def exchange(pairs: Mapping[str, Sequence[str]]) -> Callable[[str], str | None]:
    """Return a change of all words that are keys into one of theirs, the same one wherever the word stands; letters keep their case.

    >>> exchange({"he": ["she"], "his": ["her"]})("He lost his way."), exchange({"he": ["she"]})("It rains.")
    ('She lost her way.', None)
    """
    known = {word.casefold(): list(others) for word, others in pairs.items()}
    pattern = re.compile(r"\b(" + "|".join(sorted(map(re.escape, known), key=len, reverse=True)) + r")\b", re.IGNORECASE)

    def change(sentence: str) -> str | None:
        seed = zlib.crc32(sentence.encode())

        def other(found: re.Match[str]) -> str:
            choices = known[found[0].casefold()]
            new = choices[seed % len(choices)]
            return new[0].upper() + new[1:] if found[0][0].isupper() else new

        made = pattern.sub(other, sentence)
        return made if made != sentence else None

    return change


def _across(groups: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Return for each word those at its place in the other groups."""
    found: dict[str, list[str]] = {}
    for mine, group in enumerate(groups):
        for place, word in enumerate(group):
            found.setdefault(word, []).extend(each[place] for number, each in enumerate(groups) if number != mine)
    return found


def _within(groups: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Return for each word the others of its own group."""
    return {word: [other for other in group if other != word] for group in groups for word in group}


def _typo(sentence: str) -> str | None:
    """Return a sentence two inner letters of one word of which have changed places; the same for the same sentence."""
    words = [found for found in re.finditer(r"[A-Za-z]+", sentence) if len(found[0]) >= LETTERS and len(set(found[0][1:-1])) > 1]
    if not words:
        return None
    random = Random(zlib.crc32(sentence.encode()))
    found = random.choice(words)
    word = found[0]
    places = [place for place in range(1, len(word) - 2) if word[place] != word[place + 1]]
    if not places:
        return None
    place = random.choice(places)
    made = word[:place] + word[place + 1] + word[place] + word[place + 2:]
    return sentence[:found.start()] + made + sentence[found.end():]


def _negated(sentence: str) -> str | None:
    """Return a sentence of one clause with "not" behind its auxiliary; longer ones are left, as what is then denied is anybody's guess."""
    found = list(AUXILIARY.finditer(sentence))
    if len(found) != 1 or re.search(r"\b(not|never|no|nothing|nobody|but|and|or|if|that|than|hardly)\b|n't|\?", sentence, re.IGNORECASE):
        return None
    return sentence[:found[0].end()] + " not" + sentence[found[0].end():]


def _doubled(sentence: str) -> str | None:
    made = re.sub(r"([.!])$", r"\1\1\1", sentence)
    return made if made != sentence else None


RELATIONS: dict[str, Relation] = {each.name: each for each in (
    Relation("names", "same", exchange(_across(NAMES)), "another first name", protected=True),
    Relation("pronouns", "same", exchange(_across(PRONOUNS)), "another sex", protected=True),
    Relation("nationality", "same", exchange(_within(NATIONS)), "another nationality", protected=True),
    Relation("religion", "same", exchange(_within(RELIGIONS)), "another religion", protected=True),
    Relation("typos", "same", _typo, "two letters in the wrong order"),
    Relation("contraction", "same", exchange({**{a: [b] for a, b in SHORTER.items()}, **{b: [a] for a, b in SHORTER.items()}}),
             "the short form of a word for the long one, or the long for the short"),
    Relation("punctuation", "same", _doubled, "the last mark three times"),
    Relation("negation", "flip", _negated, "a 'not'"),
    Relation("weaker", "less", exchange({word: [other] for word, other in WEAKER.items()}), "a weaker word of degree"),
)}


def relation(name: str) -> Relation:
    """Return a relation by its name.

    >>> relation("negation").change("The soup was good.")
    'The soup was not good.'
    """
    if name not in RELATIONS:
        raise UnknownNameError.among("relation", name, RELATIONS)
    return RELATIONS[name]
