"""Every error Headgate raises on purpose, in one tree; each says who can mend it and whether trying again may help.

HeadgateError
  UsageError            wrong use of a command                               exit 2
  PlanError             a plan or suite file is wrong: file, line, column    exit 2
  RefusedError          permission, lease, human hold, second rollout        exit 4
    StaleTermError      a write by a controller that lost its lease
  PortError             something outside did not do as asked                exit 3
    Unavailable         could not be reached, or is busy        try again
      Throttled         reached, and it asked for fewer calls   try again
    TimedOut            no answer within the deadline           try again
    NotFound            reached, and it is not there            do not         exit 2
    Rejected            reached, and it said no                 do not
  LedgerBroken          a record was changed, dropped or reordered           exit 1
  RunFailed             a rollout or a suite ended badly                     exit 1
"""

from __future__ import annotations


class HeadgateError(Exception):
    """Base of all. `message` says what is wrong and where, `mend` what to do about it."""

    exit_code = 1
    retry = False

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message}\n  mend: {self.mend}" if self.mend else self.message


class UsageError(HeadgateError):
    """The command was used wrongly."""

    exit_code = 2


class PlanError(HeadgateError):
    """One or more problems in a plan or suite file, each a line `file:line:column: where: what`."""

    exit_code = 2

    def __init__(self, problems: list[str], mend: str = "") -> None:
        super().__init__("\n".join(problems), mend)
        self.problems = problems


class RefusedError(HeadgateError):
    """Not allowed now: permission, lease, a person's hold, another rollout of the same agent."""

    exit_code = 4


class StaleTermError(RefusedError):
    """A write carried the term of a lease that has passed to another controller."""


class PortError(HeadgateError):
    """Something outside (platform, gateway, store, receiver) did not do as asked."""

    exit_code = 3


class Unavailable(PortError):
    """Could not be reached, or is busy: the same call may work later."""

    retry = True


class Throttled(Unavailable):
    """Reached, and it asked for fewer calls: not a failure of what was asked, nor a quota that is used up."""


class TimedOut(PortError):
    """No answer within the deadline: whether it was done is unknown, so verify before asking again."""

    retry = True


class NotFound(PortError):
    """Reached, and what was asked for is not there."""

    exit_code = 2  # nothing is unreachable: another name is what helps


class Rejected(PortError):
    """Reached, and it said no: asking again changes nothing."""


class LedgerBroken(HeadgateError):
    """The ledger was tampered with or damaged."""


class RunFailed(HeadgateError):
    """A rollout or a suite ran and ended badly."""
