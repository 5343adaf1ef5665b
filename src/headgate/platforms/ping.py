"""Whether a version's own process answers: `GET {url}/ping`, as AgentCore asks it."""

from __future__ import annotations

import time

import httpx

TIMEOUT_S = 2.0


def ping(url: str) -> tuple[bool, float, str]:
    """(whether it answers 200, seconds, what it said in a word)."""
    began = time.perf_counter()
    try:
        answer = httpx.get(f"{url.rstrip('/')}/ping", timeout=TIMEOUT_S, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return False, time.perf_counter() - began, type(error).__name__
    return answer.status_code == 200, time.perf_counter() - began, f"status {answer.status_code}"
