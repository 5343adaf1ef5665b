"""README.md says what is so: its length, its pictures, its transcript of the demo in the demo's own words."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEMO = ROOT / "examples/coach-companion/demo.py"
LONGEST = 160


def transcript():
    """The block of README.md that begins with `$ make demo`, line by line."""
    found = re.search(r"^```console\n(\$ make demo\n.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found, "there is no transcript of `make demo`"
    return found[1].splitlines()


def test_readme_is_short():
    """A newcomer reads it to the end."""
    assert len(README.splitlines()) <= LONGEST


def test_the_transcript_is_of_a_demo_that_went_well():
    """Version 2 was released, then version 3 was taken back; where the summary is shown, all of it is true."""
    text = "\n".join(transcript())
    assert 0 < text.find("completed: ") < text.find("to v3: ") < text.find("rolled back: exposure debt 0")
    assert re.search(r"^  NO |demo failed|paused", text, re.MULTILINE) is None
    assert "  yes  " not in text or re.search(r"^  all of it is true, in \d+ s$", text, re.MULTILINE)


def test_the_transcript_is_in_the_words_of_the_demo():
    """The lines that the demo says itself begin with words that demo.py has."""
    source = DEMO.read_text(encoding="utf-8")
    said = [line for line in transcript() if re.match(r"\[ *[\d.]+ s\] \S|  yes  (?! *PASS)", line)]
    assert len(said) >= 5
    for line in said:
        words = re.sub(r"^\[ *[\d.]+ s\] |^  yes  ", "", line)
        first = re.match(r"(?:coach-companion v1)?(.*?)(?= \d|\d|: |, | coach|$)", words)
        assert first, line
        assert first[1] in source, f"demo.py does not say {first[1]!r}"


def test_the_requirements_are_those_of_the_package():
    """The Python that README.md asks for is the one of pyproject.toml."""
    wanted = re.search(r'^requires-python = ">=([\d.]+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert wanted
    assert f"Python {wanted[1]} or newer" in README


def test_no_path_of_a_machine():
    """What was pasted from a run shows no home directory."""
    assert re.findall(r"(?<![\w.])/(?:home|root|tmp|work|srv|Users)/\S*", README) == []
