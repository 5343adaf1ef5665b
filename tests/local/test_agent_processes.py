"""One process per version in use: started, watched, restarted on its port, stopped, and never left behind."""

import json
import os
import signal
import socket
import textwrap

import httpx
import pytest
from botocore.exceptions import ClientError
from local_agents import BROKEN, ECHO, ROLE, SILENT, SLOW, alive, artifact, asked, behind, ready, settled, until, write
from model_oracle import checked

from headgate.aws.clients import control_client, data_client
from headgate.errors import RefusedError, UsageError
from headgate.platforms.local.logs import LogFile
from headgate.platforms.local.server import LocalSettings, serve
from headgate.testing.processes import running_runtime

ECHO_FLAT = textwrap.dedent(ECHO)


def started(control, source, name):
    """An agent with its first version on `production`; its id."""
    id = control.create_agent_runtime(**asked(source, name))["agentRuntimeId"]
    control.create_agent_runtime_endpoint(agentRuntimeId=id, name="production", agentRuntimeVersion="1")
    return id


def test_a_killed_process_comes_back_on_its_port(control, runtime, echo):
    """Another pid, the same URL, one restart counted, and it answers."""
    id = started(control, echo, "killed")
    ready(control, id, "production")
    before = behind(runtime, id, 1)
    os.kill(before["pid"], signal.SIGKILL)
    after = until(lambda: (now := behind(runtime, id, 1))["restarts"] and now["status"] == "READY" and now, "restart")
    assert (after["url"], after["restarts"]) == (before["url"], 1)
    assert httpx.post(f"{after['url']}/invocations", json={}).json()["pid"] == after["pid"] != before["pid"]


def test_a_process_that_ends_itself_in_a_turn_is_424_and_comes_back(control, data, runtime, echo):
    """The caller is told at once; the next turn is answered."""
    id = started(control, echo, "quitter")
    ready(control, id, "production")
    arn = control.get_agent_runtime(agentRuntimeId=id)["agentRuntimeArn"]
    with pytest.raises(ClientError) as caught:
        data.invoke_agent_runtime(agentRuntimeArn=arn, qualifier="production", payload=b'{"die": true}')
    assert caught.value.response["Error"]["Code"] == "RuntimeClientError"
    until(lambda: behind(runtime, id, 1)["restarts"] == 1, "restart")
    data.invoke_agent_runtime(agentRuntimeArn=arn, qualifier="production", payload=b"{}")["response"].read()


def test_one_that_dies_at_once_fails_its_endpoint_with_its_last_words(control, runtime, tmp_path):
    """CREATE_FAILED, the exit code, what it wrote; the log is kept; no process stays."""
    id = started(control, write(tmp_path / "broken", BROKEN), "broken")
    endpoint = settled(control, id, "production")
    assert endpoint["status"] == "CREATE_FAILED"
    assert "exited with code 1" in endpoint["failureReason"]
    assert "no model is configured" in endpoint["failureReason"]
    assert behind(runtime, id, 1)["status"] == "FAILED"
    assert "no model is configured" in (runtime.home / "logs" / f"{id}-1.log").read_text()


def test_an_update_to_a_broken_version_leaves_the_endpoint_serving(control, data, runtime, echo):
    """UPDATE_FAILED with the reason, liveVersion as before; moving back to it is READY again."""
    id = started(control, echo, "steadfast")
    ready(control, id, "production")
    pid = behind(runtime, id, 1)["pid"]
    write(echo, BROKEN)
    made = control.update_agent_runtime(agentRuntimeId=id, agentRuntimeArtifact=artifact(echo), roleArn=ROLE)
    control.update_agent_runtime_endpoint(agentRuntimeId=id, endpointName="production", agentRuntimeVersion="2")
    endpoint = settled(control, id, "production")
    assert (endpoint["status"], endpoint["liveVersion"], endpoint["targetVersion"]) == ("UPDATE_FAILED", "1", "2")
    arn = made["agentRuntimeArn"]
    answer = data.invoke_agent_runtime(agentRuntimeArn=arn, qualifier="production", payload=b"{}")
    assert json.load(answer["response"])["pid"] == pid
    control.update_agent_runtime_endpoint(agentRuntimeId=id, endpointName="production", agentRuntimeVersion="1")
    assert "failureReason" not in ready(control, id, "production")


def test_a_slow_start_is_waited_for(control, data, runtime, tmp_path):
    """CREATING meanwhile, with a turn put off, then READY."""
    id = started(control, write(tmp_path / "slow", SLOW), "slow")
    arn = control.get_agent_runtime(agentRuntimeId=id)["agentRuntimeArn"]
    assert behind(runtime, id, 1)["status"] == "CREATING"
    with pytest.raises(ClientError) as caught:
        data.invoke_agent_runtime(agentRuntimeArn=arn, qualifier="production", payload=b"{}")
    assert caught.value.response["Error"]["Code"] == "RetryableConflictException"
    ready(control, id, "production")


def test_one_that_never_answers_ping_fails_in_time(tmp_path):
    """CREATE_FAILED at the start deadline, and its process is gone."""
    with running_runtime(tmp_path / "home", start_deadline_s=1) as runtime:
        control = checked(control_client(runtime.url))
        id = started(control, write(tmp_path / "silent", SILENT), "silent")
        pid = until(lambda: behind(runtime, id, 1)["pid"], "it runs")
        endpoint = settled(control, id, "production")
        assert endpoint["status"] == "CREATE_FAILED"
        assert "/ping did not answer 200 within 1 s" in endpoint["failureReason"]
        until(lambda: not alive(pid), "it is gone")
        control.close()


def test_a_crash_loop_is_seen_and_callers_are_told(tmp_path):
    """A version that keeps dying is FAILED with a reason; its endpoint says so; in long pauses the port answers 503."""
    flag = tmp_path / "broken"
    text = f"import os\nif os.path.exists({str(flag)!r}):\n    raise SystemExit('out of quota')\n"
    source = write(tmp_path / "loop", text + ECHO_FLAT)
    with running_runtime(tmp_path / "home", backoff_s=0.3) as runtime:
        control = checked(control_client(runtime.url))
        id = started(control, source, "loop")
        ready(control, id, "production")
        flag.touch()
        os.kill(behind(runtime, id, 1)["pid"], signal.SIGKILL)
        state = until(lambda: (now := behind(runtime, id, 1))["status"] == "FAILED" and now, "it is given up")
        assert "out of quota" in state["reason"]
        endpoint = control.get_agent_runtime_endpoint(agentRuntimeId=id, endpointName="production")
        assert endpoint["status"] == "READY"
        assert "keeps failing" in endpoint["failureReason"]
        assert httpx.post(f"{state['url']}/invocations", json={}, timeout=20).status_code == 503
        flag.unlink()
        until(lambda: behind(runtime, id, 1)["status"] == "READY", "it recovers by itself")
        control.close()


def test_an_unused_version_is_stopped(control, runtime, echo):
    """When its endpoint goes, so does its process."""
    id = started(control, echo, "unused")
    ready(control, id, "production")
    pid = behind(runtime, id, 1)["pid"]
    control.delete_agent_runtime_endpoint(agentRuntimeId=id, endpointName="production")
    until(lambda: not alive(pid), "it is gone")
    assert behind(runtime, id, 1)["status"] == "STOPPED"


def test_default_is_stopped_when_idle(tmp_path, echo):
    """After the idle time without a turn its process is gone; the next turn starts it again."""
    with running_runtime(tmp_path / "home", session_idle_s=0.5) as runtime:
        control, data = control_client(runtime.url), data_client(runtime.url, None, timeout_s=30)
        made = control.create_agent_runtime(**asked(echo, "idle"))
        id, arn = made["agentRuntimeId"], made["agentRuntimeArn"]
        data.invoke_agent_runtime(agentRuntimeArn=arn, payload=b"{}")["response"].read()
        until(lambda: behind(runtime, id, 1)["status"] == "STOPPED", "idle stop")
        data.invoke_agent_runtime(agentRuntimeArn=arn, payload=b"{}")["response"].read()
        control.close()
        data.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_agent_outlives_its_runtime_and_a_restart_resumes(tmp_path, echo, how):
    """Also after kill -9, and also what the agent has started; the same endpoints are then served on the same port."""
    child = "import subprocess, sys\nCHILD = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    write(echo, child + ECHO_FLAT.replace('"mark": MARK', '"mark": CHILD.pid'))
    with running_runtime(tmp_path / "home") as runtime:
        control = control_client(runtime.url)
        id = started(control, echo, "resumed")
        ready(control, id, "production")
        before = behind(runtime, id, 1)
        grandchild = httpx.post(f"{before['url']}/invocations", json={}).json()["mark"]
        os.kill(runtime.running.pid, how)
        runtime.running.process.wait(20)
        until(lambda: not alive(before["pid"]) and not alive(grandchild), "nothing is left")
        control.close()
    with running_runtime(tmp_path / "home") as runtime:
        control = control_client(runtime.url)
        assert control.get_agent_runtime_endpoint(agentRuntimeId=id, endpointName="production")["liveVersion"] == "1"
        after = until(lambda: (now := behind(runtime, id, 1))["status"] == "READY" and now, "it runs again")
        assert (after["url"], after["digest"]) == (before["url"], before["digest"])
        control.close()


def test_a_runtime_ends_with_its_lifeline(tmp_path):
    """When whoever started it is gone, so is it."""
    with running_runtime(tmp_path / "home") as runtime:
        os.close(runtime.hold)
        assert runtime.running.process.wait(20) == 0


def test_a_port_in_use_is_said_so(tmp_path):
    """A usage error with the mend, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="cannot listen") as caught:
        serve(LocalSettings(listen=taken.getsockname(), home=tmp_path / "home"), ready=print)
    assert "--listen" in caught.value.mend


def test_two_runtimes_do_not_share_a_folder(tmp_path):
    """The second is refused and told who has it."""
    with running_runtime(tmp_path / "home") as runtime, pytest.raises(RefusedError, match=str(runtime.running.pid)):
        serve(LocalSettings(listen=("127.0.0.1", 0), home=tmp_path / "home"), ready=print)


def test_a_log_is_rotated_at_its_size(tmp_path):
    """Two files at most, none much longer than the limit, the newest line last; a full disk stops nobody."""
    log = LogFile(tmp_path / "a.log", max_bytes=1000)
    for number in range(1000):
        log.write(f"line {number}\n".encode())
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["a.log", "a.log.1"]
    assert all(path.stat().st_size < 1100 for path in tmp_path.iterdir())
    assert log.tail().endswith("line 999")
