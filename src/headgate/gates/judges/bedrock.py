"""A judge on Amazon Bedrock, through the Converse API, which is the same for every model there."""

from __future__ import annotations

from typing import Any

from headgate.errors import Rejected, TimedOut, Unavailable
from headgate.gates.judges.port import Opinion

_RETRY = frozenset(
    {"ThrottlingException", "ServiceUnavailableException", "ModelNotReadyException", "InternalServerException"}
)


class BedrockJudge:
    """Implements `ports.JudgeModel`. `region` and `endpoint_url` empty: as the AWS environment says."""

    def __init__(self, model: str, region: str, endpoint_url: str, timeout: float) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        # two tries of the SDK itself; the panel asks again beyond them
        config = Config(read_timeout=timeout, connect_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
        self._model = model
        try:
            self._client: Any = boto3.client(
                "bedrock-runtime", region_name=region or None, endpoint_url=endpoint_url or None, config=config
            )
        except (BotoCoreError, ValueError) as error:
            raise Rejected(
                f"a judge on Bedrock cannot be made: {error}", "give it a region: `region: eu-west-1`"
            ) from error

    def opinion(self, prompt: str) -> Opinion:
        """One answer. Raises TimedOut, Unavailable (try again) or Rejected."""
        from botocore import exceptions

        where = f"the judge {self._model} on Bedrock"
        try:
            answer = self._client.converse(
                modelId=self._model, messages=[{"role": "user", "content": [{"text": prompt}]}]
            )
        except exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in _RETRY:
                raise Unavailable(f"{where}: {code}") from error
            raise Rejected(f"{where} refused: {error}", "check the model id, the region and the permissions") from error
        except (exceptions.ReadTimeoutError, exceptions.ConnectTimeoutError) as error:
            raise TimedOut(f"{where} did not answer in time") from error
        except exceptions.NoCredentialsError as error:
            raise Rejected(
                f"{where}: there are no AWS credentials", "set AWS_PROFILE, or give this machine a role"
            ) from error
        except exceptions.BotoCoreError as error:
            raise Unavailable(f"{where} cannot be reached: {error}") from error
        content = answer.get("output", {}).get("message", {}).get("content", [])
        used = answer.get("usage") or {}
        tokens = (int(used["inputTokens"]), int(used["outputTokens"])) if "inputTokens" in used else None
        return Opinion("".join(str(part.get("text", "")) for part in content), self._model, tokens)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
