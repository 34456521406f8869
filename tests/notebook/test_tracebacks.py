"""How errors look where there is little room."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.errors import StepError, UsageError
from jupyter_mlpipe.notebook.show.tracebacks import render_narrow


def step_error(*traceback: str) -> StepError:
    return StepError("list index out of range", step="report", ename="IndexError", traceback=traceback)


@pytest.mark.parametrize(
    "above",
    [
        ("-" * 75, f"IndexError{' ' * 32}Traceback (most recent call last)"),
        (
            "\x1b[31m" + "-" * 75 + "\x1b[39m",
            f"\x1b[31mIndexError\x1b[39m{' ' * 32}Traceback (most recent call last)",
        ),
        ("Traceback (most recent call last)",),
    ],
)
def test_a_traceback_in_a_panel_begins_with_what_fits_there(above: tuple[str, ...]) -> None:
    below = ("Cell In[9], line 3", "----> 3 lines[7]", "", "IndexError: list index out of range")
    assert render_narrow(step_error(*above, *below)).splitlines() == [
        "Traceback (most recent call last)",
        *below,
    ]


def test_an_error_without_a_traceback_is_its_message() -> None:
    assert render_narrow(UsageError("Write  it  so.")) == "UsageError: Write  it  so."
    assert render_narrow(step_error()) == "IndexError: list index out of range"
