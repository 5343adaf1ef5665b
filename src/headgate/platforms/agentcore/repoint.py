"""The drill `agentcore-repoint`: what AWS does not document of versions, endpoints and sessions, measured.

It makes a runtime of its own from a probe that tells its version, moves an endpoint of it forth and back under
sessions, and removes all of it at the end, however it ends. Nothing of the agent's own runtime is touched or called.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from headgate.aws.clients import Clients, data_client, is_loopback
from headgate.aws.faults import mapped
from headgate.core.plan import Plan
from headgate.errors import PortError, Rejected, RunFailed, TimedOut
from headgate.platforms.agentcore.artifacts import LOCAL_BUCKET, Source, artifact
from headgate.platforms.agentcore.platform import LOCAL_ROLE
from headgate.platforms.agentcore.runtimes import Runtimes

ENDPOINT = "headgate_drill"
NAME = "headgate_drill_"  # of the runtime, and then a word of its own
FOLDER = "headgate-drill"  # in the bucket
SETTLES_S = 900.0  # how long AWS may take for one change
FOLLOWS_S = 60.0  # how long DEFAULT is watched
TURN_S = 90.0
POLL_S = 0.5
NEW_SESSIONS = 5  # that must all meet the version that is live
IDLE_S = 60  # the least that AWS takes: sessions of a drill cost little

Data = dict[str, Any]


class Clock(Protocol):
    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Step:
    """What was done or asked, in words; how long it took (None: nothing was timed); what was found."""

    what: str
    seconds: float | None
    found: str

    def data(self) -> Data:
        took = None if self.seconds is None else round(self.seconds, 3)
        return {"step": self.what, "seconds": took, "found": self.found}


@dataclass(frozen=True, slots=True)
class Where:
    """Where the probe goes: a bucket ("local": the local runtime's), the execution role, a fresh word for names."""

    bucket: str
    prefix: str
    role: str
    word: str


def where_of(plan: Plan, clients: Clients, word: str) -> Where:
    """Where a drill for the plan's agent goes: its bucket and prefix, its role. Raises PortErrors."""
    place = plan.platform
    if place.kind == "local":
        return Where(LOCAL_BUCKET, "", LOCAL_ROLE, word)
    if not place.get("bucket"):
        raise Rejected("the drill needs a bucket for its code", "add `bucket: NAME` to the plan's platform")
    role = place.get("role")
    if not role:
        with mapped("reading the runtime's execution role"):
            id = Runtimes(clients.control, place.get("runtime")).need(plan.agent)
            role = clients.control.get_agent_runtime(agentRuntimeId=id)["roleArn"]
    return Where(place.get("bucket"), place.get("prefix", "headgate/"), role, word)


def is_real(clients: Clients) -> bool:
    """Whether this is somebody's account, not a runtime of this machine."""
    return not is_loopback(clients.control.meta.endpoint_url)


@dataclass(slots=True)
class _Turns:
    asked: int = 0
    failed: int = 0


class Repoint:
    """One run. `told` hears each step when it is done. Raises PortErrors; RunFailed where AWS did what it must not."""

    def __init__(self, clients: Clients, where: Where, clock: Clock, told: Callable[[Step], None]) -> None:
        self._clients, self._control, self.where, self._clock = clients, clients.control, where, clock
        self._told = told
        place = clients.place
        self._turns_by = data_client(place.endpoint_url or None, place.region or None, timeout_s=TURN_S)
        self._id = self._arn = ""
        self._code: Data = {}
        self._machines: dict[str, str] = {}  # the first that was met, by version
        self.steps: list[Step] = []
        self.turns = _Turns()
        self.recovery_s: float | None = None
        self.left: list[str] = []  # what could not be removed

    def run(self) -> None:
        """All steps in order; whatever happens, what was made is removed."""
        try:
            # the local runtime reads the directory anew for each version
            with tempfile.TemporaryDirectory(prefix="headgate-drill-") as folder, mapped("drill agentcore-repoint"):
                self._made(Path(folder))
                self._follows()
                self._forth()
                self._back()
                self._default()
                self._omitted()
        finally:
            self._remove()

    # --- the steps

    def _made(self, folder: Path) -> None:
        text = resources.files("headgate.platforms.agentcore").joinpath("probe_agent.py").read_text("utf-8")
        (folder / "main.py").write_text(text, encoding="utf-8")
        source = Source(directory=str(folder), bucket=self.where.bucket, prefix=self.where.prefix)
        self._code = artifact(source, FOLDER, self._clients, {})
        began = self._clock.now()
        made = self._control.create_agent_runtime(agentRuntimeName=f"{NAME}{self.where.word}", **self._version("1"))
        self._id, self._arn = made["agentRuntimeId"], made["agentRuntimeArn"]
        self._await("version 1 is READY", lambda: self._runtime("1") == "READY")
        self._note("make a runtime, until its version 1 is READY", began, f"runtime {self._id}")
        began = self._clock.now()
        self._control.create_agent_runtime_endpoint(agentRuntimeId=self._id, name=ENDPOINT, agentRuntimeVersion="1")
        self._await("the endpoint is READY on version 1", lambda: self._on("1"))
        self._note(
            f"make the endpoint {ENDPOINT} on version 1, until it is READY there", began, "live and target are 1"
        )
        began = self._clock.now()
        mark, _ = self._must(self._session("old"))
        self._expect(mark == "1", f"a first turn met version {mark}, not 1")
        self._note("first turn of a new session (its machine starts)", began, "version 1 answered")

    def _follows(self) -> None:
        began = self._clock.now()
        self._control.update_agent_runtime(agentRuntimeId=self._id, **self._version("2"))
        self._await("version 2 is READY", lambda: self._runtime("2") == "READY")
        self._note("make version 2, until it is READY", began, "everything of the runtime is as it was, but a variable")
        follows = self._within(FOLLOWS_S, lambda: self._endpoint("DEFAULT").get("liveVersion") == "2")
        found = "DEFAULT moved to version 2 by itself" if follows else f"DEFAULT did not move within {FOLLOWS_S:g} s"
        self._note("what DEFAULT does then", began, found)
        mark, _ = self._must(self._session("old"))
        self._note(f"the session that began on version 1, by {ENDPOINT}", None, f"version {mark} answers it")
        self._expect(mark == "1", f"a named endpoint that nobody moved serves version {mark}")

    def _forth(self) -> None:
        self._moved("2", "point the endpoint at version 2")
        mark, machine = self._must(self._session("old"))
        before = self._machines["1"]
        kept = "on the machine that it had" if machine == before else "on another machine"
        self._note("the session that began on version 1, after the move", None, f"version {mark} answers it, {kept}")
        began = self._clock.now()
        try:
            self._clients.data.stop_runtime_session(
                agentRuntimeArn=self._arn, runtimeSessionId=self._session("old"), qualifier=ENDPOINT
            )
        except self._clients.data.exceptions.ResourceNotFoundException:
            self._note("stop that session", began, "AWS knows no such session any more")
        else:
            self._note("stop that session", began, "accepted")
        began = self._clock.now()
        mark, _ = self._must(self._session("old"))
        self._note("its next turn after the stop", began, f"version {mark} answers it")
        self._expect(mark == "2", f"a stopped session came back on version {mark}, and the endpoint is on 2")

    def _back(self) -> None:
        self.recovery_s = self._moved("1", "point the endpoint back at version 1 (a rollback)")

    def _moved(self, number: str, what: str) -> float:
        """Move the endpoint; the seconds until it is live there and new sessions, all of them, meet the version."""
        began = self._clock.now()
        self._control.update_agent_runtime_endpoint(
            agentRuntimeId=self._id, endpointName=ENDPOINT, agentRuntimeVersion=number
        )
        self._note(f"{what}: accepted", began, "asked is not done")
        self._await(f"the endpoint is READY on version {number}", lambda: self._on(number))
        self._note(f"{what}: READY, live and target are {number}", began, f"version {number}")
        first = self._clock.now()
        late = 0
        while (met := [self._must(self._fresh())[0] for _ in range(NEW_SESSIONS)]) != [number] * NEW_SESSIONS:
            late += sum(mark != number for mark in met)
            if self._clock.now() - first > SETTLES_S:
                raise TimedOut(f"new sessions still meet another version {SETTLES_S:g} s after {what}")
            self._clock.sleep(POLL_S)
        took = self._clock.now() - began
        found = f"{late} new sessions met the other version after READY" if late else "no new session met the other one"
        self._note(f"{what}: {NEW_SESSIONS} new sessions in a row meet it", began, found)
        return took

    def _default(self) -> None:
        began = self._clock.now()
        try:
            with mapped("asked"):
                self._control.update_agent_runtime_endpoint(
                    agentRuntimeId=self._id, endpointName="DEFAULT", agentRuntimeVersion="1"
                )
        except Rejected as error:
            found = f"refused: {error.message}"
        else:
            moved = self._within(FOLLOWS_S, lambda: self._endpoint("DEFAULT").get("liveVersion") == "1")
            found = "accepted, and DEFAULT is on version 1" if moved else "accepted, and DEFAULT did not move"
        self._note("UpdateAgentRuntimeEndpoint on DEFAULT", began, found)

    def _omitted(self) -> None:
        asked = self._version("3")
        del asked["environmentVariables"]
        made = self._control.update_agent_runtime(agentRuntimeId=self._id, **asked)
        number = made["agentRuntimeVersion"]
        self._await(f"version {number} is READY", lambda: self._runtime(number) == "READY")
        told = self._control.get_agent_runtime(agentRuntimeId=self._id, agentRuntimeVersion=number)
        found = "kept from the version before" if told.get("environmentVariables") else "lost: an update replaces all"
        self._note("an update that leaves the variables out", None, found)

    # --- the end

    def _remove(self) -> None:
        """All that was made, each on its own: one that fails keeps no other."""
        began = self._clock.now()
        if self._id:
            self._try(f"endpoint {ENDPOINT} of {self._id}", self._delete_endpoint)
            self._try(f"runtime {self._id}", self._delete_runtime)
        place = self._code.get("codeConfiguration", {}).get("code", {}).get("s3", {})
        if place and place["bucket"] != LOCAL_BUCKET:
            self._try(f"s3://{place['bucket']}/{place['prefix']}", lambda: self._delete_code(place))
        self._turns_by.close()
        left = f"NOT removed: {', '.join(self.left)}" if self.left else "nothing is left"
        self._note("remove runtime, endpoints and code", began, left)

    def _try(self, what: str, remove: Callable[[], None]) -> None:
        try:
            with mapped(f"removing {what}"):
                remove()
        except PortError as error:
            self.left.append(f"{what} ({error.message})")

    def _delete_endpoint(self) -> None:
        if not self._endpoint(ENDPOINT):
            return
        self._control.delete_agent_runtime_endpoint(agentRuntimeId=self._id, endpointName=ENDPOINT)
        self._await(f"{ENDPOINT} is gone", lambda: not self._endpoint(ENDPOINT))

    def _delete_runtime(self) -> None:
        self._control.delete_agent_runtime(agentRuntimeId=self._id)
        self._await(f"runtime {self._id} is gone", lambda: self._runtime("") == "")

    def _delete_code(self, place: Mapping[str, str]) -> None:
        version = {"VersionId": place["versionId"]} if "versionId" in place else {}
        self._clients.service("s3").delete_object(Bucket=place["bucket"], Key=place["prefix"], **version)

    # --- helpers

    def _version(self, mark: str) -> Data:
        return {
            "agentRuntimeArtifact": self._code,
            "roleArn": self.where.role,
            "networkConfiguration": {"networkMode": "PUBLIC"},
            "lifecycleConfiguration": {"idleRuntimeSessionTimeout": IDLE_S},
            "environmentVariables": {"HEADGATE_MARK": mark},
        }

    def _runtime(self, number: str) -> str:
        """The status of a version ("": of the runtime); "" where it is gone."""
        more = {"agentRuntimeVersion": number} if number else {}
        try:
            found = self._control.get_agent_runtime(agentRuntimeId=self._id, **more)
        except self._control.exceptions.ResourceNotFoundException:
            return ""
        if found["status"].endswith("FAILED"):
            raise RunFailed(f"version {number} of the drill is {found['status']}: {found.get('failureReason', '')}")
        return str(found["status"])

    def _endpoint(self, name: str) -> Data:
        try:
            found: Data = self._control.get_agent_runtime_endpoint(agentRuntimeId=self._id, endpointName=name)
        except self._control.exceptions.ResourceNotFoundException:
            return {}
        return found

    def _on(self, number: str) -> bool:
        found = self._endpoint(ENDPOINT)
        if str(found.get("status", "")).endswith("FAILED"):
            raise RunFailed(f"the drill's endpoint is {found['status']}: {found.get('failureReason', '')}")
        return (found.get("status"), found.get("liveVersion"), found.get("targetVersion")) == ("READY", number, number)

    def _session(self, name: str) -> str:
        return f"headgate-drill-{self.where.word}-{name}".ljust(40, "0")

    def _fresh(self) -> str:
        return self._session(f"new-{self.turns.asked}")

    def _must(self, session: str) -> tuple[str, str]:
        """(version's mark, machine) of a turn; one that fails is counted and made again, for a while."""
        began = self._clock.now()
        while True:
            self.turns.asked += 1
            try:
                with mapped("a turn of the drill"):
                    said = self._turns_by.invoke_agent_runtime(
                        agentRuntimeArn=self._arn, runtimeSessionId=session, qualifier=ENDPOINT, payload=b"{}"
                    )
                    told = json.loads(said["response"].read())
                self._machines.setdefault(told["mark"], told["machine"])
                return str(told["mark"]), str(told["machine"])
            except PortError:
                self.turns.failed += 1
                if self._clock.now() - began > TURN_S:
                    raise
                self._clock.sleep(POLL_S)

    def _within(self, seconds: float, done: Callable[[], bool]) -> bool:
        end = self._clock.now() + seconds
        while not done():
            if self._clock.now() > end:
                return False
            self._clock.sleep(POLL_S)
        return True

    def _await(self, what: str, done: Callable[[], bool]) -> None:
        if not self._within(SETTLES_S, done):
            raise TimedOut(f"{what}: not within {SETTLES_S:g} s")

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise RunFailed(f"drill agentcore-repoint: {otherwise}")

    def _note(self, what: str, began: float | None, found: str) -> None:
        step = Step(what, None if began is None else self._clock.now() - began, found)
        self.steps.append(step)
        self._told(step)
