"""Alarms kept elsewhere, in memory. Passes the same suite as CloudWatch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from headgate.core.clouds import AlarmTold
from headgate.core.plan import Plan
from headgate.errors import PortError
from headgate.ports import CloudAlarm


@dataclass
class FakeAlarms:
    """`trouble`, while set, is raised, or told of what is read; `lost`: raised by the next `put`, once it is done.

    `stay`: alarms that cannot be kept here, with why. `told`: what `read` answers, by name; a new one is told as
    INSUFFICIENT_DATA. `puts` counts the calls.
    """

    trouble: PortError | None = None
    lost: PortError | None = None
    stay: dict[str, str] = field(default_factory=dict)
    made: dict[str, CloudAlarm] = field(default_factory=dict)
    told: dict[str, AlarmTold] = field(default_factory=dict)
    puts: int = 0

    def set(self, name: str, state: str, *, since: float = 0.0, endpoint: str = "", held: bool = False) -> None:
        """The alarm is in that state from now on; it need not be one of ours."""
        self.told[name] = AlarmTold(name, state, "set by the test", since, endpoint, held)

    # --- the port

    def here(self, _plan: Plan) -> Mapping[str, str]:
        return self.stay

    def put(self, alarms: Sequence[CloudAlarm]) -> None:
        self._answering()
        self.puts += 1
        for alarm in alarms:
            self.made[alarm.name] = alarm
            self.told.setdefault(alarm.name, AlarmTold(alarm.name, "INSUFFICIENT_DATA"))
        if self.lost is not None:
            lost, self.lost = self.lost, None
            raise lost

    def read(self, alarms: Sequence[str]) -> list[AlarmTold]:
        if self.trouble is not None:
            return [
                AlarmTold(alarm, "", str(self.trouble), retry=self.trouble.retry) for alarm in dict.fromkeys(alarms)
            ]
        missing = "there is no such alarm"
        return [self.told.get(alarm, AlarmTold(alarm, "", missing)) for alarm in dict.fromkeys(alarms)]

    def names(self, prefix: str) -> list[str]:
        self._answering()
        return sorted(name for name in self.told if name.startswith(prefix))

    def hear(self, names: Sequence[str], *, on: bool) -> None:
        self._answering()
        for name in names:
            self.made[name] = replace(self.made[name], heard=on)

    def remove(self, names: Iterable[str]) -> None:
        self._answering()
        for name in names:
            self.made.pop(name, None)
            self.told.pop(name, None)

    def _answering(self) -> None:
        if self.trouble is not None:
            raise self.trouble
