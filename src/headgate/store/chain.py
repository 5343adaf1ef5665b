"""The hash chain of the ledger: how records are linked, and how a changed, dropped or reordered one is found. Pure.

hash = SHA-256 (hex) of previous hash + canonical JSON of {at, body, kind, rollout, seq}. The first record's previous
hash is GENESIS. Anybody can compute this: the chain shows damage and clumsy hands. Who rewrites the whole ledger and
its head is found by a head that was noted elsewhere, e.g. in a report: `expected_head`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from headgate.core.codec import canonical
from headgate.ports import Entry, Record

GENESIS = "0" * 64
_LISTED = 20  # problems that are spelled out
_NEAR = 32  # how far from its place a moved record is looked for


class Link(NamedTuple):
    """A record with its body still as canonical text, as it is stored and hashed."""

    seq: int
    at: float
    rollout: str
    kind: str
    body: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Verification:
    """`count` records were read, the last one's hash is `head`; `problems` are in the order of their places."""

    ok: bool
    count: int
    head: str
    problems: tuple[str, ...] = ()


def text_of(data: Any) -> str:
    """Canonical JSON text that UTF-8 can hold: half a surrogate pair (agents emit them) becomes its JSON escape."""
    text = canonical(data)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


@lru_cache(maxsize=1024)
def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False, default=repr)


def _hash(previous: str, link: Link) -> str:
    seq, at, rollout, kind, body, _, _ = link
    # the same text as canonical({"at": ..}), put together by hand because verifying parses no body
    text = f'{previous}{{"at":{at!r},"body":{body},"kind":{_quoted(kind)},"rollout":{_quoted(rollout)},"seq":{seq}}}'
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def extend(head: tuple[int, str], entries: Sequence[Entry], now: float) -> list[Link]:
    """The links that carry `entries` on from `head` = (count, last hash), at time `now`."""
    seq, previous = head
    at = float(now)
    links = []
    for entry in entries:
        seq += 1
        link = Link(seq, at, entry.rollout, entry.kind, text_of(entry.body), previous, "")
        links.append(link._replace(hash=_hash(previous, link)))
        previous = links[-1].hash
    return links


def record_of(link: Link) -> Record:
    """The record that a link holds."""
    return Record(link.seq, link.at, link.rollout, link.kind, json.loads(link.body), link.previous, link.hash)


def link_of(record: Record) -> Link:
    """The inverse of `record_of`."""
    body = text_of(record.body)
    return Link(record.seq, float(record.at), record.rollout, record.kind, body, record.previous, record.hash)


def verify(
    records: Iterable[Record], head: tuple[int, str] | None = None, expected_head: str | None = None
) -> Verification:
    """Whether a whole ledger, from its first record on, is as it was written; see `verify_links`."""
    return verify_links(map(link_of, records), head, expected_head)


def verify_links(
    links: Iterable[Link], head: tuple[int, str] | None = None, expected_head: str | None = None
) -> Verification:
    """Whether every link matches its hash and follows the one before.

    `head` is the (count, last hash) that the store keeps beside the ledger: it shows a missing tail. `expected_head`
    is a hash noted elsewhere: the ledger must contain it, and may have grown since.
    """
    walk = _Walk()
    wanted = (expected_head or GENESIS).strip().lower()
    found = wanted == GENESIS
    for link in links:
        seq, before, own = link.seq, link.previous, link.hash
        if seq == walk.seq + 1 and before == walk.hash and own == _hash(before, link):
            walk.seq, walk.hash = seq, own
        else:
            walk.explain(link)
        walk.count += 1
        found = found or own == wanted
    problems = [*walk.problems(), *_head_problems(walk, head)]
    if not found:
        problems.append(
            f"head mismatch: no record has the expected hash {wanted}; "
            "the ledger was rewritten, cut before it, or is another one"
        )
    return Verification(not problems, walk.count, walk.hash, tuple(problems))


def _head_problems(walk: _Walk, head: tuple[int, str] | None) -> Iterator[str]:
    if head is None or head == (walk.seq, walk.hash):
        return
    count, own = head
    if count > walk.seq:
        lost = f"L{count} is" if count == walk.seq + 1 else f"L{walk.seq + 1} to L{count} are"
        yield f"tail missing: {lost} gone; the head says {count} records, the last one here is L{walk.seq}"
    elif count < walk.seq:
        yield f"head mismatch: the head says {count} records, but L{walk.seq} is here; it was not put in by Headgate"
    else:
        yield f"head mismatch: the head says that L{count} has hash {own or '(none)'}, and it has {walk.hash}"


@dataclass(slots=True)
class _Walk:
    """Where a verification stands: the highest record so far, and what was wrong on the way."""

    seq: int = 0
    hash: str = GENESIS
    count: int = 0
    untold: int = 0  # records that do not fit, beyond those that are listed
    found: list[tuple[int, str]] = field(default_factory=list)  # (place, problem)
    gaps: list[tuple[int, int, int]] = field(default_factory=list)  # (place, first, last)

    def explain(self, link: Link) -> None:
        """Say what is wrong with a link that does not fit, and go on from it: one fault is not reported for ever."""
        late = link.seq <= self.seq
        if len(self.found) + len(self.gaps) >= _LISTED:
            self.untold += 1
        else:
            self._tell(link, late=late)
        if not late:
            self.seq, self.hash = link.seq, link.hash

    def _tell(self, link: Link, *, late: bool) -> None:
        if late:
            self._close_gap(link.seq)
            self._note(
                f"reordered: L{link.seq} stands after L{self.seq}"
                if self.seq
                else f"changed: what stands at L{link.seq} is before the first record"
            )
        elif link.seq > self.seq + 1:
            self.gaps.append((self.count, self.seq + 1, link.seq - 1))
        if _hash(link.previous, link) != link.hash:
            self._note(_why_unlike(link))
        elif link.seq == self.seq + 1 and link.previous != self.hash:
            before = f"L{self.seq} was changed, or" if self.seq else "it is not the beginning, or"
            self._note(f"changed: L{link.seq} does not follow what is before it: {before} one was put in")

    def _note(self, text: str) -> None:
        self.found.append((self.count, text))

    def _close_gap(self, seq: int) -> None:
        """A record that was missed turned up late: it is reordered, not dropped."""
        for i, (place, first, last) in enumerate(self.gaps):
            if first <= seq <= last:
                parts = [(place, a, b) for a, b in ((first, seq - 1), (seq + 1, last)) if a <= b]
                self.gaps[i : i + 1] = parts
                return

    def problems(self) -> list[str]:
        """All that was found, by place."""
        dropped = [
            (place, f"dropped: {f'L{a} is' if a == b else f'L{a} to L{b} are'} missing") for place, a, b in self.gaps
        ]
        told = [text for _, text in sorted(dropped + self.found, key=lambda item: item[0])]
        return [*told, f"and {self.untold} more records do not fit"] if self.untold else told


def _why_unlike(link: Link) -> str:
    for step in range(1, _NEAR + 1):
        for seq in (link.seq - step, link.seq + step):
            if _hash(link.previous, link._replace(seq=seq)) == link.hash:
                return f"reordered: what stands at L{link.seq} was written as L{seq}"
    return f"changed: L{link.seq} ({link.kind}) is not what was written: it does not match its hash"
