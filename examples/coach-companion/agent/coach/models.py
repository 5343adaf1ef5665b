"""The model that a version names: offline, Amazon Bedrock, or any endpoint that speaks OpenAI's chat completions.

The libraries of the other two are imported only where they are named: they need half a second.
"""

from __future__ import annotations

import os

from strands.models.model import Model

from coach.offline import OfflineModel
from coach.settings import ModelSettings, SettingsError


class Models:
    """The model of a turn; a new one is made when the settings name another. `fixed`: whatever they name."""

    def __init__(self, fixed: Model | None = None) -> None:
        self._fixed = fixed
        self._made: tuple[ModelSettings, Model] | None = None

    def of(self, settings: ModelSettings) -> Model:
        """Raises SettingsError where something that the provider needs is not there."""
        if self._fixed is not None:
            return self._fixed
        if self._made is None or self._made[0] != settings:
            self._made = settings, make_model(settings)
        return self._made[1]


def make_model(settings: ModelSettings) -> Model:
    """Raises SettingsError where something that the provider needs is not there."""
    if settings.provider == "offline":
        return OfflineModel(settings.pace, settings.id)
    return _bedrock(settings) if settings.provider == "bedrock" else _openai(settings)


def _bedrock(settings: ModelSettings) -> Model:
    from botocore.config import Config
    from strands.models.bedrock import BedrockModel

    # one try: a turn that is tried again in silence costs twice and answers late; the caller decides
    calls = Config(
        read_timeout=settings.timeout_s, connect_timeout=5, retries={"total_max_attempts": 1, "mode": "standard"}
    )
    return BedrockModel(
        model_id=settings.id,
        region_name=settings.region or None,
        boto_client_config=calls,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
    )


def _openai(settings: ModelSettings) -> Model:
    from strands.models.openai import OpenAIModel

    key = os.environ.get(settings.key_env)
    if not key and not settings.base_url:
        raise SettingsError(f"the model {settings.id} needs a key in the variable {settings.key_env}, or a base_url")
    client = {"api_key": key or "none", "timeout": settings.timeout_s, "max_retries": 0}
    if settings.base_url:
        client["base_url"] = settings.base_url
    params = {"max_tokens": settings.max_tokens, "temperature": settings.temperature}
    return OpenAIModel(client_args=client, model_id=settings.id, params=params)
