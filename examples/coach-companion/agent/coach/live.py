"""What a version takes from elsewhere at each turn, so that it may change with no deployment: the prompt of a prompt
store, the model that an alias stands for. Files stand for both:

COACH_PROMPTS=DIR    the prompt is DIR/prompt.md while there is one, else the version's own
COACH_ALIASES=FILE   TOML, alias = "id of a model": the model's id in version.toml may be such an alias
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from coach.settings import ModelSettings, Settings, SettingsError


class Live:
    """Prompt and model as they are now. A file that cannot be read leaves what was read last."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        prompts, aliases = environment.get("COACH_PROMPTS"), environment.get("COACH_ALIASES")
        self._prompt = _File(Path(prompts, "prompt.md") if prompts else None, str.strip, settings.prompt)
        self._aliases = _File(Path(aliases) if aliases else None, tomllib.loads, {})

    @property
    def prompt(self) -> str:
        return self._prompt.read() or self._settings.prompt

    @property
    def model(self) -> ModelSettings:
        """The settings of the model, its id resolved."""
        model = self._settings.model
        known = self._aliases.read().get(model.id, model.id)
        if not isinstance(known, str):
            raise SettingsError(f"COACH_ALIASES: {model.id} stands for {known!r}, and not for the id of a model")
        return replace(model, id=known)


class _File:
    """Read again when it was written again; None: there is none."""

    def __init__(self, path: Path | None, parse: Callable[[str], Any], otherwise: Any) -> None:
        self._path, self._parse = path, parse
        self._value, self._stamp = otherwise, (0, 0)
        self._otherwise = otherwise

    def read(self) -> Any:
        if self._path is None:
            return self._value
        try:
            found = os.stat(self._path)
            if (stamp := (found.st_mtime_ns, found.st_size)) != self._stamp:
                self._value, self._stamp = self._parse(self._path.read_text(encoding="utf-8")), stamp
        except FileNotFoundError:
            self._value, self._stamp = self._otherwise, (0, 0)
        except (OSError, ValueError):
            pass  # half written: the next turn reads it whole
        return self._value
