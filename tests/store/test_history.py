"""The history is for people: it remembers what it can and never fails a run."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlpipe.store.history import History, RunEntry


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History(tmp_path / "history.db")
    yield history
    history.close()


def test_the_last_key_is_the_last_that_has_a_record(history: History) -> None:
    assert history.last_key("p", "fit") is None
    history.remember("p", "fit", "k1", "succeeded", 1.5)
    history.remember("p", "fit", "k2", "reused")
    history.remember("p", "fit", "k3", "failed", 0.5)
    history.remember("p", "load", "k4", "succeeded", 0.5)
    history.remember("q", "fit", "k5", "succeeded", 0.5)
    assert history.last_key("p", "fit") == "k2"
    assert history.last_keys("p") == {"fit": "k2", "load": "k4"}
    assert history.last_keys("r") == {}


def test_the_latest_keys_come_once_each_and_with_what_they_took(history: History) -> None:
    for key, seconds in (("k1", 1.5), ("k2", 2.5), ("k1", None), ("k3", 9.0)):
        history.remember("p", "fit", key, "failed" if key == "k3" else "succeeded", seconds)
    assert history.latest_keys("p", "fit") == ["k1", "k2"]
    assert history.latest_keys("p", "fit", limit=1) == ["k1"]
    assert history.latest_keys("q", "fit") == []
    assert (history.seconds_of("p", "fit", "k1"), history.seconds_of("p", "load", "k1")) == (1.5, None)


def test_what_steps_are_expected_to_take_is_what_they_took_when_they_last_ended_well(
    history: History,
) -> None:
    for step, seconds, status in (("fit", 1.5, "succeeded"), ("fit", 2.5, "reused"), ("fit", 9.0, "failed")):
        history.remember("p", step, "k", status, seconds)
    history.remember("p", "load", "k", "reused", None)
    assert history.expected_seconds("p", ["fit", "load", "never"]) == {"fit": 2.5}
    assert history.expected_seconds("q", ["fit"]) == {}


def test_the_last_run_of_a_step_is_not_one_that_reused_it(history: History) -> None:
    ran = {"fit": {"status": "succeeded", "reasons": [{"text": "code changed"}]}}
    other = {"fit": {"status": "reused"}, "load": {"status": "failed", "reasons": []}}
    for number, steps in enumerate((ran, ran, other, {"fit": {"status": "reused"}})):
        details = {"steps": steps, "parameters": {"x": float("nan")}}
        history.add_run(RunEntry(f"r{number}", "p", "succeeded", 100.0 + number, 1.0, details))
    found = {step: history.last_ran("p", step) for step in ("fit", "load", "never")}
    assert {step: run and run.id for step, run in found.items()} == {"fit": "r1", "load": "r2", "never": None}
    assert history.last_ran("q", "fit") is None


def test_runs_come_newest_first(history: History) -> None:
    runs = [RunEntry(f"r{i}", "p", "succeeded", 100.0 + i, 2.5, {"params": {"seed": i}}) for i in range(5)]
    for run in runs:
        history.add_run(run)
    assert history.runs(2) == [runs[4], runs[3]]
    ended = RunEntry("r0", "p", "failed", 100.0)
    history.add_run(ended)
    assert history.runs()[-1] == ended
    assert history.runs(pipeline="q") == []


def test_nothing_is_opened_before_it_is_needed(tmp_path: Path) -> None:
    History(tmp_path / "history.db").close()
    assert list(tmp_path.iterdir()) == []


def test_it_outlives_its_process(history: History) -> None:
    history.remember("p", "fit", "k1", "succeeded")
    history.close()
    again = History(history.path)
    assert again.last_key("p", "fit") == "k1"
    again.close()


@pytest.mark.parametrize("damage", ["file is no database", "path is below a file"])
def test_what_it_cannot_write_is_logged(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"nonsense" * 1000)
    history = History(path if damage == "file is no database" else path / "history.db")
    with caplog.at_level(logging.WARNING):
        history.remember("p", "fit", "k1", "succeeded")
        history.add_run(RunEntry("r", "p", "succeeded", 1.0))
    assert history.last_key("p", "fit") is None
    assert history.runs() == []
    assert "cannot be used" in caplog.text
    history.close()


def test_steps_are_remembered_all_or_none(history: History) -> None:
    history.remember_all("p", [("load", "k1", 1.0), ("fit", "k2", None)], "succeeded")
    assert history.last_keys("p") == {"load": "k1", "fit": "k2"}
    wrong: Any = [("load", "k3", 1.0), ("fit", None, None)]  # no key: refused by the table
    history.remember_all("p", wrong, "succeeded")
    assert history.last_keys("p") == {"load": "k1", "fit": "k2"}
    history.remember("p", "fit", "k4", "succeeded")
    assert history.last_key("p", "fit") == "k4"


def test_threads_take_turns(history: History) -> None:
    def work(name: str) -> None:
        for i in range(50):
            history.remember("p", name, f"{name}{i}", "succeeded")

    threads = [threading.Thread(target=work, args=(f"s{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert history.last_keys("p") == {f"s{i}": f"s{i}49" for i in range(4)}


WRITER = """
import logging, sys
from jupyter_mlpipe.store.history import History
logging.basicConfig(level=logging.WARNING)
history = History(sys.argv[1])
for i in range(200):
    history.remember("p", sys.argv[2], str(i), "succeeded")
"""


def test_two_processes_write_at_once(history: History) -> None:
    command = [sys.executable, "-c", WRITER, str(history.path)]
    writers = [subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in "ab"]
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    assert history.last_keys("p") == {"a": "199", "b": "199"}


def test_how_a_step_ended_the_last_times(history: History) -> None:
    history.remember("p", "fit", "k1", "failed", 1.0)
    history.remember("p", "fit", "k1", "succeeded", 2.0)
    history.remember("p", "other", "k2", "succeeded", 3.0)
    assert [end[1:] for end in history.ends("p", "fit")] == [("succeeded", 2.0), ("failed", 1.0)]
    assert [end[1:] for end in history.ends("p", "fit", limit=1)] == [("succeeded", 2.0)]
    assert history.ends("p", "never") == []
