import pytest

from jupyter_mlpipe.errors import ParameterError, UnknownStepError, UsageError
from jupyter_mlpipe.execution.runs.pipeline import Pipeline
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import FromStep, Step
from jupyter_mlpipe.model.status import Ingredient
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import open_store


def resolve(params):
    if unknown := params.keys() - {"seed"}:
        raise ParameterError(f"There is no parameter '{unknown.pop()}'.")
    closure = Closure(ingredients=(Ingredient("code", "", digest("test", "load")),))
    load = Step(Component("load", "", "", outputs=("df",)))
    fit = Step(Component("fit", "", "", outputs=("model",)), {"df": FromStep("load", "df")})
    return {"load": StepTask(load, closure, {"seed": 7, **params}), "fit": StepTask(fit, closure)}


@pytest.fixture
def pipeline(tmp_path):
    def no_cluster(ahead):
        raise AssertionError("nothing may run here")

    runner = Runner(open_store(tmp_path), no_cluster)
    yield Pipeline("book", resolve, runner)
    runner.close()


def test_plan_is_of_the_targets_and_what_is_above_them(pipeline):
    assert list(pipeline.plan()) == ["load", "fit"]
    assert list(pipeline.plan(targets=["load"])) == ["load"]
    assert repr(pipeline) == "<Pipeline 'book': load, fit>"


def test_parameters_enter_the_plan_and_the_run(pipeline, tmp_path):
    store = open_store(tmp_path)
    planned = pipeline.plan(targets=["load"], params={"seed": 8})
    store.put_record(Record(planned["load"].key, {"df": store.put_value(8)}))
    assert pipeline.plan(targets=["load"])["load"].decision == "run"
    run = pipeline.run(targets=["load"], params={"seed": 8})
    assert (run.status, run["df"], run.pipeline, run.targets) == ("succeeded", 8, "book", ("load",))


def test_unknown_names_are_errors(pipeline):
    with pytest.raises(UnknownStepError, match="Did you mean 'load'"):
        pipeline.plan(targets=["laod"])
    with pytest.raises(UnknownStepError, match="Steps: load, fit"):
        pipeline.run(force=["score"])
    with pytest.raises(ParameterError, match="no parameter 'sed'"):
        pipeline.run(params={"sed": 1})
    with pytest.raises(UnknownStepError, match="Did you mean 'load'"):
        pipeline.accept("laod")


def test_what_never_ran_cannot_be_accepted_nor_taken_back(pipeline):
    with pytest.raises(UsageError, match="'load' never ran"):
        pipeline.accept("load")
    with pytest.raises(UsageError, match="no edit of 'load' was accepted"):
        pipeline.accept("load", revoke=True)
