"""The lock files in requirements/ hold what pyproject.toml declares, by hash, and no address."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = PROJECT["project"]["dependencies"]
EXTRAS = [each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra]
DEV = PROJECT["dependency-groups"]["dev"]

# both systems at both ends of what we support
MACHINES = [
    {"sys_platform": system, "python_version": python, "python_full_version": f"{python}.0"}
    for system in ("linux", "darwin")
    for python in ("3.11", "3.13")
]
ADDRESS = re.compile(r"://|\bfile:|(^|\s)(-i|-f|-e|--\S*index\S*|--find-links|--trusted-host|--editable)\b|\s@\s")


def entries(lock: Path) -> list[str]:
    """The lock's requirements, each with its continuation lines joined and the comments gone."""
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    return [entry.strip() for entry in "\n".join(lines).replace("\\\n", " ").splitlines() if entry.strip()]


def pins(lock: Path) -> dict[str, list[Requirement]]:
    """What the lock pins, by canonical name; one name may be there once per machine."""
    found: dict[str, list[Requirement]] = {}
    for entry in entries(lock):
        requirement = Requirement(entry.split(" --hash=")[0].strip())
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def holds(marker: Marker | None, machine: dict[str, str]) -> bool:
    """Whether a requirement with this marker is for this machine."""
    return marker is None or marker.evaluate(machine)


def unmet(declared: list[str], lock: Path) -> list[str]:
    """The declared dependencies that this lock leaves out, or pins at a version that they do not allow."""
    locked = pins(lock)
    complaints = []
    for text in declared:
        wanted = Requirement(text)
        for machine in (each for each in MACHINES if holds(wanted.marker, each)):
            versions = [
                next(iter(pin.specifier)).version
                for pin in locked.get(canonicalize_name(wanted.name), [])
                if holds(pin.marker, machine)
            ]
            if len(versions) != 1 or not wanted.specifier.contains(versions[0], prereleases=True):
                complaints.append(f"{text} on {machine}: {versions or 'absent'}")
    return complaints


@pytest.mark.parametrize(
    ("name", "declared"),
    [("runtime.txt", RUNTIME), ("dev.txt", RUNTIME + EXTRAS + DEV)],
    ids=["runtime", "dev"],
)
def test_every_declared_dependency_is_locked_at_a_version_it_allows(name, declared):
    """A dependency that was added to or raised in pyproject.toml calls for `make lock`."""
    assert unmet(declared, ROOT / "requirements" / name) == []


def test_what_runs_is_locked_the_same_for_users_and_developers():
    """We test the very versions that runtime.txt gives to a user."""
    runtime, dev = pins(ROOT / "requirements/runtime.txt"), pins(ROOT / "requirements/dev.txt")
    assert {name: [str(pin.specifier) for pin in each] for name, each in runtime.items()} == {
        name: [str(pin.specifier) for pin in dev[name]] for name in runtime
    }


def test_the_agents_sdk_stays_out_of_the_runtime():
    """An agent's packages are never put into the controller's environment."""
    assert not {canonicalize_name(Requirement(each).name) for each in EXTRAS} & set(
        pins(ROOT / "requirements/runtime.txt")
    )


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_entry_is_one_version_with_hashes(lock):
    """What is installed is what was locked, byte for byte."""
    assert entries(lock)
    for entry in entries(lock):
        assert re.fullmatch(r"[\w.-]+==[^\s;]+( ;[^\\]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_lock_names_an_address(lock):
    """The locks install from any index: none of them says from which."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if ADDRESS.search(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://host/simple",
        "-i host",
        "--extra-index-url=x",
        "--find-links /wheels",
        "click @ file:///tmp/click.whl",
        "# from https://host/simple",
        "-e .",
    ],
)
def test_an_address_would_be_seen(line):
    """The search for addresses finds each of the ways to write one."""
    assert ADDRESS.search(line)
