"""Starts Coach Companion, version 3: each answer ends with the weekly trend."""

from pathlib import Path

from coach.app import make_app, serve
from coach.trend import weekly_trend

app = make_app(Path(__file__).parent, epilogue=weekly_trend)

if __name__ == "__main__":
    serve(app)
