"""Starts Coach Companion, version leaks-prompt: without the guard that stopped answers about itself."""

from pathlib import Path

from coach.app import make_app, serve
from coach.guard import no_dose, no_private

app = make_app(Path(__file__).parent, guards=(no_dose, no_private))

if __name__ == "__main__":
    serve(app)
