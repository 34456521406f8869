"""`jupyter mlpipe cache`, on a store that a notebook has filled."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from jupyter_mlpipe.app.main import main
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store, open_store

KEY = "ab" * 32
Said = pytest.CaptureFixture[str]


@pytest.fixture
def said(capsys: Said) -> Said:
    return capsys


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store of one step, some 9 kB, which took two minutes and was used an hour ago."""
    store = open_store(tmp_path / ".mlpipe")
    outputs = {"x": store.put_value("x" * 9000)}
    store.put_record(Record(KEY, outputs, step="fit", seconds=120.0))
    for path in store.root.rglob("*"):
        os.utime(path, (time.time() - 3600,) * 2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLPIPE_STORE", raising=False)
    return store


def test_ls_shows_the_store_of_this_folder_by_step(store: Store, said: Said) -> None:
    assert main(["cache", "ls"]) == 0
    head, columns, row = said.readouterr().out.splitlines()
    assert head == f"store: {store.root}, 9.5 kB"
    assert columns.split() == ["step", "records", "size", "to", "compute", "again", "last", "used", "pinned"]
    assert row.split()[:7] == ["fit", "1", "9.5", "kB", "2", "min", "0"]
    assert main(["cache", "ls", "--json", "--store", str(store.root)]) == 0
    found = json.loads(said.readouterr().out)
    assert found["steps"]["fit"]["seconds"] == 120
    assert found["path"] == str(store.root)


def test_prune_says_what_would_go_and_what_it_costs_and_then_does_it(store: Store, said: Said) -> None:
    assert main(["cache", "prune", "--max-size", "1kB", "--dry-run"]) == 0
    head, _, row = said.readouterr().out.splitlines()
    assert head == "prune: would remove 9.5 kB, 0 B left; computing it again takes 2 min 0 s"
    assert row.split() == ["fit", "1", "9.5", "kB", "2", "min", "0", "s"]
    assert store.get_record(KEY)
    assert main(["cache", "prune", "--older-than", "30d", "--json"]) == 0
    assert json.loads(said.readouterr().out)["steps"] == {}
    assert main(["cache", "prune", "--max-size", "1kB", "--json"]) == 0
    found = json.loads(said.readouterr().out)
    assert found["steps"]["fit"]["n_records"] == 1
    assert (found["seconds"], found["left_bytes"], found["dry_run"]) == (120, 0, False)
    assert store.get_record(KEY) is None


def test_what_is_pinned_stays_until_it_is_unpinned(store: Store, said: Said) -> None:
    assert main(["cache", "pin", "fit"]) == 0
    assert main(["cache", "prune", "--max-size", "0"]) == 0
    assert "kept 1 that pins keep" in said.readouterr().out
    assert main(["cache", "unpin", KEY[:8], "--json"]) == 0
    assert json.loads(said.readouterr().out) == {"unpinned": [KEY]}
    assert main(["cache", "prune", "--max-size", "1B"]) == 0
    assert store.get_record(KEY) is None


def test_verify_fails_where_something_is_damaged(store: Store, said: Said) -> None:
    assert main(["cache", "verify"]) == 0
    assert said.readouterr().out == "verify: 1 objects and 1 records are whole\n"
    (path,) = [path for path in (store.root / "objects").rglob("*") if path.is_file()]
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert main(["cache", "verify"]) == 1
    out = said.readouterr().out
    assert out.startswith("verify: of 1 objects and 1 records, 1 and 0 are damaged\n")
    assert "incomplete: runs again" in out
    assert main(["cache", "verify", "--json"]) == 1
    assert json.loads(said.readouterr().out)["incomplete"] == {KEY: "fit"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "the following arguments are required: ls|verify|prune|pin|unpin"),
        (("lst",), "invalid choice: 'lst'"),
        (("prune", "--max-size", "20XB"), "'20XB': unknown unit 'XB'; expected a size such as 4GB"),
        (("prune", "--older-than", "soon"), "'soon': expected a duration such as 30m"),
        (("pin", "fitt"), "no record of a step 'fitt', nor one whose key begins so. Did you mean 'fit'?"),
        (("pin",), "the following arguments are required: STEP|KEY"),
        (("ls", "--store", "nowhere"), "There is no store at 'nowhere'."),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(
    store: Store, said: Said, words: tuple[str, ...], message: str
) -> None:
    assert main(["cache", *words, "--json"]) == 2
    assert message in json.loads(said.readouterr().out)["error"]
