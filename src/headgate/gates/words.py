"""What can be said of a text by its words alone: how close it is to another, its language, whether it declines."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from math import sqrt

_WORD = re.compile(r"\w+", re.UNICODE)


def similarity(one: str, other: str) -> float:
    """0 (no word in common) to 1 (the same words): the cosine of the counts of words and of pairs of neighbours.

    Wording, not meaning: two texts that say the same in other words are far apart. A judge reads meaning.
    """
    a, b = _counts(one), _counts(other)
    shared = sum(count * b[word] for word, count in a.items())
    size = sqrt(sum(c * c for c in a.values()) * sum(c * c for c in b.values()))
    return shared / size if size else 0.0


def _counts(text: str) -> Counter[str]:
    words = _WORD.findall(text.casefold())
    return Counter(words) + Counter(f"{a} {b}" for a, b in itertools.pairwise(words))


# --- language --------------------------------------------------------------------------------------------------------

# the commonest words of each, which any two sentences of it hold
_COMMON = {
    "de": "der die das und ist nicht ein eine ich du sie wir zu mit auf für dass auch wie dein deine kann wenn es dir",
    "en": "the and is not a an i you we to with on for that also how your can if it of this are have be my",
    "es": "el la los las y es no un una yo tú que de con en para por como tu tus puede si lo se más está",
    "fr": "le la les et est pas un une je tu nous vous de avec sur pour que aussi comment ton votre peut si il des ce",
    "it": "il lo la gli e è non un una io tu che di con su per come tuo tua può se si sono della del più",
    "nl": "de het een en is niet ik je jij we wij te met op voor dat ook hoe jouw kan als van dit zijn er",
    "pl": "i jest nie w na z do się że to jak twój twoje może jeśli ale są dla po od który czy być ja ty",
    "pt": "o a os as e é não um uma eu você que de com em para por como seu sua pode se mais está isso ao",
    "tr": "ve bir bu için ile değil de da ne ben sen çok gibi daha var yok ama olarak senin mi kadar en",
}
_SETS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),  # before Chinese: Japanese uses both
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)
_LEAST = 2  # common words that a guess needs


def language_of(text: str) -> str:
    """The language as a code of two letters, by script or by its commonest words; "" where that cannot be told."""
    letters = sum(c.isalpha() for c in text)
    for language, script in _SCRIPTS:
        if letters and len(script.findall(text)) > 0.2 * letters:
            return language
    words = _WORD.findall(text.casefold())
    found = sorted(((sum(w in known for w in words), language) for language, known in _SETS.items()), reverse=True)
    (most, first), (second, _) = found[0], found[1]
    return first if most >= _LEAST and most > second else ""


# --- refusal ---------------------------------------------------------------------------------------------------------

_REFUSALS = re.compile(
    r"\bi (?:can ?not|can't|won't|will not|must not|am not able to|am unable to)\b|\bi'm (?:not able|unable) to\b"
    r"|\b(?:not able|unable) to (?:help|assist|advise|provide|give|share|answer|recommend)\b"
    r"|\bnot something i can\b|\bi(?: am|'m) not allowed\b|\bagainst (?:my|our) (?:rules|guidelines|policy)\b"
    r"|\bich (?:kann|darf|werde) (?:\w+ ){0,4}(?:nicht|kein)|\bje ne (?:peux|puis) pas\b|\bno puedo\b|\bnon posso\b"
    r"|\bnão posso\b|\bik kan (?:\w+ ){0,3}(?:niet|geen)\b|\bnie mogę\b|не могу|できません|不能|无法",
    re.IGNORECASE,
)


def declines(text: str) -> bool:
    """Whether a text says that it will not do what was asked: by the phrases that agents use, in a dozen languages."""
    return bool(_REFUSALS.search(text.replace("’", "'")))
