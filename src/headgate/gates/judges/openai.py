"""A judge behind any server of the OpenAI chat API."""

from __future__ import annotations

import httpx

from headgate.errors import Rejected, TimedOut, Unavailable
from headgate.gates.judges.port import Opinion

_RETRY = frozenset({408, 409, 429, 500, 502, 503, 504})


class OpenAiJudge:
    """Implements `ports.JudgeModel`. `url` ends before /chat/completions; `key` is sent as a bearer token."""

    def __init__(self, url: str, model: str, key: str, timeout: float) -> None:
        self._url = url.rstrip("/") + "/chat/completions"
        self._model = model
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=timeout, headers=headers, follow_redirects=False)

    def opinion(self, prompt: str) -> Opinion:
        """One answer. Raises TimedOut, Unavailable (try again) or Rejected."""
        where, body = (
            f"the judge at {self._url}",
            {"model": self._model, "messages": [{"role": "user", "content": prompt}]},
        )
        try:
            reply = self._client.post(self._url, json=body)
        except httpx.TimeoutException as error:
            raise TimedOut(f"{where} did not answer in time") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"{where} cannot be reached: {error}") from error
        if reply.status_code in _RETRY:
            raise Unavailable(f"{where} said {reply.status_code}")
        if reply.status_code != httpx.codes.OK:
            raise Rejected(f"{where} said {reply.status_code}: {reply.text[:200]}", "check model, url and key")
        try:
            data = reply.json()
            used = data.get("usage") or {}
            tokens = (int(used["prompt_tokens"]), int(used["completion_tokens"])) if "prompt_tokens" in used else None
            return Opinion(str(data["choices"][0]["message"]["content"]), str(data.get("model", "")), tokens)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise Rejected(f"{where} sent no chat completion: {error!r}", "is this the address of that API?") from error

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
