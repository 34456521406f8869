"""What the benchmarks time is there: a function that was moved would be missed only when they are run."""

from __future__ import annotations

import importlib
from functools import reduce
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("benchmarks")


@pytest.mark.parametrize(
    ("benchmark", "table"),
    [("bench_cost", "KERNEL_PARTS"), ("bench_cost", "STEP_PARTS"), ("bench_cells", "PARTS")],
)
def test_timed_parts_exist(benchmark: str, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    parts: dict[str, list[str]] = getattr(importlib.import_module(benchmark), table)
    for place in (place for places in parts.values() for place in places):
        module, _, path = place.partition(":")
        assert callable(reduce(getattr, path.split("."), importlib.import_module(f"jupyter_mlpipe.{module}")))


def test_every_benchmark_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    listed = importlib.import_module("run").BENCHMARKS
    assert {path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py")} == set(listed)
