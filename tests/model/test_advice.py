"""What to ask for, by what was used."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.model.advice import use_of
from jupyter_mlpipe.model.resources import Resources

GB = 1_000_000_000


def test_use_stands_beside_what_was_asked_for() -> None:
    assert use_of(Resources(cpus=2, memory_bytes=2 * GB), 10.0, 15.0, GB) == [
        ("CPU", "2", "1.5 on average, 15.0 s in all", ""),
        ("memory", "2.0 GB", "1.0 GB at most", ""),
    ]
    assert use_of(Resources(), 10.0, None, 0) == []


@pytest.mark.parametrize(
    ("asked", "seconds", "cpu_seconds", "advice"),
    [
        (4, 10.0, 12.0, "--cpus 2 would do"),
        (4, 0.5, 0.1, ""),
        (1, 30.0, 29.5, "it used all that it had: --cpus 2 may be faster"),
        (1, 30.0, 5.0, ""),
    ],
)
def test_cores(asked: float, seconds: float, cpu_seconds: float, advice: str) -> None:
    assert use_of(Resources(cpus=asked), seconds, cpu_seconds, 0)[0][3] == advice


@pytest.mark.parametrize(
    ("asked", "peak", "advice"),
    [
        (0, 100_000_000, ""),
        (0, 1_100_000_000, "--memory 1.5GB would keep it from taking more"),
        (4 * GB, 3_900_000_000, "close to what it may use: --memory 6GB"),
        (8 * GB, 20_000_000, "--memory 100MB would do"),
        (GB, 600_000_000, ""),
    ],
)
def test_memory(asked: int, peak: int, advice: str) -> None:
    assert use_of(Resources(memory_bytes=asked), 0.0, None, peak)[0][3] == advice
