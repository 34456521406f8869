import pickle

from jupyter_mlpipe.execution.process.spec import Prelude
from jupyter_mlpipe.execution.runs.task import StepTask, make_spec
from jupyter_mlpipe.keys.closure import Closure, ModuleSource
from jupyter_mlpipe.model.component import Component, Definition, Options
from jupyter_mlpipe.model.pipeline import FromParameter, FromStep, Step
from jupyter_mlpipe.model.resources import Resources
from jupyter_mlpipe.store.blobs import Blob
from jupyter_mlpipe.store.records import Artifact


def artifact(*needs):
    blob = Blob("0" * 64, 1)
    return Artifact("d" * 64, "pickle", 1, "Point", "", blob, dict.fromkeys(needs, "e" * 64))


def make_task(name, *, reads=(), closure=None, **component):
    bindings = {source.split(".")[1]: FromStep(*source.split(".")) for source in reads}
    return StepTask(
        Step(Component(name, f"cell of {name}", "code", **component), bindings), closure or Closure()
    )


POINT = Definition("Point", "class", "class Point: pass", 1)


def test_spec_holds_what_the_step_process_needs():
    component = Component(
        "fit",
        "%%component fit\npass",
        "\npass",
        outputs=("model",),
        outputs_declared=True,
        may_change=("df", "model", "helper"),
        options=Options(resources=Resources(cpus=2, gpus=1)),
    )
    step = Step(component, {"df": FromStep("load", "df"), "lr": FromParameter("lr")})
    closure = Closure(imports={"pd": ("pandas", None)}, payload=b"p", preload=("pandas",))
    task = StepTask(step, closure, {"lr": 0.1}, "Cell In[3]", "/home/me", ("/home/me",))
    spec = make_spec(task, "k", (), {"df": artifact()}, store="/store", notebook="book")
    assert (spec.step, spec.key, spec.title, spec.cell, spec.code) == (
        "fit",
        "k",
        "Cell In[3]",
        component.cell,
        "\npass",
    )
    assert (spec.outputs, spec.outputs_declared) == (("model",), True)
    assert (spec.parameters, spec.imports, spec.payload) == ({"lr": 0.1}, {"pd": ("pandas", None)}, b"p")
    assert (spec.cpus, spec.gpus, spec.folder, spec.sys_path) == (2, 1, "/home/me", ("/home/me",))
    assert (spec.store, spec.notebook, spec.preludes, spec.preload) == ("/store", "book", (), ("pandas",))
    assert pickle.loads(spec.to_bytes()) == spec


def test_class_that_a_cell_above_defines_is_sent_by_its_source():
    load = make_task(
        "load",
        closure=Closure(
            imports={"np": ("numpy", None), "sqrt": ("math", "sqrt"), "math": ("math", None)},
            modules={"local": ModuleSource("x = 1", "local.py", False)},
        ),
        definitions=(POINT,),
    )
    pass_on = make_task("pass_on", reads=["load.points"])
    task = make_task("use", reads=["pass_on.points"])
    above = {t.name: t for t in (load, pass_on, task)}
    spec = make_spec(task, "k", (), {"points": artifact("Point")}, above=above)
    assert spec.preludes == (
        Prelude(
            source="import numpy as np\nfrom math import sqrt as sqrt\nimport math", title="<imports of load>"
        ),
        Prelude(source="class Point: pass", title="<definitions of load>"),
    )
    assert list(spec.modules) == ["local"]


def test_class_that_a_step_above_captured_is_sent_by_its_pickle():
    load = make_task("load", closure=Closure(names=("Point",), payload=b"pickle"))
    task = make_task("use", reads=["load.points"])
    spec = make_spec(task, "k", (), {"points": artifact("Point")}, above={"load": load, "use": task})
    assert spec.preludes == (Prelude(payload=b"pickle"),)


def test_class_that_the_step_captured_itself_needs_nothing_more():
    load = make_task("load", definitions=(POINT,))
    task = make_task("use", reads=["load.points"], closure=Closure(names=("Point",), payload=b"pickle"))
    spec = make_spec(task, "k", (), {"points": artifact("Point")}, above={"load": load, "use": task})
    assert spec.preludes == ()


def test_nearest_definition_wins_and_comes_last():
    other = Definition("Line", "class", "class Line(Point): pass", 1)
    load = make_task("load", definitions=(POINT,))
    extend = make_task("extend", reads=["load.points"], definitions=(other,))
    task = make_task("use", reads=["extend.lines"])
    above = {t.name: t for t in (load, extend, task)}
    spec = make_spec(task, "k", (), {"lines": artifact("Line", "Point")}, above=above)
    assert [prelude.source for prelude in spec.preludes] == [POINT.source, other.source]
