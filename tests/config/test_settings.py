"""Where things are and who is asking; a token that only its owner reads."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from headgate.config.settings import Settings, Up
from headgate.errors import RefusedError, Unavailable, UsageError

UP = Up("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "http://127.0.0.1:4", {"gateway": 7})


def test_home_is_named_by_the_option_then_the_environment_then_the_folder(tmp_path, monkeypatch):
    """The order of who wins."""
    monkeypatch.chdir(tmp_path)
    assert Settings.load(tmp_path / "a", {"HEADGATE_HOME": "b"}).home == tmp_path / "a"
    assert Settings.load(None, {"HEADGATE_HOME": "b"}).home == tmp_path / "b"
    assert Settings.load(None, {}).home == tmp_path / ".headgate"
    assert not (tmp_path / ".headgate").exists(), "to look is not to make"


def test_addresses_come_from_up_and_the_environment_wins(tmp_path):
    """One variable overrides one part, and no other."""
    Settings.load(tmp_path, {}).write_up(UP)
    here = Settings.load(tmp_path, {"HEADGATE_ADMIN_URL": "http://127.0.0.1:9/"})
    assert here.up() == UP
    assert (here.gateway_url(), here.runtime_url()) == (UP.gateway, UP.runtime)
    assert here.admin_url() == "http://127.0.0.1:9"


def test_nothing_is_up(tmp_path):
    """Exit 3 with the word how to start it; also after `forget_up`."""
    here = Settings.load(tmp_path, {})
    here.write_up(UP)
    here.forget_up()
    here.forget_up()
    assert here.up() is None
    with pytest.raises(Unavailable, match="headgate up"):
        here.gateway_url()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"gateway": "x"}', '{"runtime": 1, "colour": "blue"}'])
def test_a_damaged_up_file_is_named(tmp_path, text):
    """Not a traceback, and not read as `nothing is up`."""
    (tmp_path / "up.json").write_text(text)
    with pytest.raises(UsageError, match=r"up\.json cannot be used"):
        Settings.load(tmp_path, {}).up()


def test_the_token_is_made_once_and_for_its_owner_only(tmp_path):
    """Many processes that start together agree on one token; the file is 0600."""
    here = Settings.load(tmp_path / "new", {})
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: here.make_admin_token(), range(50)))
    assert [path.name for path in here.home.iterdir()] == ["admin.token"]
    assert tokens == {here.admin_token()}
    assert len(here.admin_token()) >= 40
    assert stat.S_IMODE((here.home / "admin.token").stat().st_mode) == 0o600


def test_a_token_that_others_can_read_is_refused(tmp_path):
    """It may have been copied: exit 4, with the command that mends it."""
    here = Settings.load(tmp_path, {})
    here.make_admin_token()
    (tmp_path / "admin.token").chmod(0o644)
    with pytest.raises(RefusedError, match="chmod 600"):
        here.admin_token()


def test_no_token_and_an_empty_one(tmp_path):
    """Neither is taken for a token."""
    here = Settings.load(tmp_path, {})
    with pytest.raises(UsageError, match=r"there is no .*admin\.token"):
        here.admin_token()
    (tmp_path / "admin.token").touch(0o600)
    with pytest.raises(UsageError, match="holds no token"):
        here.admin_token()


def test_who_is_asking(tmp_path, monkeypatch):
    """HEADGATE_ACTOR, or the OS user; blanks are no name."""
    assert Settings.load(tmp_path, {"HEADGATE_ACTOR": " ada "}).actor() == "ada"
    monkeypatch.setenv("LOGNAME", "grace")
    assert Settings.load(tmp_path, {"HEADGATE_ACTOR": " "}).actor() == "grace"


def test_a_home_that_cannot_be_made(tmp_path):
    """A file stands where the directory should: which, and what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--home"):
        Settings.load(tmp_path / "file", {}).folder("logs")
