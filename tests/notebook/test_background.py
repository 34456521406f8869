"""Background mode: cells return at once, steps overlap, and what they show lands below their own cells."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.kernel import MIME, Kernel, Result

_WAIT_S = 30.0

LOOK = """
import sys, threading, time

def look(main=threading.main_thread().ident):
    names = []
    # A cell that reads a name waits for it before its own code runs.
    while not ("prepare" in names and names[0] == "wait"):
        time.sleep(0.01)
        frame, names = sys._current_frames()[main], []
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
    open("waits", "w").close()

threading.Thread(target=look, daemon=True).start()
"""
"""Makes a file once the main thread waits for what a cell reads."""


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not come"
        time.sleep(0.01)


def waits(name: str) -> str:
    return (
        f"import os, time\nopen({name!r} + '.begun', 'w').close()\n"
        f"while not os.path.exists({name!r} + '.go'):\n    time.sleep(0.01)\n"
    )


@pytest.fixture
def background(kernel: Kernel) -> Kernel:
    kernel.run("%pipeline mode background").check()
    return kernel


def begun(kernel: Kernel, name: str) -> None:
    wait_for_file(kernel.folder / f"{name}.begun")


def go_on(kernel: Kernel, name: str) -> None:
    (kernel.folder / f"{name}.go").touch()


def ended(result: Result) -> bool:
    return result.facts["status"] in ("succeeded", "reused", "failed", "skipped", "cancelled")


def test_steps_overlap_and_show_below_their_own_cells(background: Kernel) -> None:
    results = {}
    for name in ("one", "two"):
        ends = f"print('last of {name}')\n{name} = '{name}'\n{name}"
        cell = f"%%component {name}\nprint('first of {name}')\n{waits(name)}{ends}"
        results[name] = background.run(cell).check()
    begun(background, "one")
    begun(background, "two")  # both at the same time
    other = background.start("import time\nfor i in range(200): print('other', i); time.sleep(0.005)")
    go_on(background, "two")
    go_on(background, "one")
    printed = background.wait(other).check()
    assert printed.printed == "".join(f"other {i}\n" for i in range(200))
    for name, result in results.items():
        background.settle(result, lambda r: ended(r) and r.result)
        assert result.printed == f"first of {name}\nlast of {name}\n"
        assert result.result == f"'{name}'"
        assert result.status_of_step == "succeeded"
    assert background.run("one + two").result == "'onetwo'"


def test_an_error_comes_below_its_cell_and_reaches_readers(background: Kernel) -> None:
    failing = background.run(f"%%component bad\n{waits('bad')}value = 1 / 0").check()
    below = background.run("%%component below\nnext_value = value + 1").check()
    apart = background.run("%%component apart\nfine = 3").check()
    go_on(background, "bad")
    result = background.run("value")
    assert result.status == "error"
    assert result.error is not None
    assert result.error["ename"] == "ZeroDivisionError"
    background.settle(failing, lambda r: any(o["type"] == "error" for o in r.outputs))
    (error,) = [o for o in failing.outputs if o["type"] == "error"]
    assert error["ename"] == "ZeroDivisionError"
    background.settle(below, ended)
    assert below.status_of_step == "skipped"
    background.settle(apart, ended)
    assert apart.status_of_step == "succeeded"
    assert background.run("fine").result == "3"
    assert background.run("next_value").error["ename"] == "ZeroDivisionError"  # type: ignore[index]


def test_interrupting_a_cell_that_waits_leaves_the_step_alone(background: Kernel) -> None:
    background.run(f"%%component long\n{waits('long')}value = 5").check()
    begun(background, "long")
    background.run(LOOK).check()
    waiting = background.start("value + 1")
    wait_for_file(background.folder / "waits")
    background.interrupt()
    result = background.wait(waiting)
    assert result.status == "error"
    assert result.error is not None
    assert result.error["ename"] == "KeyboardInterrupt"
    assert background.run("1 + 1").check().result == "2"
    go_on(background, "long")
    assert background.run("value + 1").check().result == "6"


def test_cancel_ends_what_runs_and_readers_say_so(background: Kernel) -> None:
    long = background.run(f"%%component long\n{waits('long')}value = 5").check()
    below = background.run("%%component below\nmore = value + 1").check()
    begun(background, "long")
    background.run("%pipeline cancel").check()
    for result in (long, below):
        background.settle(result, ended)
        assert result.status_of_step == "cancelled"
    read = background.run("value")
    assert read.status == "error"
    assert "cancelled" in read.traceback
    assert "'long'" in read.traceback
    go_on(background, "long")
    again = background.run(f"%%component long\n{waits('long')}value = 5").check()
    background.settle(again, ended)
    assert background.run("value").check().result == "5"


def test_the_cell_is_run_again_while_its_earlier_run_goes_on(background: Kernel) -> None:
    count = "import time; open(f'run-{time.time_ns()}', 'w').close()"
    cell = f"%%component long\n{waits('long')}{count}; value = 5"
    first = background.run(cell).check()
    begun(background, "long")
    second = background.run(cell).check()
    go_on(background, "long")
    for result in (first, second):
        background.settle(result, ended)
    assert {first.status_of_step, second.status_of_step} <= {"succeeded", "reused"}
    assert len(list(background.folder.glob("run-*"))) == 1  # the same work is done once
    assert background.run("value").result == "5"


def test_the_edited_cell_is_run_while_its_earlier_run_goes_on(background: Kernel) -> None:
    first = background.run(f"%%component long\n{waits('old')}value = 'old'", cell_id="c").check()
    begun(background, "old")
    second = background.run("%%component long\nvalue = 'new'", cell_id="c").check()
    background.settle(second, ended)
    assert background.run("value").check().result == "'new'"
    go_on(background, "old")
    background.settle(first, ended)
    assert background.run("value").check().result == "'new'"


def test_a_name_bound_by_a_plain_cell_meanwhile_stays(background: Kernel) -> None:
    first = background.run(f"%%component long\n{waits('long')}value = 'step'").check()
    begun(background, "long")
    background.run("value = 'plain'").check()
    go_on(background, "long")
    background.settle(first, ended)
    assert background.run("value").check().result == "'plain'"


def test_a_reused_cell_in_background_shows_all_at_once(background: Kernel) -> None:
    cell = "%%component quick\nprint('text')\nvalue = 5\nvalue"
    first = background.run(cell).check()
    background.settle(first, lambda r: ended(r) and r.result)
    again = background.run(cell).check()
    background.settle(again, lambda r: ended(r) and r.result)
    assert again.status_of_step == "reused"
    assert (again.printed, again.result) == (first.printed, first.result) == ("text\n", "5")
    assert len([o for o in again.outputs if MIME in o.get("data", {})]) == 1
