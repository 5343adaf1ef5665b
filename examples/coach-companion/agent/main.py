"""Starts Coach Companion as an AgentCore application: `python main.py`."""

from pathlib import Path

from coach.app import make_app, serve

app = make_app(Path(__file__).parent)

if __name__ == "__main__":
    serve(app)
