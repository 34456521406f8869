"""What JupyterLab's extension is told of the notebook's steps, and what it asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.kernel import Kernel

STATE = "jupyter-mlpipe-state"
WAIT = "import os, time\nwhile not os.path.exists({name!r}):\n    time.sleep(0.05)\n"


class Lab:
    """A page of JupyterLab with the extension: it asks on a subshell, and puts together what it is told."""

    def __init__(self, kernel: Kernel, name: str = "lab") -> None:
        self._kernel, self._name, self._n_asked = kernel, name, 0
        client = kernel.client
        client.control_channel.send(client.session.msg("create_subshell_request", {}))
        self._subshell = client.get_control_msg(timeout=10)["content"]["subshell_id"]
        self._send("comm_open", {"comm_id": name, "target_name": "jupyter-mlpipe", "data": {}})
        self._n_before = len(self.messages)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [c["data"] for c in self._kernel.comms if c["kind"] == "comm_msg" and c["comm_id"] == STATE]

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        """The facts of each step, as all messages since the page was opened tell them."""
        whole: dict[str, Any] = {}
        for message in self.messages[self._n_before :]:
            whole = message["all"] if "all" in message else _merged(whole, message.get("changed", {}))
        return dict(whole.get("steps", {}))

    def ask(self, do: str, **asked: Any) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        number = self.send(do, **asked)
        found = self._kernel.listen(lambda: [m for m in self.messages if m.get("answer") == number])
        return dict(found[0])

    def send(self, do: str, **asked: Any) -> str:
        """Ask; returns the number that the answer will have."""
        self._n_asked += 1
        number = f"{self._name}-{self._n_asked}"
        data = {"cells": True, "id": number, "do": do, **asked}
        self._send("comm_msg", {"comm_id": self._name, "data": data})
        return number

    def wait_for(self, **expected: Any) -> None:
        """Wait until steps have a status and, if it says so, a plan: ``a="succeeded run"``."""

        def seen() -> bool:
            states = {n: f"{s['status']} {s['plan'] or ''}".strip() for n, s in self.steps.items()}
            return all(states.get(name) == state for name, state in expected.items())

        self._kernel.listen(seen)

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        message = self._kernel.client.session.msg(kind, content)
        message["header"]["subshell_id"] = self._subshell
        self._kernel.client.shell_channel.send(message)


def _merged(known: Any, changed: dict[str, Any]) -> dict[str, Any]:
    whole = dict(known) if isinstance(known, dict) else {}
    for name, value in changed.items():
        whole[name] = _merged(whole.get(name), value) if isinstance(value, dict) else value
    return {name: value for name, value in whole.items() if value is not None or name in ("status", "plan")}


@pytest.fixture
def notebook(kernel: Kernel) -> Kernel:
    cells = {
        "helper": "def double(x):\n    return 2 * x",
        "c-a": "%%component a\nprint('in a')\nx = double(1)",
        "c-b": "%%component b\ny = x + 1",
        "c-c": "%%component c\nz = 5",
    }
    for cell_id, cell in cells.items():
        kernel.run(cell, cell_id=cell_id).check()
    return kernel


def test_cells_are_told_of_as_they_stand_and_turn_stale_below_a_change(notebook: Kernel) -> None:
    assert {"here": True} in Lab(notebook, "first").messages
    assert [m for m in Lab(notebook, "second").messages if "n" in m] == []  # nobody has asked
    lab = Lab(notebook)
    assert "error" not in lab.ask("hello")
    lab.wait_for(a="succeeded reuse", b="succeeded reuse", c="succeeded reuse")
    assert {name: step["cell"] for name, step in lab.steps.items()} == {"a": "c-a", "b": "c-b", "c": "c-c"}
    assert lab.steps["b"]["reads"] == [["x", "a"]]
    assert [made[:2] for made in lab.steps["b"]["makes"]] == [["y", "3"]]
    assert lab.steps["a"]["took"]
    # The run of b has found a done: why it ran is still what there is to say of it.
    assert [reason["text"] for reason in lab.ask("step", step="a")["detail"]["reasons"]] == ["new"]

    notebook.run("def double(x):\n    return 3 * x", cell_id="helper").check()
    lab.wait_for(a="succeeded run", b="succeeded undecided", c="succeeded reuse")
    assert [lab.steps[name]["stale"] for name in "abc"] == [True, True, False]
    assert "helper double changed" in lab.steps["a"]["why"]

    assert "error" not in lab.ask("run", how="stale")
    lab.wait_for(a="succeeded reuse", b="succeeded reuse", c="succeeded reuse")
    assert lab.steps["b"]["makes"][0][:2] == ["y", "4"]
    assert lab.ask("run", how="stale")["error"] == "Nothing is stale."

    notebook.run("%pipeline remove c").check()
    notebook.listen(lambda: set(lab.steps) == {"a", "b"})
    again = Lab(notebook, "again")
    again.ask("hello")
    assert set(again.steps) == {"a", "b"}


def test_a_busy_kernel_answers_for_its_steps(notebook: Kernel, tmp_path: Path) -> None:
    lab = Lab(notebook)
    busy = notebook.start("%%component slow\n" + WAIT.format(name="go") + "print('more')", cell_id="c-s")
    lab.ask("hello")
    lab.wait_for(slow="running")
    detail = lab.ask("step", step="a")["detail"]
    assert (detail["log"], detail["code"][:13]) == ("in a\n", "%%component a")
    assert lab.ask("step", step="slow")["detail"]["log"] == ""
    (worker,) = [each for each in lab.ask("workers")["workers"] if each["used"]]
    assert (worker["used"], worker["share"] > 0) == ("CPU=1 by slow", True)
    assert lab.ask("runs")["rows"][0][2:4] == ["slow", "running"]
    (tmp_path / "go").touch()
    assert notebook.wait(busy).check().facts["cell_id"] == "c-s"
    lab.wait_for(slow="succeeded reuse")
    notebook.listen(lambda: [m for m in lab.messages if m.get("log") == "more\n"])


def test_what_cannot_be_done_is_said(notebook: Kernel) -> None:
    lab = Lab(notebook)
    assert "fit" in lab.ask("run", how="to", step="fit")["error"]
    assert "does not know 'dance'" in lab.ask("dance")["error"]
    assert lab.ask("stop")["error"] == "Nothing is running"
    # Half a character, as a page can have it in a text.
    notebook.run(
        "from jupyter_mlpipe.notebook.extension import current_session\n"
        "from jupyter_mlpipe.notebook.page.cellsasks import CellsAsks\n"
        "half = {'do': 'check', 'id': 'half', 'cell': 'c-a', 'text': '%%component a --\\ud83d'}\n"
        "CellsAsks(current_session()).answer(half)"
    ).check()
    (half,) = notebook.listen(lambda: [m for m in lab.messages if m.get("answer") == "half"])
    assert "surrogates not allowed" in half["error"]
    notebook.run("%unload_ext jupyter_mlpipe").check()
    notebook.listen(lambda: [c for c in notebook.comms if c["kind"] == "comm_close"])
    notebook.run("%load_ext jupyter_mlpipe").check()
    assert lab.messages[-1] == {"here": True}


def test_a_way_to_ask_ends_without_a_word(notebook: Kernel) -> None:
    # JupyterLab complains of the end of a comm that it does not know, in each page that is there.
    Lab(notebook, "gone").ask("hello")
    notebook.run("get_ipython().kernel.comm_manager.comms['gone'].close()").check()
    assert [message for message in notebook.comms if message["comm_id"] == "gone"] == []


def test_a_page_that_asks_does_not_disturb_the_cell_that_runs(notebook: Kernel, tmp_path: Path) -> None:
    plot = "%matplotlib inline\nimport matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\n"
    busy = notebook.start(plot + "print('drawn')\n" + WAIT.format(name="go") + "_ = axes.plot([1, 2])")
    notebook.listen(lambda: notebook.result_of(busy).printed == "drawn\n")
    lab = Lab(notebook)
    lab.ask("hello")
    lab.ask("step", step="a")
    (tmp_path / "go").touch()
    notebook.wait(busy).check()
    assert [output["type"] for output in notebook.result_of(busy).own] == ["stream", "display_data"]
