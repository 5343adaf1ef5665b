"""`headgate evidence`: the records of a ledger, in process, on a store."""

import json

import pytest
from click.testing import CliRunner

from headgate.cli.main import cli
from headgate.errors import UsageError
from headgate.ports import Entry
from headgate.store.sqlite import SqliteStore


def test_a_record_that_a_report_cites_is_shown_whole(tmp_path):
    """By its id alone, whichever rollout it is of; one that is not there is told with those that are."""
    store = SqliteStore(tmp_path / "store.db")
    store.append([Entry("one", {"n": 1}), Entry("two", {"n": 2, "words": "ä"})], 1_800_000_000.0)
    store.close()

    def asked(*words):
        done = CliRunner().invoke(cli, ["--home", str(tmp_path), "evidence", *words], catch_exceptions=False)
        return done.stdout

    head, _, body = asked("L2").partition("\n")
    assert head.startswith("    L2  2027-01-15 08:00:00 UTC")
    assert json.loads(body) == {"n": 2, "words": "ä"}
    (row,) = json.loads(asked("L1", "--json"))
    assert (row["kind"], row["body"]) == ("one", {"n": 1})
    for absent in ("L0", "L3"):
        with pytest.raises(UsageError, match=f"no record {absent}") as told:
            asked(absent)
        assert told.value.mend == "the ledger has L1 to L2"
