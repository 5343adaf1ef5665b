"""The gateway as a process: killed, stopped, orphaned, started twice, started alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import contextmanager

import httpx
import pytest
from gateway_helpers import (
    ARN,
    PATIENCE,
    SSE_HEAD,
    TOKEN,
    Live,
    Raw,
    agentcore,
    event,
    head,
    policy,
    session_id,
    wait_for,
)

from headgate.errors import Unavailable, UsageError
from headgate.gateway.server import GatewaySettings, serve
from headgate.stats.observations import Second
from headgate.telemetry.gateway import GatewayTelemetry
from headgate.traffic.embedded import EmbeddedTraffic

SCRIPT = textwrap.dedent(
    """
    import json, sys
    from hashlib import sha256
    from pathlib import Path
    from headgate.gateway.server import GatewaySettings, serve

    home, token, fixed, lifeline = sys.argv[1:]
    settings = GatewaySettings(
        listen=("127.0.0.1", 0), admin=("127.0.0.1", 0), home=Path(home),
        token_sha256=sha256(token.encode()).hexdigest() if token else "",
        policy_file=Path(fixed) if fixed else None, lifeline_fd=int(lifeline) if lifeline else None, stop_s=5.0,
    )
    serve(settings, lambda addresses: print(json.dumps(addresses), flush=True))
    """
)


@contextmanager
def gateway(home, fixed="", lifeline=None, token=TOKEN):
    """A gateway in a process of its own; (process, addresses)."""
    arguments = [str(home), token, str(fixed), "" if lifeline is None else str(lifeline)]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        stdout=subprocess.PIPE,
        pass_fds=() if lifeline is None else (lifeline,),
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line, "the gateway ended before it was ready"
        yield process, json.loads(line)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        process.stdout.close()


@pytest.fixture
def versions(tmp_path):
    """Two versions (and a gateway that is not used)."""
    with Live(tmp_path / "other") as live:
        yield live


def serve_both(addresses, versions, **members):
    """Puts a policy over both versions in force."""
    traffic = EmbeddedTraffic(addresses["admin"], TOKEN)
    traffic.apply(policy(versions.one.url, versions.two.url, **members))
    traffic.close()


def invoke(client, session):
    """The version that answered."""
    answer = client.invoke_agent_runtime(agentRuntimeArn=ARN, runtimeSessionId=session, payload=b"{}")
    return json.loads(answer["response"].read())["version"]


def test_kill_9_forgets_no_session(tmp_path, versions):
    """Every session that was answered goes on where it began, though the weight is the other way round by then."""
    home = tmp_path / "home"
    with gateway(home) as (process, addresses):
        serve_both(addresses, versions, weight=50.0)
        client = agentcore(addresses["url"])
        served = {i: invoke(client, session_id(i)) for i in range(60)}
        process.kill()
        client.close()
    assert set(served.values()) == {"1", "2"}
    with gateway(home) as (_, addresses):  # nobody told it anything: it serves on its last policy
        client = agentcore(addresses["url"])
        assert {i: invoke(client, session_id(i)) for i in range(30)} == {i: served[i] for i in range(30)}
        serve_both(addresses, versions, weight=100.0, salt="other", epoch=2)
        assert {i: invoke(client, session_id(i)) for i in range(60)} == served
        client.close()


def test_sigterm_finishes_what_is_in_flight_and_loses_no_row(tmp_path, versions):
    """The stream ends well, the process ends with 0, and the counts are in the log at the next start."""
    home, go = tmp_path / "home", versions.event()

    async def stream(_request, writer):
        writer.write(SSE_HEAD + event(n=1))
        await go.wait()
        writer.write(event(n=2) + b"0\r\n\r\n")

    versions.one.script = stream
    with gateway(home) as (process, addresses):
        serve_both(addresses, versions)
        port = int(addresses["url"].rpartition(":")[2])
        with Raw(port) as raw:
            raw.send(head(session_id(1), 2) + b"{}")
            raw.until(b"}\n\n")
            process.send_signal(signal.SIGTERM)
            wait_for(lambda: refuses(port), "a closed port")
            versions.loop.call_soon_threadsafe(go.set)
            assert raw.to_end().endswith(b"0\r\n\r\n")
        assert process.wait(PATIENCE) == 0
    with gateway(home) as (_, addresses):
        telemetry = GatewayTelemetry(addresses["admin"], TOKEN)
        (row,) = [row for row in telemetry.poll("coach", "")[0] if isinstance(row, Second) and row.requests]
        assert (row.requests, row.errors) == (1, {})
        telemetry.close()


def refuses(port):
    """Whether nobody listens there any more."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return True
    return False


def test_a_gateway_does_not_outlive_its_parent(tmp_path):
    """The end of the lifeline is the end of the process."""
    read, write = os.pipe()
    with gateway(tmp_path, lifeline=read) as (process, _):
        os.close(read)
        assert process.poll() is None
        os.close(write)
        assert process.wait(PATIENCE) == 0


def settings(home, **members):
    """Settings for `serve` in this process."""
    return GatewaySettings(**{"listen": ("127.0.0.1", 0), "admin": ("127.0.0.1", 0), "home": home, **members})


def test_a_port_in_use_is_named(tmp_path):
    """With the option that gives another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for member, option in (("listen", "--listen"), ("admin", "--admin")):
            with pytest.raises(Unavailable, match=f"port {port} .* in use") as failed:
                serve(settings(tmp_path, **{member: ("127.0.0.1", port)}), lambda _: None)
            assert option in failed.value.mend


def test_an_address_of_another_machine_is_refused(tmp_path):
    """Before anything is opened."""
    with pytest.raises(Unavailable, match=r"192\.0\.2\.1"):
        serve(settings(tmp_path, listen=("192.0.2.1", 0)), lambda _: None)


def test_a_home_that_is_a_file_is_named(tmp_path):
    """Nothing can be kept there."""
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(Unavailable, match="file"):
        serve(settings(path), lambda _: None)


@pytest.mark.parametrize("name", ["pins.db", "telemetry.db"])
def test_a_damaged_database_is_named(tmp_path, name):
    """Sessions are never silently moved: a person decides what to do with it."""
    (tmp_path / name).write_bytes(b"this is not a database, it only looks like a file" * 100)
    with pytest.raises(Unavailable, match=name) as failed:
        serve(settings(tmp_path), lambda _: None)
    assert "moved away" in failed.value.mend


def test_a_damaged_policy_is_named(tmp_path):
    """There is no last good one to serve."""
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "coach.json").write_text("{")
    with pytest.raises(Unavailable, match=r"coach\.json"):
        serve(settings(tmp_path), lambda _: None)


def test_a_missing_policy_file_is_wrong_use(tmp_path):
    """It is named, with the form that it should have."""
    with pytest.raises(UsageError, match="nowhere"):
        serve(settings(tmp_path, policy_file=tmp_path / "nowhere.yaml"), lambda _: None)


@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_fixed_policy_needs_nobody(tmp_path, versions, token):
    """No controller, no token: it serves, splits, pins and measures, and nobody can change it."""
    fixed = tmp_path / "policy.yaml"
    fixed.write_text(
        f"agents: [{{arn: '{ARN}', baseline: {{version: '1', url: '{versions.one.url}'}},"
        f" candidate: {{version: '2', url: '{versions.two.url}', weight: 50}}}}]"
    )
    with gateway(tmp_path / "home", fixed=fixed, token=token) as (_, addresses):
        client = agentcore(addresses["url"])
        served = {i: invoke(client, session_id(i)) for i in range(40)}
        assert {i: invoke(client, session_id(i)) for i in range(40)} == served
        client.close()
        assert set(served.values()) == {"1", "2"}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = addresses["admin"] + "/policy/coach"
        assert httpx.get(url, headers=headers, trust_env=False).json()["weight"] == 50
        body = {"by": "ann", "reason": "x"}
        assert httpx.post(f"{url}/force-down", json=body, headers=headers, trust_env=False).status_code == 403
