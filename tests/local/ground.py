"""Where the contract suites of AWS's adapters run: on this machine, or in the account of HEADGATE_CONTRACT_AWS=PLAN.

Here the local runtime is AgentCore and moto is all the rest; there everything is made under names of the suites' own
and removed again. Both have the same adapters, the same probe as an agent, and the same suites.
"""

import contextlib
import json
import os
import time
from importlib import resources
from pathlib import Path
from uuid import uuid4

import pytest
from local_agents import ROLE

from aws_account import KEYS, running_account
from headgate import bootstrap
from headgate.config.plan_file import load_plan
from headgate.errors import Unavailable
from headgate.testing import contracts_platform
from headgate.testing.processes import running_runtime

PLAN = os.environ.get("HEADGATE_CONTRACT_AWS", "")
HERE = """
version: 1
agent: coach-companion
platform: {kind: agentcore, region: eu-west-1, endpoint_url: "%s", source: ., bucket: contract-code, role: "%s"}
strategy: {kind: canary, steps: [{weight: 100, bake: 1m}]}
"""


class Ground:
    """`plan` says where; `clients` are those of its place; names end in a word of this run's own."""

    def __init__(self, plan, folder):
        self.plan, self.folder, self.real = plan, folder, bool(PLAN)
        self.clients = bootstrap.aws(plan)
        self.word = uuid4().hex[:8]

    def sources(self):
        """Settings of two builds that differ by a variable, and of one that ends at once."""
        text = resources.files("headgate.platforms.agentcore").joinpath("probe_agent.py").read_text("utf-8")
        found = {}
        codes = {"one": text, "two": f"{text}# another one\n", "broken": 'raise SystemExit("no model is configured")'}
        for name, code in codes.items():
            folder = self.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "main.py").write_text(code)
            kept = {key: self.plan.platform.get(key) for key in ("bucket", "role", "region", "prefix")}
            found[name] = {**kept, "source": str(folder), "env": json.dumps({"HEADGATE_MARK": name})}
        return found

    def remove_runtimes(self):
        """Those of the suites, and no other."""
        control = self.clients.control
        for page in control.get_paginator("list_agent_runtimes").paginate():
            for each in page["agentRuntimes"]:
                if each["agentRuntimeName"].startswith(f"headgate_contract_{self.word}"):
                    control.delete_agent_runtime(agentRuntimeId=each["agentRuntimeId"])


@contextlib.contextmanager
def ground(folder):
    """The one or the other."""
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        if PLAN:
            patch.setattr(contracts_platform, "DEADLINE_S", 900.0)
            made = Ground(load_plan(Path(PLAN)).plan, folder)
        else:
            account = stack.enter_context(running_account())
            for name, value in {**KEYS, "AWS_ENDPOINT_URL": account}.items():
                patch.setenv(name, value)
            runtime = stack.enter_context(running_runtime(folder / "runtime", region="eu-west-1", s3=True))
            path = folder / "plan.yaml"
            (folder / "main.py").touch()
            path.write_text(HERE % (runtime.url, ROLE))
            made = Ground(load_plan(path).plan, folder)
            where = {"LocationConstraint": "eu-west-1"}
            made.clients.service("s3").create_bucket(Bucket="contract-code", CreateBucketConfiguration=where)
        try:
            yield made
        finally:
            made.remove_runtimes()
            made.clients.close()


def patiently(ask):
    """As a controller: what is under way is asked for again."""
    for _ in range(100):
        try:
            return ask()
        except Unavailable:
            time.sleep(3.0)
    return ask()


class Named:
    """A platform whose agents have names of this run's own, which asks again as a controller would."""

    def __init__(self, platform, name):
        self._platform, self._name = platform, name

    def _of(self, agent):
        return self._name if agent == contracts_platform.AGENT else agent

    def find(self, agent):
        return self._platform.find(self._of(agent))

    def build(self, agent, plan, token):
        return patiently(lambda: self._platform.build(self._of(agent), plan, f"{self._name}/{token}"))

    def version(self, agent, number):
        return self._platform.version(self._of(agent), number)

    def pin(self, agent, endpoint, number):
        patiently(lambda: self._platform.pin(self._of(agent), endpoint, number))

    def unpin(self, agent, endpoint):
        patiently(lambda: self._platform.unpin(self._of(agent), endpoint))
