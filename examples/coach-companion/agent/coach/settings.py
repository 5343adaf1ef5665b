"""What a version says of itself: `version.toml` (name, model, limits, prices) and `prompt.md`, both beside its main.py.

The model may be replaced for a trial by the environment: COACH_MODEL=bedrock:MODEL_ID, openai:MODEL_ID or offline.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

PROVIDERS = ("offline", "bedrock", "openai")


class SettingsError(Exception):
    """version.toml or the environment cannot be used; the text says what to mend."""


@dataclass(frozen=True)
class Pace:
    """How quick the offline model is, in ms: until it begins, and per piece of text; `spread` of 0.4 means +-40 %.

    A share `tail_share` of the turns takes `tail_times` as long, as a real provider's do.
    """

    first_ms: float = 8.0
    piece_ms: float = 1.5
    spread: float = 0.4
    tail_share: float = 0.0
    tail_times: float = 1.0


@dataclass(frozen=True)
class ModelSettings:
    """For provider openai: `base_url`, and `key_env`, the NAME of the variable with the key. For bedrock: `region`."""

    provider: str = "offline"
    id: str = "offline-1"
    base_url: str = ""
    key_env: str = "OPENAI_API_KEY"
    region: str = ""
    max_tokens: int = 700
    temperature: float = 0.3
    timeout_s: float = 30.0
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True)
class Limits:
    """`cycles`: model calls in one turn; `window`: messages that the model is shown; `sessions`: held in memory."""

    cycles: int = 6
    window: int = 12
    sessions: int = 2000
    turn_s: float = 60.0


@dataclass(frozen=True)
class Prices:
    """USD per million tokens, of a small model."""

    input: float = 0.25
    output: float = 1.25


@dataclass(frozen=True)
class Settings:
    """One version."""

    name: str
    prompt: str
    model: ModelSettings = field(default_factory=ModelSettings)
    limits: Limits = field(default_factory=Limits)
    prices: Prices = field(default_factory=Prices)


def load(folder: Path, environment: dict[str, str] | None = None) -> Settings:
    """The settings of the version in a folder. Raises SettingsError."""
    try:
        data = tomllib.loads((folder / "version.toml").read_text(encoding="utf-8"))
        prompt = (folder / "prompt.md").read_text(encoding="utf-8").strip()
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"version.toml and prompt.md are read from {folder}: {error}") from None
    known = {"name", "model", "limits", "prices"}
    if not isinstance(data.get("name"), str) or set(data) - known:
        raise SettingsError(f"version.toml: `name` is needed; beside it only {', '.join(sorted(known - {'name'}))}")
    model = dict(data.get("model", {}))
    pace = _block(Pace, model.pop("pace", {}), "model.pace")
    settings = Settings(
        data["name"],
        prompt,
        replace(_block(ModelSettings, model, "model"), pace=pace),
        _block(Limits, data.get("limits", {}), "limits"),
        _block(Prices, data.get("prices", {}), "prices"),
    )
    return _overridden(settings, os.environ if environment is None else environment)


def _block(kind: type, data: Any, where: str) -> Any:
    """A dataclass of a table; a key or a type that it does not know is refused by name."""
    types = {f.name: type(f.default) for f in fields(kind) if isinstance(f.default, str | int | float)}
    if not isinstance(data, dict) or (unknown := set(data) - set(types)):
        told = "" if not isinstance(data, dict) else f"; unknown: {', '.join(sorted(unknown))}"
        raise SettingsError(f"version.toml: [{where}] takes {', '.join(types)}{told}")
    for name, value in data.items():
        wanted = (int, float) if types[name] is float else types[name]
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise SettingsError(f"version.toml: {where}.{name} is {value!r}, not of type {types[name].__name__}")
    return kind(**data)


def _overridden(settings: Settings, environment: Any) -> Settings:
    provider, _, model = environment.get("COACH_MODEL", "").partition(":")
    if provider:
        base = environment.get("COACH_MODEL_URL", settings.model.base_url)
        model = model or ("offline-1" if provider == "offline" else settings.model.id)
        settings = replace(settings, model=replace(settings.model, provider=provider, id=model, base_url=base))
    if settings.model.provider not in PROVIDERS:
        raise SettingsError(f"model provider {settings.model.provider!r} is not one of {', '.join(PROVIDERS)}")
    return settings
