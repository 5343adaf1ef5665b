"""Starts Coach Companion, version forgets-session: no state in the process, so that any of many may serve a turn."""

from pathlib import Path

from coach.app import make_app, serve
from coach.sessions import Session, Sessions


class Stateless(Sessions):
    """Nothing is kept."""

    def of(self, session_id: str | None) -> Session:  # noqa: ARG002 - what it replaces has it
        return super().of(None)


app = make_app(Path(__file__).parent, sessions=Stateless)

if __name__ == "__main__":
    serve(app)
