"""Accepting an edit: what it does, for how long, and where it is refused."""

import os

import pytest
from msgspec.structs import replace

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.runs.accept import accept, is_accepted, revoke
from jupyter_mlpipe.store.accepted import all_accepted
from jupyter_mlpipe.store.records import Record
from tests.execution.test_plan import NOW, chain, decisions, make_task, world

__all__ = ["world"]


def say(world, tasks, step="fit"):
    """Accept an edit of a step."""
    return accept(step, lambda: world.plan(tasks), world.store, world.history, pipeline="p", user="ada")


def refusal(world, tasks, step="fit"):
    with pytest.raises(UsageError) as refused:
        say(world, tasks, step)
    assert all_accepted(world.store) == []
    return str(refused.value)


def test_an_accepted_edit_is_reused_and_so_is_all_below(world):
    world.record(chain())
    edited = chain(fit={"code": "2"})
    assert decisions(world.plan(edited)) == {"load": "reuse", "fit": "run", "score": "undecided"}
    accepted = say(world, edited)
    plan = world.plan(edited)
    assert plan.wholly_reused
    assert [str(reason) for reason in plan["fit"].reasons] == [
        f"reuse accepted edit of the cell ({accepted.by})"
    ]
    assert plan["fit"].reasons[0].diff == "@@ -1 +1 @@\n-1\n+2"
    assert is_accepted(plan["fit"].reasons)
    assert not is_accepted(plan["load"].reasons)
    assert plan.decided["fit"].record.key == accepted.record
    assert (accepted.user, accepted.changes) == ("ada", ("code changed",))


def test_it_holds_for_that_edit_alone(world):
    world.record(chain())
    say(world, chain(fit={"code": "2"}))
    further = world.plan(chain(fit={"code": "3"}))["fit"]
    # Told against what was kept, not against what was accepted.
    assert (further.decision, further.reasons[0].diff) == ("run", "@@ -1 +1 @@\n-1\n+3")
    assert world.plan(chain(fit={"code": "2", "salt": "s"}))["fit"].decision == "run"
    again = say(world, chain(fit={"code": "3"}))
    assert again.record == world.plan(chain())["fit"].key
    assert world.plan(chain()).wholly_reused


def test_a_run_with_other_parameters_in_between_does_not_matter(world):
    def fit(n, code="1"):
        return {"fit": make_task("fit", "model", parameters={"n": n}, code=code)}

    world.record(fit(1))
    world.record(fit(2))
    edited = fit(1, "2")
    assert [reason.kind for reason in world.plan(edited)["fit"].reasons] == ["code", "parameter"]
    assert say(world, edited).record == world.plan(fit(1))["fit"].key
    assert say(world, fit(2, "2")).record == world.plan(fit(2))["fit"].key


def test_it_is_taken_back_by_its_step_or_by_its_key(world):
    world.record(chain())
    edited = chain(fit={"code": "2"})
    accepted = say(world, edited)
    with pytest.raises(UsageError, match="no edit of 'fit' was accepted"):
        revoke("fit", None, world.store, pipeline="another")
    assert revoke("fit", None, world.store, pipeline="p") == [accepted]
    (reason,) = world.plan(edited)["fit"].reasons
    assert (reason.kind, reason.detail) == ("code", "changed")
    assert revoke("fit", say(world, edited).key, world.store, pipeline="another")
    assert all_accepted(world.store) == []


def test_a_forced_step_runs_all_the_same(world):
    world.record(chain())
    edited = chain(fit={"code": "2"})
    say(world, edited)
    assert decisions(world.plan(edited, force={"fit"}))["fit"] == "run"
    assert decisions(world.plan(chain(fit={"code": "2", "reuse": False})))["fit"] == "run"


def test_a_record_of_its_own_goes_before_what_was_accepted(world):
    world.record(chain())
    edited = chain(fit={"code": "2"})
    accepted = say(world, edited)
    record = world.plan(edited).decided["fit"].record
    world.store.put_record(replace(record, key=accepted.key))
    assert not is_accepted(world.plan(edited)["fit"].reasons)


def test_an_accepted_result_that_is_gone_or_too_old_runs(world):
    world.record(chain())
    aged = {"code": "2", "max_age_s": 3600.0}
    say(world, chain(fit=aged))
    record = world.plan(chain(fit=aged)).decided["fit"].record
    world.store.put_record(replace(record, created_at=NOW - 7200))
    assert world.plan(chain(fit=aged))["fit"].reasons[0].kind == "expired"
    os.unlink(world.store.objects.path(record.outputs["model"].blob.object))
    assert world.plan(chain(fit={"code": "2"}))["fit"].reasons[0].kind == "missing"
    world.store.remove_record(record.key)
    assert world.plan(chain(fit={"code": "2"}))["fit"].decision == "run"


def test_where_there_is_nothing_to_accept_it_is_refused(world):
    assert "'load' never ran" in refusal(world, chain(), "load")
    assert "is not known yet" in refusal(world, chain(), "fit")
    world.record(chain())
    assert "'fit' is reused as it is" in refusal(world, chain())
    edited = chain(load={"code": "2"}, fit={"code": "2"})
    assert "'load' runs: code changed" in refusal(world, edited)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"parameters": {"n": 2}}, "parameter n 1 -> 2"),
        ({"salt": "s"}, "salt added: s"),
        ({"reuse": False}, "--no-reuse"),
        ({"output": "other"}, "where the outputs stay what they are"),
        ({"code": "2", "parameters": {"n": 2}}, "parameter n 1 -> 2"),
        ({"max_age_s": 1.0}, "expired"),
    ],
)
def test_what_is_not_for_a_person_to_judge_is_refused(world, change, why):
    world.record({"fit": make_task("fit", "model", parameters={"n": 1})}, created_at=NOW - 60)
    asked = {"output": "model", "parameters": {"n": 1}, **change}
    assert why in refusal(world, {"fit": make_task("fit", **asked)})


def test_an_input_that_changed_is_refused(world):
    world.record(chain())
    tasks = chain(load={"code": "2"})
    plan = world.plan(tasks, stop_at_first_run=False)
    key = plan["load"].key
    world.store.put_record(Record(key, {"df": world.store.put_value("another")}))
    assert "input df: 'load' gave another one" in refusal(world, tasks)
