"""Where Headgate keeps its state, where its parts listen, and who is asking. The only reader of the environment.

HEADGATE_HOME          state directory; --home wins; ./.headgate where neither is given
HEADGATE_GATEWAY_URL   data address of the gateway        these three win over what `headgate up` wrote
HEADGATE_ADMIN_URL     admin address of the gateway
HEADGATE_RUNTIME_URL   address of the local runtime
HEADGATE_DASHBOARD_URL where people reach the dashboard, for links in messages
HEADGATE_ACTOR         who is asking, for the ledger; the OS user where it is not set
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headgate.errors import RefusedError, Unavailable, UsageError

_HINT = "start the parts with `headgate up`, or name the address in the environment: "


@dataclass(frozen=True, slots=True)
class Up:
    """What `headgate up` started: the addresses of its parts, and their process ids by name."""

    runtime: str
    gateway: str
    admin: str
    dashboard: str = ""
    pids: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """The state directory and the environment of one command."""

    home: Path
    environ: Mapping[str, str]

    @classmethod
    def load(cls, home: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """`home` (from --home) over HEADGATE_HOME over ./.headgate; nothing is created yet."""
        environ = os.environ if environ is None else environ
        return cls(Path(home or environ.get("HEADGATE_HOME") or ".headgate").absolute(), environ)

    @property
    def store(self) -> Path:
        return self.home / "store.db"

    def folder(self, name: str) -> Path:
        """A folder of the state directory (gateway, runtime, reports, logs), made if it is not there."""
        path = self.home / name
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}", "choose another state directory with --home") from None
        return path

    def problems(self) -> list[str]:
        """What is wrong with the permissions of the state directory, in words."""
        found = [] if os.access(self.home, os.W_OK | os.X_OK) else [f"{self.home} cannot be written"]
        for name in ("admin.token", "link.key"):
            path = self.home / name
            if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
                found.append(f"{path} can be read by others")
        if self.store.exists() and not os.access(self.store, os.W_OK):
            found.append(f"{self.store} cannot be written")
        return found

    def variable(self, name: str) -> str | None:
        """A variable of the environment, e.g. the SLACK_URL of `env:SLACK_URL`; None where it is not set."""
        return self.environ.get(name)

    def actor(self) -> str:
        """Who is asking: HEADGATE_ACTOR, or the OS user."""
        if named := self.environ.get("HEADGATE_ACTOR", "").strip():
            return named
        try:
            return getpass.getuser()
        except (KeyError, OSError):  # a user id without a name, as containers have
            return f"uid-{os.getuid()}"

    # --- addresses ---------------------------------------------------------------------------------------------------

    def gateway_url(self) -> str:
        """Where clients of agents connect. Raises Unavailable where nobody says."""
        return self._address("HEADGATE_GATEWAY_URL", "gateway")

    def admin_url(self) -> str:
        """Where the gateway takes policies. Raises Unavailable where nobody says."""
        return self._address("HEADGATE_ADMIN_URL", "admin")

    def runtime_url(self) -> str:
        """Where the local runtime answers. Raises Unavailable where nobody says."""
        return self._address("HEADGATE_RUNTIME_URL", "runtime")

    def _address(self, variable: str, part: str) -> str:
        if url := self.environ.get(variable, ""):
            return url.rstrip("/")
        up = self.up()
        if up is None:
            raise Unavailable(f"no {part} is known: {self.home / 'up.json'} is not there", f"{_HINT}{variable}")
        return str(getattr(up, part)).rstrip("/")

    def up(self) -> Up | None:
        """What `headgate up` wrote, or None. Raises UsageError where the file is damaged."""
        path = self.home / "up.json"
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return Up(**data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"{path} cannot be used: {error}", "stop what runs, delete the file, `headgate up`"
            ) from None

    def write_up(self, up: Up) -> None:
        """Tells the other commands where the parts are; replaces the file whole."""
        path = self.folder("") / "up.json"
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(up), indent=2) + "\n", encoding="utf-8")
        draft.replace(path)

    def forget_up(self) -> None:
        """The parts have stopped."""
        (self.home / "up.json").unlink(missing_ok=True)

    def dashboard_url(self) -> str:
        """Where people reach the dashboard: HEADGATE_DASHBOARD_URL, else what `headgate up` started; "" if neither."""
        if url := self.environ.get("HEADGATE_DASHBOARD_URL", ""):
            return url.rstrip("/")
        up = self.up()
        return up.dashboard if up else ""

    # --- secrets -----------------------------------------------------------------------------------------------------

    def admin_token(self) -> str:
        """The secret of the gateway's admin address. Raises UsageError: none; RefusedError: others can read it."""
        return self._secret("admin.token")

    def make_admin_token(self) -> str:
        """The token, made (mode 0600) if there is none yet."""
        return self._make_secret("admin.token")

    def link_key(self) -> bytes:
        """What signs links in messages, made (mode 0600) if there is none yet."""
        return self._make_secret("link.key").encode()

    def _secret(self, name: str) -> str:
        path = self.home / name
        try:
            mode = path.stat().st_mode
            token = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise UsageError(
                f"there is no {path}", "`headgate up` and `headgate gateway` make it; is --home right?"
            ) from None
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}", "check its permissions") from None
        if stat.S_IMODE(mode) & 0o077:
            raise RefusedError(f"{path} can be read by others", f"chmod 600 {path}")
        if len(token) < 20:
            raise UsageError(f"{path} holds no token", "delete the file; the next `headgate up` makes a new one")
        return token

    def _make_secret(self, name: str) -> str:
        path = self.folder("") / name
        if not path.exists():
            # written whole beside it and then linked: no process ever reads half a secret, and the first one stays
            draft = path.with_name(f"{name}.{secrets.token_hex(8)}")
            try:
                handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "w", encoding="ascii") as file:
                    file.write(secrets.token_urlsafe(32) + "\n")
                with contextlib.suppress(FileExistsError):
                    path.hardlink_to(draft)
            finally:
                draft.unlink(missing_ok=True)
        return self._secret(name)
