"""AgentCore Gateways under test: the adapter on seats of a real runtime, its clock, and who is known to be on it."""

import time
from dataclasses import replace

from headgate.core.model import Version
from headgate.platforms.agentcore import words
from headgate.traffic.agentcore_gateway import AgentCoreGatewayTraffic


class Quick:
    """The machine's clock, without its waits: what is polled is polled soon."""

    def __init__(self):
        self.slept = self.ahead = 0.0

    def now(self):
        return time.time() + self.ahead

    def sleep(self, seconds):
        self.slept += seconds
        time.sleep(min(seconds, 0.03))


class Known:
    """The sessions that a test says are open, by endpoint."""

    def __init__(self):
        self.sessions = {}

    def open(self, _agent, endpoint):
        return self.sessions.get(endpoint, [])


class Seated(AgentCoreGatewayTraffic):
    """The contract's policies name versions at urls; here each is an endpoint of a real runtime."""

    arn, host = "", ""

    def apply(self, asked):
        def seat(version):
            name = f"headgate_{'abc'[int(version.number) - 1]}"
            return version and Version(version.number, "", words.address(self.arn, name, self.host))

        candidate = seat(asked.candidate) if asked.candidate else None
        retired = tuple(seat(each) for each in asked.retired)
        super().apply(replace(asked, baseline=seat(asked.baseline), candidate=candidate, retired=retired))
