"""When steps ran, and which chain of them made it as long as it was."""

from __future__ import annotations

from jupyter_mlpipe.model.status import StepSnapshot
from jupyter_mlpipe.model.timeline import Bar, as_first_found, critical_path, timeline_of


def ran(name: str, queued: float, began: float, ended: float, *reads: str, worker: str = "w") -> StepSnapshot:
    return StepSnapshot(
        name,
        status="succeeded",
        reads={f"of_{source}": source for source in reads},
        worker=worker,
        reached={"waiting": 0.0, "queued": 100 + queued, "running": 100 + began, "succeeded": 100 + ended},
    )


def test_the_critical_path_goes_back_from_what_ended_last() -> None:
    # load (0-1) -> left (1-2), right (1-5) -> join (5-6); other (0-5.5) holds up nobody
    bars = {
        "load": Bar(0, 0, 1, "a"),
        "left": Bar(1, 1, 2, "a"),
        "right": Bar(1, 1, 5, "b"),
        "other": Bar(0, 0, 5.5, "c"),
        "join": Bar(5, 5, 6, "a"),
    }
    upstream = {"left": ["load"], "right": ["load"], "join": ["left", "right"]}
    assert critical_path(bars, upstream) == ("load", "right", "join")


def test_a_step_that_waited_for_a_worker_was_kept_by_what_ran_there() -> None:
    # fit was ready at 1; its worker was busy with long until 4.
    bars = {"load": Bar(0, 0, 1, "a"), "long": Bar(0, 0, 4, "b"), "fit": Bar(1, 4.01, 5, "b")}
    assert critical_path(bars, {"fit": ["load"]}) == ("long", "fit")
    elsewhere = {**bars, "long": Bar(0, 0, 4, "c")}
    assert critical_path(elsewhere, {"fit": ["load"]}) == ("load", "fit")


def test_reused_steps_are_points_in_time_and_on_no_path() -> None:
    reused = StepSnapshot("load", status="reused", reached={"waiting": 100.0, "reused": 100.2})
    fit = ran("fit", 0.2, 0.3, 2.0, "load")
    found = timeline_of([reused, fit, StepSnapshot("never")], now=500.0)
    assert list(found.bars) == ["load", "fit"]
    load, bar = found.bars.values()
    assert (load.queued, load.began, round(load.ended or 0, 3), load.lane) == (None, None, 0.0, "")
    assert [round(at or 0, 3) for at in (bar.queued, bar.began, bar.ended)] == [0.0, 0.1, 1.8]
    assert found.critical == ("fit",)
    assert round(found.seconds, 3) == 1.8


def test_a_step_whose_cell_came_late_was_kept_by_the_cell_before() -> None:
    # One cell after the other: report reads only from load, but its cell waited for that of other.
    bars = {"load": Bar(0, 0, 1, "a"), "other": Bar(1.1, 1.1, 9, "a"), "report": Bar(9.1, 9.1, 10, "a")}
    assert critical_path(bars, {"report": ["load"]}) == ("load", "other", "report")


def test_a_step_that_later_cells_find_reused_again_keeps_its_time() -> None:
    before = StepSnapshot("load", status="reused", reached={"reused": 100.0})
    again = StepSnapshot("load", status="reused", reached={"reused": 200.0})
    assert as_first_found(before, again, is_target=False) == before
    assert as_first_found(before, again, is_target=True) == again
    assert as_first_found(None, again, is_target=False) == again
    ran_before = ran("load", 0, 0, 1)
    assert as_first_found(ran_before, again, is_target=False) == again


def test_a_reused_step_may_stand_between_two_that_ran() -> None:
    # load ran again and gave the same: only then was clean known to be reused, and fit began.
    bars = {"load": Bar(0, 0, 1, "a"), "clean": Bar(None, None, 1.01), "fit": Bar(1.02, 1.03, 2, "b")}
    assert critical_path(bars, {"clean": ["load"], "fit": ["clean"]}) == ("load", "fit")


def test_while_something_runs_the_timeline_grows_and_names_no_path() -> None:
    running = StepSnapshot("fit", status="running", worker="w", reached={"queued": 101.0, "running": 102.0})
    found = timeline_of([ran("load", 0, 0, 1), running], now=105.0)
    assert found.bars["fit"] == Bar(1.0, 2.0, None, "w")
    assert (found.seconds, found.critical) == (5.0, ())


def test_cells_that_ran_one_after_the_other_are_one_timeline_and_earlier_ones_are_not() -> None:
    old, first, second = ran("old", 0, 0, 1), ran("first", 60, 60, 70), ran("second", 75, 75, 76)
    found = timeline_of([old, first, second], now=1000.0)
    assert {name: bar.began for name, bar in found.bars.items()} == {"first": 0.0, "second": 15.0}
    assert found.critical == ("first", "second")
    assert timeline_of([], now=1.0).bars == {}
