"""Users of the agent as they would be: unmodified boto3 `bedrock-agentcore` clients with another endpoint_url.

`Clients` holds sessions of many turns in the background, JSON and SSE, and counts what the users saw: sessions, turns,
failed turns, and sessions whose version changed on the way.
"""

import json
import random
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

TALK = ("I want to lose 5 kg in 3 months", "I lost 1 kg this week", "I am stuck on a plateau", "What should I do next?")
AT_ONCE, PAUSE_S = 32, 0.2


class Clients:
    """`rate` sessions begin each second, as long as the block lasts, or until `stop`, which returns the counts."""

    def __init__(self, gateway: str, arn: str, rate: float) -> None:
        self._arn, self._every = arn, 1.0 / rate
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1},  # a turn must not run twice
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=AT_ONCE,
        )
        self._client = boto3.client(
            "bedrock-agentcore",
            endpoint_url=gateway,
            region_name="local",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=config,
        )
        self._ended = threading.Event()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._beginning = threading.Thread(target=self._begin, daemon=True)

    def __enter__(self) -> "Clients":
        self._beginning.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> dict[str, int]:
        """No new session, no new turn; the counts of what was."""
        self._ended.set()
        self._beginning.join()
        return dict(self._counts)

    def _begin(self) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            number = 0
            while not self._ended.wait(self._every):
                pool.submit(self._hold, random.Random(number))
                number += 1

    def _hold(self, rng: random.Random) -> None:
        session, versions, turns, failed = uuid.uuid4().hex + "-demo", set(), 0, 0
        for _ in range(rng.randint(3, 5)):
            if self._ended.wait(PAUSE_S):
                break
            turns += 1
            try:
                versions.add(self._turn(session, rng))
            except (ClientError, BotoCoreError):
                failed += 1
        with self._lock:
            self._counts.update(sessions=turns > 0, turns=turns, failed=failed, flips=len(versions) > 1)

    def _turn(self, session: str, rng: random.Random) -> str:
        """The version that answered."""
        answer = self._client.invoke_agent_runtime(
            agentRuntimeArn=self._arn,
            runtimeSessionId=session,
            contentType="application/json",
            accept="text/event-stream" if rng.random() < 0.3 else "application/json",
            payload=json.dumps({"prompt": rng.choice(TALK)}).encode(),
        )
        answer["response"].read()
        return answer["ResponseMetadata"]["HTTPHeaders"]["x-headgate-version"]
