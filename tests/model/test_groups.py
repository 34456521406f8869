"""Groups that are folded to one step: what flows in and out stays, and the worst state is theirs."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.model.groups import fold, groups_of, worst_status
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot, StepStatus

# raw -> [load -> clean] -> fit, [load] -> fit
STEPS = (
    StepSnapshot("raw", outputs=("r",)),
    StepSnapshot("load", reads={"r": "raw"}, outputs=("df",), group="prepare", seconds=1.0, sizes={"df": 8}),
    StepSnapshot("clean", reads={"df": "load"}, outputs=("x", "left"), group="prepare", seconds=2.0),
    StepSnapshot("fit", reads={"x": "clean", "df": "load", "seed": "parameter"}),
)


def test_a_folded_group_is_one_step_and_its_inside_is_not_seen() -> None:
    snapshot = RunSnapshot(STEPS)
    assert fold(snapshot, ()) is snapshot
    raw, prepare, fit = fold(snapshot, {"prepare", "unknown"}).steps
    assert (raw.name, prepare.name, fit.name) == ("raw", "prepare/", "fit")
    assert prepare.reads == {"r": "raw"}
    assert prepare.members == ("load", "clean")
    assert prepare.outputs == ("df", "x")
    assert prepare.sizes == {"df": 8}
    assert prepare.seconds == 3.0
    assert fit.reads == {"x": "prepare/", "df": "prepare/", "seed": "parameter"}
    assert [step.name for step in groups_of(snapshot)["prepare"]] == ["load", "clean"]


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        (("succeeded", "failed", "skipped"), "failed"),
        (("succeeded", "running", "queued"), "running"),
        (("succeeded", "waiting"), "waiting"),
        (("reused", "succeeded"), "succeeded"),
        (("reused", "reused"), "reused"),
        (("succeeded", None), None),
    ],
)
def test_the_state_of_a_group_is_the_worst_of_its_steps(
    statuses: tuple[StepStatus | None, ...], worst: StepStatus | None
) -> None:
    assert worst_status(statuses) == worst
