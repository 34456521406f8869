"""Progress and metrics: what is taken, what is kept, and what arrives while the step runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import jupyter_mlpipe as mlpipe
from jupyter_mlpipe.execution.process.telling import CURVE_POINTS, Told
from jupyter_mlpipe.model.metrics import describe_progress, numbers_from_json
from tests.support.steps import Ended, Steps

IMPORT = "import jupyter_mlpipe as mlpipe\n"


@pytest.fixture
def told() -> Iterator[tuple[Told, list[Any]]]:
    sent: list[Any] = []
    listening = Told(sent.append)
    with listening.listening():
        yield listening, sent
    listening.stop()


def _told(ended: Ended, kind: str) -> list[Any]:
    return [message for message in ended.messages if message["type"] == kind]


def test_outside_of_a_step_all_is_checked_and_nothing_happens(capsys: pytest.CaptureFixture[str]) -> None:
    mlpipe.progress(0.4, "epoch 4 of 10")
    mlpipe.log_metric("auc", 0.91, step=3)
    mlpipe.log_metrics({"auc": 0.91})
    assert capsys.readouterr() == ("", "")
    with pytest.raises(TypeError, match=r"metric 'auc' takes a number, but was given 'high' \(str\)"):
        mlpipe.log_metric("auc", "high")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "step", "words"),
    [
        ("auc", None, None, "takes a number"),
        ("auc", "0.9", None, "takes a number"),
        ("auc", np.zeros(2), None, "takes a number"),
        ("auc", True, 1.5, "whole number"),
        ("", 1, None, "metric's name"),
        (1, 1, None, "metric's name"),
    ],
)
def test_what_is_no_metric_says_so_and_nothing_is_kept(
    told: tuple[Told, list[Any]], name: Any, value: Any, step: Any, words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        mlpipe.log_metrics({"fine": 1, name: value}, step=step)
    assert told[0].metrics == {}


def test_numbers_of_libraries_and_those_that_are_not_finite_are_taken(told: tuple[Told, list[Any]]) -> None:
    mlpipe.log_metrics({"a": np.float32(0.5), "b": np.array([2]), "n": 10**20, "yes": True})
    mlpipe.log_metrics({"bad": math.nan, "big": math.inf})
    found = told[0].metrics
    assert {name: found[name] for name in ("a", "b", "n", "yes", "big")} == {
        "a": 0.5,
        "b": 2,
        "n": 10**20,
        "yes": 1,
        "big": math.inf,
    }
    assert math.isnan(found["bad"])


def test_a_long_curve_is_kept_thinned_with_its_ends(told: tuple[Told, list[Any]]) -> None:
    for i in range(10_001):
        mlpipe.log_metric("loss", i, step=i)
        curve = told[0].curves["loss"]
        assert len(curve) <= CURVE_POINTS
        assert curve[-1] == (i, i)
    assert curve[0] == (0, 0)
    assert len(curve) > CURVE_POINTS / 2
    gaps = {b[0] - a[0] for a, b in itertools.pairwise(curve[:-1])}
    assert len(gaps) == 1


def test_a_fraction_stays_within_its_bounds(told: tuple[Told, list[Any]]) -> None:
    with pytest.raises(TypeError, match="progress takes a number"):
        mlpipe.progress("half")  # type: ignore[arg-type]
    mlpipe.progress(7, "beyond")
    told[0].stop()
    assert told[1][-1] == {"type": "progress", "fraction": 1.0, "text": "beyond"}


def test_progress_in_words() -> None:
    assert describe_progress(0.4, "epoch 4 of 10") == "40 %, epoch 4 of 10"
    assert describe_progress(None, "loading") == "loading"


def test_the_last_progress_and_all_metrics_arrive_and_are_kept(steps: Steps) -> None:
    code = (
        IMPORT
        + """
for i in range(100_000):
    mlpipe.progress(i / 100_000)
mlpipe.progress(1, "done")
mlpipe.log_metric("loss", 0.5, step=1)
mlpipe.log_metric("loss", float("nan"), step=2)
mlpipe.log_metrics({"auc": 0.91, "n": 3})
"""
    )
    ended = steps.run(code)
    progress = _told(ended, "progress")
    assert progress[-1] == {"type": "progress", "fraction": 1.0, "text": "done"}
    assert len(progress) < 1000
    assert ended.record.metrics == {"loss": "nan", "auc": 0.91, "n": 3}
    assert ended.record.curves == {"loss": [[1, 0.5], [2, "nan"]]}
    seen = {name: value for message in _told(ended, "metrics") for name, value in message["values"].items()}
    assert seen == ended.record.metrics
    assert numbers_from_json(seen)["auc"] == 0.91


def test_metrics_of_a_step_that_fails_arrive(steps: Steps) -> None:
    ended = steps.run(IMPORT + "mlpipe.log_metric('loss', 2)\n1 / 0")
    assert ended.error["ename"] == "ZeroDivisionError"
    assert _told(ended, "metrics")[-1]["values"] == {"loss": 2}


@pytest.mark.parametrize("source", ["tqdm", "tqdm.auto"])
def test_bars_of_tqdm_are_progress(steps: Steps, source: str) -> None:
    code = f"""
from {source} import tqdm
for i in tqdm(range(4), desc="epoch", mininterval=0):
    for j in tqdm(range(1000), leave=False, mininterval=0):
        pass
"""
    ended = steps.run(code)
    progress = _told(ended, "progress")
    assert progress[-1] == {"type": "progress", "fraction": 1.0, "text": "epoch 4 of 4"}
    assert all(message["text"].startswith("epoch") for message in progress)


def test_processes_of_a_step_tell_nothing(steps: Steps) -> None:
    code = IMPORT + "import os\nif not os.fork():\n    mlpipe.progress(0.5)\n    os._exit(0)\nos.wait()"
    assert _told(steps.run(code), "progress") == []
