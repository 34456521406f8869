"""Short notebooks in the habits of real ones come out the same with our line on their cells."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wild.report import lines_of
from tests.wild.trial import Trial

FOLDER = Path(__file__).with_name("notebooks")
CHOICES = {
    "changes": ("all",),
    "classes": ("all", "code", "half:1", "one:3"),
    "dashboards": ("all", "half:1"),
    "draws": ("all", "half:1"),
    "figures": ("all",),
    "learning": ("all",),
    "names": ("all", "code", "half:1", "one:3"),
    "objects": ("all", "half:1"),
    "shows": ("all", "half:1"),
    "words": ("all", "half:1"),
}
NEEDS = {"learning": "torch", "dashboards": "plotly"}

# What does not hold yet, and why. A case that holds fails its test until it is taken out here.
NOT_YET: dict[tuple[str, str], str] = {}


def _cases() -> Iterator[object]:
    for name, choices in CHOICES.items():
        needed = NEEDS.get(name)
        for choice in choices:
            marks = []
            if needed and importlib.util.find_spec(needed) is None:
                marks = [pytest.mark.skip(reason=f"{needed} is not installed")]
            elif (name, choice) in NOT_YET:
                marks = [pytest.mark.xfail(reason=NOT_YET[name, choice], strict=True)]
            yield pytest.param(FOLDER / f"{name}.py", choice, id=f"{name}-{choice}", marks=marks)


@pytest.fixture(scope="module")
def trials() -> Iterator[dict[Path, Trial]]:
    """Plain runs serve all choices."""
    kept: dict[Path, Trial] = {}
    yield kept
    for trial in kept.values():
        trial.close()


@pytest.mark.parametrize(("path", "choice"), list(_cases()))
def test_notebook_comes_out_the_same(path: Path, choice: str, trials: dict[Path, Trial]) -> None:
    found, _ = _trial(path, trials).run(choice)
    assert found.is_same, "\n".join(lines_of(found))


def test_an_edit_that_changes_nothing_runs_one_step(trials: dict[Path, Trial]) -> None:
    found, _ = _trial(FOLDER / "changes.py", trials).run("all", edited=True)
    assert found.is_same, "\n".join(lines_of(found))
    assert found.statuses["edited"] == {"reused": found.n_with_line - 1, "succeeded": 1}


def _trial(path: Path, trials: dict[Path, Trial]) -> Trial:
    if path not in trials:
        trials[path] = Trial(path.stem, path.parent, path.name)
    return trials[path]
