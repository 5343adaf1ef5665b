"""Links resolve, examples work, and what the documents list is what the code has."""

import json
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from documents import ROOT, blocks, documents, name_of

from headgate.config.plan_file import load_plan
from headgate.gateway.policy import parse, read_fixed

_LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)|<img[^>]*src=\"([^\"]+)\"")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def links(path):
    """Every link of a document that does not leave the project."""
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    found = (first or second for first, second in _LINK.findall(text))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(path):
    """The anchors that a Markdown file has for its headings."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_links_resolve(path):
    """A reader who follows a link gets somewhere."""
    broken = []
    for link in links(path):
        target, _, anchor = link.partition("#")
        there = path if not target else (path.parent / target).resolve()
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached():
    """docs/index.md leads to every page of docs/, directly or through another."""
    seen, todo = set(), [ROOT / "docs/index.md"]
    while todo:
        path = todo.pop()
        if path in seen or path.suffix != ".md":
            continue
        seen.add(path)
        todo += [(path.parent / link.partition("#")[0]).resolve() for link in links(path) if link.partition("#")[0]]
    assert {name_of(path) for path in documents() if "docs" in path.parts} - {name_of(p) for p in seen} == set()


PLANS = [block for block in blocks("yaml") if re.search(r"^version: 1$", block.text, re.MULTILINE)]
POLICIES = [block for block in blocks("yaml") if block.text.lstrip().startswith("agents:")]


def test_there_are_plans_and_policies_to_look_at():
    """An empty list would let the tests below pass unseen."""
    assert PLANS
    assert POLICIES


@pytest.mark.parametrize("block", PLANS, ids=str)
def test_a_plan_of_the_documents_can_start(block, tmp_path):
    """Whoever copies it gets a plan that is accepted."""
    data = yaml.safe_load(block.text)
    platform = data["platform"]
    if "source" in platform:
        source = tmp_path / platform["source"]
        source.mkdir(parents=True, exist_ok=True)
        (source / platform.get("entry", "main.py")).write_text("")
    for gate in data.get("gates", []):
        suite = tmp_path / gate["suite"]
        suite.parent.mkdir(parents=True, exist_ok=True)
        total = int(gate["require"].split("/")[1]) if "require" in gate else 1
        cases = [{"name": f"case {i}", "turns": [{"say": "Hello"}]} for i in range(total)]
        suite.write_text(yaml.safe_dump({"cases": cases}))
    path = tmp_path / "headgate.yaml"
    path.write_text(block.text)
    load_plan(path)


@pytest.mark.parametrize("block", POLICIES, ids=str)
def test_a_fixed_policy_of_the_documents_can_be_served(block, tmp_path):
    """Whoever copies it gets a gateway that serves."""
    path = tmp_path / "policy.yaml"
    path.write_text(block.text)
    assert read_fixed(path)


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_of_the_documents_is_json(block):
    """A policy is one that the gateway takes; everything else at least parses."""
    data = json.loads(block.text)
    if isinstance(data, dict) and "baseline" in data:
        parse(data)


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_of_the_documents_runs(block, tmp_path):
    """As a test module where it holds tests, else as a script."""
    path = tmp_path / "test_block.py"
    path.write_text(block.text)
    tests = re.search(r"^class Test|^def test_|^    def test_|Contract\):", block.text, re.MULTILINE)
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), str(path)]
    arguments = command if tests else [str(path)]
    result = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


def test_the_layers_of_the_documents_are_those_that_are_enforced():
    """docs/architecture.md shows the list of pyproject.toml, line by line."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    enforced = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    shown = re.search(r"^## Layers$.*?^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert shown
    assert shown[1].splitlines() == enforced


def test_every_layer_has_a_place_in_the_table():
    """Each folder and module of src/headgate is told in the table of docs/architecture.md."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+)(?:/|\.py)`", text))
    there = {path.stem for path in (ROOT / "src/headgate").iterdir() if not path.name.startswith("__")}
    assert there - {"py"} - told == set()


def test_every_kind_of_record_is_described():
    """docs/reference/ledger.md lists the kinds that the code writes, and no other."""
    written = set()
    for path in (ROOT / "src/headgate").rglob("*.py"):
        if "testing" not in path.parts:
            written |= set(re.findall(r'\bEntry\(\s*"([a-z_.]+)"', path.read_text(encoding="utf-8")))
    text = (ROOT / "docs/reference/ledger.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([a-z_.]+)` \|", text, re.MULTILINE))
    assert told == written


def test_decisions_are_short_dated_and_measured():
    """A decision record fits a page, says when, and has what was measured and what follows."""
    records = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [path.name[:4] for path in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 60, path.name
        assert re.search(r"^\d{4}-\d\d-\d\d, \w+", text, re.MULTILINE), path.name
        for title in ("Context", "Decision", "Measured", "Consequences"):
            assert f"\n## {title}\n" in text, f"{path.name}: {title}"
