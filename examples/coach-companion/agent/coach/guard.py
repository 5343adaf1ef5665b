"""What must not leave the coach, whatever the model wrote: a dose, its instructions, somebody's data.

The answer passes through an `Outlet` sentence by sentence, also while it is streamed, so that nothing is sent that
would have to be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from coach import safety

# what a guard is given: the sentence, the words before it, the version's instructions; it returns what to say instead
# (which ends the answer), or the sentence, changed or not
Guard = Callable[[str, list[str], str], tuple[str, bool]]

_DOSE = re.compile(r"\d+([.,]\d+)? ?(mg|mcg|µg|milligrams?|micrograms?)\b|\d+ units of insulin", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b|\b\d{3}-\d{2}-\d{4}\b")
_SENTENCE = re.compile(r".*?(?:[.!?。！？](?=\s)|\n)\s*", re.DOTALL)
_RUN = 8  # words in a row that the instructions have too: no chance, a leak


def no_dose(sentence: str, _before: list[str], _prompt: str) -> tuple[str, bool]:
    """No amount of a medicine."""
    return (safety.answer_to(safety.DOSE), True) if _DOSE.search(sentence) else (sentence, False)


def no_leak(sentence: str, before: list[str], prompt: str) -> tuple[str, bool]:
    """Nothing of the instructions, also where they are cut into sentences."""
    words = _words(" ".join(before[1 - _RUN :]) + " " + sentence)
    whole = " " + " ".join(_words(prompt)) + " "
    runs = (" ".join(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1))
    leaked = any(f" {run} " in whole for run in runs)
    return (safety.answer_to(safety.INJECTION), True) if leaked else (sentence, False)


def no_private(sentence: str, _before: list[str], _prompt: str) -> tuple[str, bool]:
    """No e-mail address, card or social security number; nobody needs to hear their own again either."""
    return _CARD.sub("[number]", _EMAIL.sub("[e-mail]", sentence)), False


GUARDS: tuple[Guard, ...] = (no_dose, no_leak, no_private)


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.casefold())


class Outlet:
    """Takes an answer in pieces of any size and gives it out in whole sentences, guarded."""

    def __init__(self, guards: tuple[Guard, ...], prompt: str) -> None:
        self._guards = guards
        self._prompt = prompt
        self._held = ""
        self._before: list[str] = []
        self.stopped = False

    def feed(self, piece: str) -> Iterator[str]:
        """What may be sent now."""
        self._held += piece
        while not self.stopped and (found := _SENTENCE.match(self._held)):
            self._held = self._held[found.end() :]
            yield self._guarded(found[0])

    def end(self) -> Iterator[str]:
        """The rest."""
        if self._held and not self.stopped:
            yield self._guarded(self._held)
        self._held = ""

    def _guarded(self, sentence: str) -> str:
        for guard in self._guards:
            sentence, self.stopped = guard(sentence, self._before, self._prompt)
            if self.stopped:
                return sentence
        self._before = (self._before + sentence.split())[-_RUN:]
        return sentence
