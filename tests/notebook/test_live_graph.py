"""The graph as a front end sees it: what the kernel sends and hears, while it is busy and when it is free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.kernel import Kernel

WAIT = "import os, time\nwhile not os.path.exists({name!r}):\n    time.sleep(0.05)\n"


class Page:
    """A page that shows the graph of a cell: it opens a comm on a subshell, as JupyterLab does."""

    def __init__(self, kernel: Kernel, graph: str) -> None:
        self._kernel = kernel
        self.graph = graph
        client = kernel.client
        client.control_channel.send(client.session.msg("create_subshell_request", {}))
        self._subshell = client.get_control_msg(timeout=10)["content"]["subshell_id"]
        # The target is there once the widget is, which is made beside the cell.
        kernel.listen(lambda: self.widgets)
        self._send("comm_open", {"comm_id": "page", "target_name": "jupyter-mlpipe", "data": {}})

    @property
    def widgets(self) -> list[dict[str, Any]]:
        """States of the widgets with a module that the kernel has opened."""
        opened = [comm["data"]["state"] for comm in self._kernel.comms if comm["kind"] == "comm_open"]
        return [state for state in opened if "_esm" in state]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What the kernel has told of this graph."""
        told = [comm["data"].get("content") for comm in self._kernel.comms if comm["kind"] == "comm_msg"]
        return [message for message in told if message and message.get("graph") == self.graph]

    def ask(self, do: str, **asked: Any) -> None:
        data = {"graph": self.graph, "do": do, **asked}
        self._send("comm_msg", {"comm_id": "page", "data": data})

    def hear(self, part: str) -> Any:
        """Wait for a message with a part, and return it."""
        n_before = len(self.messages)
        return self._kernel.listen(lambda: [m for m in self.messages[n_before:] if part in m])[-1]

    def ask_and_hear(self, part: str, do: str, **asked: Any) -> Any:
        n_before = len(self.messages)
        self.ask(do, **asked)
        return self._kernel.listen(lambda: [m for m in self.messages[n_before:] if part in m])[-1]

    def status(self, step: str) -> str | None:
        """Return a step's status as all messages together tell it."""
        status = None
        for message in self.messages:
            told = message.get("all") or message.get("changed") or {}
            status = (told.get("steps", {}).get(step) or {}).get("status", status)
        return status

    def told(self, part: str) -> dict[str, Any]:
        """Return a part of the graph's state as all messages together tell it."""
        state: dict[str, Any] = {}
        for message in self.messages:
            state = merged(state, (message.get("all") or message.get("changed") or {}).get(part) or {})
        return state

    def wait_for(self, step: str, status: str) -> None:
        self._kernel.listen(lambda: self.status(step) == status)

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        message = self._kernel.client.session.msg(kind, content)
        message["header"]["subshell_id"] = self._subshell
        self._kernel.client.shell_channel.send(message)


def merged(known: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    inner = {k: merged(known.get(k) or {}, v) if isinstance(v, dict) else v for k, v in changed.items()}
    return {**known, **inner}


def show(kernel: Kernel, code: str = "run = %pipeline run", cell_id: str = "shows") -> Page:
    """Run a cell that shows a graph, and open a page on it."""
    result = kernel.run(code, cell_id=cell_id).check()
    html = next(o["data"]["text/html"] for o in result.outputs if "text/html" in o.get("data", {}))
    return Page(kernel, html.partition('data-mlpipe-graph="')[2].partition('"')[0])


def shown(kernel: Kernel, page: Page) -> dict[str, Any]:
    """Return what the notebook holds of the graph."""
    bundles = [output["data"] for output in kernel.displays.values()]
    return next(bundle for bundle in bundles if page.graph in bundle.get("text/html", ""))


def test_a_busy_kernel_tells_of_its_run_and_can_be_asked_and_stopped(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("%%component one --no-run\nprint('\\x1b[31mbegun\\x1b[0m')\nx = 1").check()
    kernel.run("%%component two --no-run\nprint('two')\n" + WAIT.format(name="never") + "y = x").check()
    page = show(kernel)
    busy = kernel.start(WAIT.format(name="go"))
    told = page.ask_and_hear("all", "hello")
    assert set(told["all"]["steps"]) == {"one", "two"}
    page.wait_for("two", "running")
    detail = page.ask_and_hear("detail", "step", step="one")["detail"]
    assert detail["log"] == "begun\n"
    assert detail["code"].startswith("%%component one")
    assert [reason["text"] for reason in detail["reasons"]] == ["new"]
    assert [(made["name"], made["shape"], made["type"]) for made in detail["makes"]] == [("x", "1", "int")]
    page.ask("stop")
    page.wait_for("two", "cancelled")
    assert kernel.result_of(busy).status == "running"
    (tmp_path / "go").touch()
    kernel.wait(busy).check()
    assert page.widgets[0]["_esm"].startswith("// sources ")
    assert len(page.widgets) == 1


def test_what_a_step_prints_comes_to_its_panel(kernel: Kernel, tmp_path: Path) -> None:
    code = "print('first')\n" + WAIT.format(name="go") + "print('second')\nx = 1"
    kernel.run("%%component one --no-run\n" + code).check()
    page = show(kernel)
    page.ask_and_hear("all", "hello")
    kernel.listen(lambda: "first" in page.ask_and_hear("detail", "step", step="one")["detail"]["log"])
    (tmp_path / "go").touch()
    assert page.hear("log")["log"] == "second\n"


def test_runs_that_the_page_asks_for_start_when_the_kernel_is_free(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("%%component one\nx = 1").check()
    kernel.run("%%component two\ny = x + 1").check()
    kernel.run("%%component three\nz = y + 1").check()
    page = show(kernel, "%pipeline show")
    page.ask_and_hear("all", "hello")
    assert [page.status(step) for step in ("one", "two", "three")] == ["succeeded"] * 3
    busy = kernel.start("open('begun', 'w').close()\n" + WAIT.format(name="go"))
    kernel.listen((tmp_path / "begun").exists)
    page.ask("run", how="force", step="two")
    page.ask_and_hear("detail", "step", step="two")  # it has heard of the run before, and does not start it
    assert not [m for m in page.messages if "said" in m]
    (tmp_path / "go").touch()
    kernel.wait(busy).check()
    kernel.listen(lambda: [m for m in page.messages if m.get("said") == ""])

    def reasons() -> list[str]:
        detail = page.ask_and_hear("detail", "step", step="two")["detail"]
        return [reason["text"] for reason in detail["reasons"]]

    kernel.listen(lambda: reasons() == ["forced"])
    assert page.ask_and_hear("said", "run", how="to", step="four")["said"].startswith("There is no")


def test_a_panel_says_what_a_step_gave_before(kernel: Kernel) -> None:
    kernel.run("import numpy as np").check()
    kernel.run("%%component one\nx = np.arange(10.0)").check()
    kernel.run("%%component one\nx = np.arange(30.0)").check()
    page = show(kernel, "%pipeline show")
    detail = page.ask_and_hear("detail", "step", step="one")["detail"]
    (made,) = detail["makes"]
    assert made["note"] == "float64, shape (30,)\nfrom 0.0 to 29.0"
    assert made["was"].startswith("before: ")
    assert [status for _, status, _ in detail["ends"]] == ["✓ succeeded", "✓ succeeded"]
    (reason,) = detail["reasons"]
    assert "+x = np.arange(30.0)" in reason["diff"]


def test_a_graph_of_the_pipeline_shows_runs_of_later_cells(kernel: Kernel) -> None:
    kernel.run("%%component one --no-run\nx = 1").check()
    page = show(kernel, "%pipeline show")
    assert page.ask_and_hear("all", "hello")["all"]["steps"]["one"]["plan"] == "run"
    kernel.run("%%component one\nx = 1").check()
    page.wait_for("one", "succeeded")
    kernel.listen(lambda: 'data-mlpipe-status="succeeded"' in shown(kernel, page)["text/html"])


def test_the_notebook_holds_a_picture_that_needs_no_kernel(kernel: Kernel) -> None:
    kernel.run("%%component one --no-run\nx = 1").check()
    page = show(kernel)
    kernel.listen(lambda: 'data-mlpipe-status="succeeded"' in shown(kernel, page)["text/html"])
    bundle = shown(kernel, page)
    assert set(bundle) == {"text/plain", "text/html", "image/svg+xml", "application/vnd.mlpipe+json"}
    assert "<script" not in bundle["text/html"]


def test_the_notebook_holds_the_end_of_a_run_before_the_page_says_it(kernel: Kernel, tmp_path: Path) -> None:
    # It may be saved by who has seen it.
    code = WAIT.format(name="go") + "time.sleep(0.5)\nx = 1"
    kernel.run("%%component one --no-run\n" + code).check()
    page = show(kernel)
    page.ask_and_hear("all", "hello")
    page.wait_for("one", "running")
    (tmp_path / "go").touch()
    kernel.listen(lambda: page.told("run").get("status") == "succeeded")
    assert 'data-mlpipe-status="succeeded"' in shown(kernel, page)["text/html"]


def test_programs_that_run_notebooks_get_no_widget(kernel: Kernel) -> None:
    kernel.run("%%component one\nx = 1").check()
    kernel.run("%pipeline show").check()
    assert kernel.value("'anywidget' in __import__('sys').modules") is False
    assert [comm["data"] for comm in kernel.comms] == [{"here": True}]


def test_groups_fold_to_one_node_in_the_page_and_in_the_notebook(kernel: Kernel) -> None:
    kernel.run("%%component one --group first\nx = 1").check()
    kernel.run("%%component two --group first\ny = x + 1").check()
    kernel.run("%%component three\nz = y + 1").check()
    page = show(kernel, "%pipeline show")
    assert set(page.ask_and_hear("all", "hello")["all"]["steps"]) == {"one", "two", "three"}
    page.ask("fold", groups=["first"])
    told = kernel.listen(lambda: page.told("steps").get("first/"))
    assert told["text"].startswith("ran ")
    assert told["members"] == ["one", "two"]
    kernel.listen(lambda: 'data-mlpipe-step="first/"' in shown(kernel, page)["image/svg+xml"])
    assert 'data-mlpipe-step="one"' not in shown(kernel, page)["image/svg+xml"]
    page.ask("fold", groups=[])
    kernel.listen(lambda: page.told("steps").get("first/") is None)
    # To move a step to another group is no edit of it.
    assert kernel.run("%%component one --group second\nx = 1").check().status_of_step == "reused"
    kernel.listen(lambda: 'data-mlpipe-step="one"' in shown(kernel, page)["image/svg+xml"])


def test_the_page_is_told_when_steps_ran_and_what_they_gave_before(kernel: Kernel) -> None:
    kernel.run("import numpy as np").check()
    kernel.run("%%component one\nx = np.arange(10)").check()
    kernel.run("%%component two\ny = x.sum()").check()
    kernel.run("%%component one\nx = np.arange(30)").check()
    page = show(kernel, "%pipeline show")
    told = page.ask_and_hear("all", "hello")["all"]
    lane, queued, began, ended, is_critical, _ = told["bars"]["one"]
    assert lane
    assert queued <= began < ended
    # It ran after two, which does not rest on what it gives now.
    assert (is_critical, told["bars"]["two"][4]) == (True, True)
    assert told["run"]["path"].startswith("two → one: ")
    # Read from disk, that comes a little later.
    was = kernel.listen(lambda: page.told("steps")["one"]["makes"][0][3])
    assert was.startswith("was ")
    assert page.told("flows")["0"][1].endswith(was)


def test_runs_are_told_as_a_table_and_two_of_them_compared(kernel: Kernel) -> None:
    kernel.run("import jupyter_mlpipe as mlpipe").check()
    kernel.run("%%parameters\nrate = 0.5").check()
    kernel.run("%%component one --no-run\nx = 1").check()
    kernel.run("%%component two --no-run\nmlpipe.log_metric('auc', rate)\ny = x + rate").check()
    for rate in ("0.5", "0.75"):
        kernel.run(f"run = %pipeline run -p rate={rate}\nrun.wait()").check()
    page = show(kernel, "%pipeline show")
    page.ask_and_hear("all", "hello")
    table = page.ask_and_hear("runs", "runs")["runs"]
    assert table["columns"][-2:] == [["rate", "number"], ["two.auc", "metric"]]
    now, before = table["rows"]
    listed = [dict(zip(dict(table["columns"]), row["cells"], strict=True)) for row in (now, before)]
    assert [row["two.auc"] for row in listed] == [["0.75", 0.75], ["0.5", 0.5]]
    assert [row["status"] for row in listed] == 2 * [["✓ succeeded", "succeeded"]]
    assert [(row["ran"], row["reused"]) for row in listed] == [(["1", 1], ["1", 1]), (["2", 2], ["", 0])]
    past = page.ask_and_hear("past", "past", run=now["id"])["past"]
    assert past["text"].endswith(listed[0]["took"][0])
    one, two = (past["state"]["bars"][step] for step in ("one", "two"))
    assert one[:3] == ["", None, None]  # reused
    assert two[0] == "local"
    assert 0 <= two[1] <= two[2] <= two[3] <= past["state"]["run"]["seconds"]
    assert page.ask_and_hear("said", "past", run="nothing")["said"].startswith("No run begins")
    # Whichever is named first, the earlier one is.
    compared = page.ask_and_hear("compared", "compare", runs=[now["id"], before["id"]])["compared"]
    assert [run["id"] for run in compared["runs"]] == [before["id"], now["id"]]
    assert compared["parameters"] == [["rate", "0.5", "0.75"]]
    (differing,) = [step for step in compared["steps"] if step["differs"]]
    assert differing["name"] == "two"
    assert [reason["text"] for reason in differing["reasons"]] == ["parameter rate 0.5 -> 0.75"]
    assert differing["metrics"] == [["auc", "0.5", "0.75"]]
    assert compared["same"] == 1
    assert ["data-mlpipe-status=" in picture for picture in compared["pictures"]] == [True, True]
    assert [picture.count("data-mlpipe-flow=") for picture in compared["pictures"]] == [1, 1]
    assert "No run begins with" in page.ask_and_hear("said", "compare", runs=["x", "y"])["said"]
    assert page.ask_and_hear("said", "compare", runs=7)["said"]

    listed = kernel.run("%pipeline runs").check()
    head = listed.outputs[0]["data"]["text/plain"].splitlines()[1]
    assert head.split()[-2:] == ["rate", "two.auc"]
    assert [run["metrics"] for run in listed.facts["runs"]] == [{"two.auc": 0.75}, {"two.auc": 0.5}]


def test_a_step_runs_alone_where_all_above_it_is_done_and_is_cancelled(
    kernel: Kernel, tmp_path: Path
) -> None:
    kernel.run("%%component one --no-run\nx = 1").check()
    kernel.run("%%component two --no-run\ny = x\n" + WAIT.format(name="never")).check()
    page = show(kernel, "%pipeline show")
    page.ask_and_hear("all", "hello")
    said = page.ask_and_hear("said", "run", how="only", step="two")["said"]
    assert said.startswith("Above 'two', one would have to run first")
    page.ask("run", how="only", step="one")
    page.wait_for("one", "succeeded")
    assert page.ask_and_hear("said", "cancel", step="two")["said"] == "Nothing runs 'two'"
    page.ask("run", how="only", step="two")
    page.wait_for("two", "running")
    page.ask("cancel", step="two")
    page.wait_for("two", "cancelled")


def test_a_panel_tells_metrics_and_use_against_what_was_asked_for(kernel: Kernel) -> None:
    kernel.run("import jupyter_mlpipe as mlpipe").check()
    for rate in (0.5, 0.25):
        kernel.run(
            "%%component fit --memory 8GB\n"
            f"for n in range(3):\n    mlpipe.log_metric('loss', {rate} / (n + 1), step=n)"
        ).check()
    page = show(kernel, "%pipeline show")
    detail = page.ask_and_hear("detail", "step", step="fit")["detail"]
    assert detail["metrics"] == [["loss", "0.0833333", "before: 0.166667"]]
    assert detail["curves"] == [["loss", [[0, 0.25], [1, 0.125], [2, 0.25 / 3]]]]
    cpu, memory = detail["use"]
    assert cpu[:2] == ["CPU", "1"]
    assert memory[:2] == ["memory", "8.0 GB"]
    assert memory[3].startswith("--memory ")


def test_a_graph_of_the_pipeline_follows_edits_and_runs_what_is_stale(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("k = 2", cell_id="k").check()
    kernel.run("%%component one\nx = k", cell_id="one").check()
    kernel.run("%%component two\ny = x + 1", cell_id="two").check()
    page = show(kernel, "%pipeline show")
    assert page.ask_and_hear("all", "hello")["all"]["stale"]["text"] == ""
    kernel.run("k = 3", cell_id="k").check()
    kernel.listen(lambda: page.told("stale").get("count") == 2)
    assert page.told("stale")["text"].startswith("run 2 stale, about")
    assert page.told("steps")["two"]["text"] == "ran, may be stale"
    page.ask("run", how="stale")
    kernel.listen(lambda: page.told("stale").get("count") == 0)
    assert kernel.value("(x, y)") == (3, 4)
    assert page.ask_and_hear("said", "run", how="stale")["said"] == "Nothing is stale."
    # What failed is to be run as well, though nothing that it is made of has changed.
    kernel.run("%%component three\nimport os\nz = 1 if os.path.exists('mended') else 1 / 0", cell_id="three")
    kernel.listen(lambda: page.told("stale").get("text") == "run 1 failed")
    (tmp_path / "mended").touch()
    page.ask("run", how="stale")
    page.wait_for("three", "succeeded")


def test_a_panel_follows_a_run_by_itself_while_it_goes_on(kernel: Kernel, tmp_path: Path) -> None:
    # A name that the code does not hold: a file that it names counts as one that it reads.
    gates = [f"while not os.path.isfile('{name}'[::-1]): time.sleep(0.01)\n" for name in ("og", "pu")]
    code = f"import os, time\nprint('rate', rate)\n{gates[0]}print('more')\n{gates[1]}x = rate"
    (tmp_path / "go").touch()
    (tmp_path / "up").touch()
    kernel.run("%%parameters\nrate = 3", cell_id="params").check()
    kernel.run(f"%%component one\n{code}", cell_id="one").check()
    kernel.run("%pipeline auto on").check()
    page = show(kernel, "%pipeline show")
    page.ask_and_hear("all", "hello")
    assert page.ask_and_hear("detail", "step", step="one")["detail"]["log"] == "rate 3\nmore\n"
    (tmp_path / "go").unlink()
    (tmp_path / "up").unlink()
    kernel.run("%%parameters\nrate = 4", cell_id="params").check()
    page.wait_for("one", "running")
    kernel.listen(lambda: page.ask_and_hear("detail", "step", step="one")["detail"]["log"] == "rate 4\n")
    (tmp_path / "go").touch()
    assert page.hear("log")["log"] == "more\n"
    (tmp_path / "up").touch()
    kernel.listen(lambda: "by itself" in page.told("steps")["one"]["text"])
    assert page.ask_and_hear("detail", "step", step="one")["detail"]["log"] == "rate 4\nmore\n"


VIEW = "application/vnd.jupyter.widget-view+json"
FRONT_ENDS: dict[str, dict[str, Any]] = {
    "VS Code": {"cellId": "vscode-notebook-cell:/home/u/a.ipynb#W1sZmlsZQ%3D%3D"},
    "Colab": {"colab": {"cell_id": "aB1", "base_url": "https://example.org"}},
    "another": {"cellId": "c1"},
}


# What Colab has in each kernel, as far as widgets ask for it: its page loads their manager from there.
MANAGER = "https://example.org/manager.min.js"
COLAB = f"""
import sys, types
sys.modules["google.colab.output"] = types.SimpleNamespace(
    enable_custom_widget_manager=lambda: None, _widgets=types.SimpleNamespace(_installed_url={MANAGER!r})
)
"""


def model_of(kernel: Kernel, html: str) -> tuple[str, dict[str, Any]]:
    """The widget that a graph has for itself, and its state."""
    opened = {comm["comm_id"]: comm["data"]["state"] for comm in kernel.comms if comm["kind"] == "comm_open"}
    ((model, state),) = [(m, s) for m, s in opened.items() if s.get("graph") and s["graph"] in html]
    return model, state


def greet(kernel: Kernel, model: str, graph: str) -> None:
    """Ask as the page does by a widget's own messages, and wait for the answer."""
    asked = {"method": "custom", "content": {"graph": graph, "do": "hello"}}
    message = kernel.client.session.msg("comm_msg", {"comm_id": model, "data": asked})
    kernel.client.shell_channel.send(message)

    def told() -> list[dict[str, Any]]:
        sent = [c["data"] for c in kernel.comms if c["kind"] == "comm_msg" and c["comm_id"] == model]
        return [data["content"] for data in sent if data.get("method") == "custom"]

    kernel.listen(lambda: any("all" in message for message in told()))


@pytest.mark.parametrize("front_end", ["Colab", "another"])
def test_where_outputs_are_pages_of_their_own_each_graph_has_a_view(kernel: Kernel, front_end: str) -> None:
    if front_end == "Colab":
        kernel.run(COLAB).check()
    kernel.run("%%component one --no-run\nx = 1").check()
    result = kernel.run("run = %pipeline run", **FRONT_ENDS[front_end]).check()
    output = next(output for output in result.outputs if VIEW in output.get("data", {}))
    bundle = output["data"]
    manager = {VIEW: {"colab": {"custom_widget_manager": {"url": MANAGER}}}}
    assert output["metadata"] == (manager if front_end == "Colab" else {})
    # The first is what is shown; the last picture, where the kernel is gone.
    assert next(iter(bundle)) == VIEW
    assert "data-mlpipe-step" in bundle["text/html"]
    model, state = model_of(kernel, bundle["text/html"])
    assert bundle[VIEW]["model_id"] == model
    assert state["svg"].startswith("<svg ")
    greet(kernel, model, state["graph"])
    kernel.run("run.wait()").check()

    def kept() -> list[dict[str, Any]]:
        return [o["data"] for o in kernel.displays.values() if VIEW in o["data"]]

    kernel.listen(lambda: 'data-mlpipe-status="succeeded"' in kept()[0]["text/html"])
    assert kept()[0][VIEW]["model_id"] == model


def test_in_vs_code_each_graph_has_a_widget_and_is_html(kernel: Kernel) -> None:
    kernel.run("%%component one --no-run\nx = 1").check()
    models = set()
    # A notebook that was closed and opened again knows no widgets: the cell that runs again brings one.
    for _ in range(2):
        result = kernel.run("run = %pipeline run", **FRONT_ENDS["VS Code"]).check()
        (html,) = [o["data"]["text/html"] for o in result.outputs if "data-mlpipe-graph" in str(o)]
        assert all(VIEW not in output.get("data", {}) for output in result.outputs)
        model, state = model_of(kernel, html)
        assert state["svg"] == ""
        greet(kernel, model, state["graph"])
        models.add(model)
    assert len(models) == 2
    kernel.run("run.wait()").check()
    kept = list(kernel.displays.values())
    kernel.listen(
        lambda: any('data-mlpipe-status="succeeded"' in str(o["data"].get("text/html")) for o in kept)
    )


def test_in_vs_code_a_new_step_is_drawn_while_others_run(kernel: Kernel, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists():\n    time.sleep(0.02)\nx = 1"
    kernel.run(f"%%component one --no-run\n{wait}").check()
    result = kernel.run("%pipeline show", **FRONT_ENDS["VS Code"]).check()
    model, state = model_of(kernel, str(result.outputs))
    greet(kernel, model, state["graph"])
    kernel.run("run = %pipeline run one").check()
    kernel.run("%%component two --no-run\ny = 2").check()
    kernel.listen(lambda: any("two" in str(o["data"].get("text/plain")) for o in kernel.displays.values()))
    assert kernel.value("run.status") == "running"
    go.touch()
    kernel.run("run.wait()").check()


def test_in_vs_code_two_graphs_of_a_cell_keep_their_own_pictures(kernel: Kernel) -> None:
    kernel.run("%%component one --no-run\nx = 1").check()
    for _ in range(2):
        kernel.run("%pipeline show\n%pipeline show", **FRONT_ENDS["VS Code"]).check()
    graphs = [
        output["data"]["text/html"] for output in kernel.displays.values() if "mlpipe-graph" in str(output)
    ]
    assert len(set(graphs)) == len(graphs) == 4


@pytest.mark.parametrize("front_end", ["VS Code", "Colab"])
def test_a_page_that_a_busy_kernel_cannot_hear_is_told_all(
    kernel: Kernel, tmp_path: Path, front_end: str
) -> None:
    if front_end == "Colab":
        kernel.run(COLAB).check()
    kernel.run("%%component one --no-run\n" + WAIT.format(name="go") + "x = 1").check()
    busy = kernel.start("run = %pipeline run\n" + WAIT.format(name="cell"), **FRONT_ENDS[front_end])

    def told() -> list[dict[str, Any]]:
        sent = [comm["data"] for comm in kernel.comms if comm["kind"] == "comm_msg"]
        return [data["content"] for data in sent if data.get("method") == "custom"]

    kernel.listen(lambda: any(m["all"]["steps"]["one"]["status"] == "running" for m in told() if "all" in m))
    (tmp_path / "go").touch()
    kernel.listen(lambda: any("succeeded" in str(message) for message in told()))
    assert kernel.result_of(busy).status == "running"
    (tmp_path / "cell").touch()
    kernel.wait(busy).check()


def test_jupyterlab_gets_no_view(kernel: Kernel) -> None:
    kernel.run("%%component one --no-run\nx = 1").check()
    page = show(kernel)
    page.ask_and_hear("all", "hello")
    assert VIEW not in shown(kernel, page)


def test_the_whole_of_an_outline_is_sent_when_it_is_asked_for(kernel: Kernel) -> None:
    kernel.run("%%component one\nx = 1").check()
    page = show(kernel, "%pipeline show")
    drawing = page.ask_and_hear("drawing", "drawing")["drawing"]
    assert 'data-mlpipe-step="one"' in drawing
