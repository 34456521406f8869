"""`mlpipe.bind`: widgets that set parameters as they move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.kernel import Kernel
from tests.support.marks import Marks

Start = Callable[..., Kernel]

PARAMETERS = "%%parameters\nrate: Annotated[float, Interval(ge=0, le=10)] = 3.0\nn = 2"
FIT = "%%component fit(rate, n, size: int = 4)\nmodel = rate * n * size"


def begin(kernel: Kernel, auto: str = "mark") -> Marks:
    kernel.run("import ipywidgets as widgets, jupyter_mlpipe as mlpipe\nfrom annotated_types import Interval")
    kernel.run(PARAMETERS, cell_id="params").check()
    kernel.run(FIT, cell_id="fit").check()
    marks = Marks(kernel)
    kernel.run(f"%pipeline auto {auto}").check()
    kernel.run("rates = widgets.FloatSlider(min=0, max=20)\nbinding = mlpipe.bind('rate', rates)").check()
    marks.wait_for(fit="succeeded")
    return marks


def drag(kernel: Kernel, widget: str, value: Any) -> None:
    """Move a widget as the browser does: between cells, by its comm."""
    model = kernel.value(f"{widget}.model_id")
    content = {"comm_id": model, "data": {"method": "update", "state": {"value": value}, "buffer_paths": []}}
    kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", content))


def test_the_plan_follows_a_slider(kernel: Kernel) -> None:
    marks = begin(kernel)
    assert kernel.value("(rates.value, rate, model)") == (3.0, 3.0, 24.0)
    drag(kernel, "rates", 5.5)
    marks.wait_for(fit="stale")
    assert kernel.value("(rate, model)") == (5.5, 24.0)
    drag(kernel, "rates", 3)
    marks.wait_for(fit="succeeded")
    # A parameter is a float whatever the browser sends.
    assert kernel.value("(rate, type(rate).__name__)") == (3.0, "float")
    drag(kernel, "rates", 4)
    marks.wait_for(fit="stale")
    kernel.run("binding.unbind()").check()
    drag(kernel, "rates", 9)
    assert kernel.run(FIT, cell_id="fit").check().status_of_step == "succeeded"
    assert kernel.value("(rate, model)") == (4.0, 32.0)
    assert kernel.value("repr(binding)") == "<Binding: rate: unbound>"


def test_steps_follow_a_slider_by_themselves(kernel: Kernel) -> None:
    marks = begin(kernel, "on")
    for place in (5, 6, 7):
        drag(kernel, "rates", place)
    marks.wait_for(fit="by itself")
    kernel.listen(lambda: marks.steps["fit"]["previews"].get("model") == "56.0")
    assert kernel.value("(rate, model)") == (7.0, 56.0)


def test_what_does_not_fit_is_said_and_the_parameter_stays(kernel: Kernel) -> None:
    marks = begin(kernel)
    bound = kernel.run("box = widgets.Text()\nboth = mlpipe.bind(rate=rates, n=box)").check()
    assert kernel.value("box.value") == "2"
    drag(kernel, "rates", 15)
    kernel.settle(bound, lambda result: result.outputs)
    assert "15.0 does not fit" in bound.facts["error"]
    assert bound.facts["error"].endswith("It stays 3.0.")
    assert kernel.value("(rate, rates.value)") == (3.0, 15.0)
    drag(kernel, "box", "7")
    marks.wait_for(fit="stale")
    assert kernel.value("(n, list(both.errors))") == (7, ["rate"])
    drag(kernel, "rates", 8)
    assert kernel.value("(rate, both.errors)") == (8.0, {})


def test_running_the_cell_moves_the_slider(kernel: Kernel) -> None:
    marks = begin(kernel)
    drag(kernel, "rates", 5)
    marks.wait_for(fit="stale")
    kernel.run(PARAMETERS, cell_id="params").check()
    assert kernel.value("(rate, rates.value)") == (3.0, 3.0)
    kernel.run("rates.max = 4").check()
    kernel.run(PARAMETERS.replace("3.0", "6.0"), cell_id="params").check()
    assert kernel.value("(rate, rates.value)") == (6.0, 4.0)
    assert "it stands at 4.0" in kernel.value("binding.errors")["rate"]


def test_a_default_of_a_header_gives_way_until_it_is_edited(kernel: Kernel) -> None:
    marks = begin(kernel)
    kernel.run("sizes = widgets.IntSlider(min=1, max=9)\nb = mlpipe.bind('fit.size', sizes)").check()
    assert kernel.value("sizes.value") == 4
    drag(kernel, "sizes", 5)
    marks.wait_for(fit="stale")
    assert "size=5" in kernel.run(FIT, cell_id="fit").check().receipt
    assert kernel.value("model") == 30.0
    assert "size=6" in kernel.run(FIT.replace("= 4", "= 6"), cell_id="fit").check().receipt
    assert kernel.value("(sizes.value, model)") == (6, 36.0)
    drag(kernel, "sizes", 7)
    marks.wait_for(fit="stale")
    kernel.run("b.unbind()").check()
    assert "size=6" in kernel.run(FIT.replace("= 4", "= 6"), cell_id="fit").check().receipt


def test_a_parameter_does_not_change_within_a_cell(kernel: Kernel) -> None:
    marks = begin(kernel)
    assert kernel.run("rates.value = 6\nprint(rate)").check().printed == "3.0\n"
    assert kernel.value("rate") == 6.0
    marks.wait_for(fit="stale")
    awaits = "import asyncio\nrates.value = 7\nfor _ in range(20): await asyncio.sleep(0.01)\nprint(rate)"
    assert kernel.run(awaits).check().printed == "6.0\n"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("mlpipe.bind('rat', rates)", "There is no parameter 'rat'. Did you mean 'rate'?"),
        ("mlpipe.bind('rate', 3)", "needs a widget"),
        ("mlpipe.bind()", "takes a parameter and a widget"),
        ("shut = widgets.FloatSlider()\nshut.close()\nmlpipe.bind('rate', shut)", "is closed"),
        ("mlpipe.bind('rate', widgets.FloatSlider(max=1))", "cannot show: it stands at 1.0"),
        ("mlpipe.bind(rate=rates, n=widgets.Dropdown(options=['x']))", "cannot show: Invalid selection"),
    ],
)
def test_what_cannot_be_bound_is_refused(bound: Kernel, code: str, message: str) -> None:
    result = bound.run(code)
    assert result.status == "error"
    assert message in result.traceback
    assert bound.value("(rate, n, rates.value)") == (3.0, 2, 3.0)


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> Any:
    kernel = Kernel(tmp_path_factory.mktemp("bound"), {})
    kernel.run("%load_ext jupyter_mlpipe").check()
    begin(kernel)
    yield kernel
    kernel.close()


def test_anything_that_can_be_observed_will_do(kernel: Kernel) -> None:
    kernel.run(PARAMETERS.replace("Annotated[float, Interval(ge=0, le=10)]", "float")).check()
    kernel.run(
        "class Knob:\n"
        "    value = 0.0\n"
        "    def observe(self, handler, name): self.handler = handler\n"
        "    def turn(self, value): self.value = value; self.handler({})\n"
        "import jupyter_mlpipe as mlpipe, sys\n"
        "knob = Knob()\n"
        "binding = mlpipe.bind('rate', knob)\n"
        "knob.turn(9)"
    ).check()
    assert kernel.value("(knob.value, rate, 'ipywidgets' in sys.modules)") == (9, 9.0, False)


def test_a_knob_in_another_thread(kernel: Kernel) -> None:
    marks = begin(kernel, "on")
    kernel.run("from threading import Thread\nThread(target=setattr, args=(rates, 'value', 9.0)).start()")
    marks.wait_for(fit="by itself")
    assert kernel.value("(rate, model)") == (9.0, 72.0)
