"""However a notebook is run, its cells with our line behave as without it, and are reused the second time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.support.kernel import MIME, Kernel

Start = Callable[..., Kernel]

# (name of the component or None, text): names are put on top, or not.
CELLS: list[tuple[str | None, str]] = [
    (None, "scale = 2"),
    (None, "import os, sys\nimport pandas as pd\nimport matplotlib.pyplot as plt\nfrom helper import twice"),
    (None, "plt.rcParams['figure.dpi'] = 50\npd.set_option('display.max_rows', 4)"),
    ("load", "numbers = [int(line) for line in open('numbers.txt')]\nprint('read', len(numbers))"),
    ("table", "df = pd.DataFrame({'n': numbers, 'm': [twice(n) * scale for n in numbers]})\ndf"),
    ("total", "total = int(df['m'].sum())\nprint('summing', file=sys.stderr)\ntotal"),
    (None, "df['share'] = df['m'] / total\nprint(df['share'].round(3).tolist())"),
    ("draw", "fig, ax = plt.subplots(figsize=(2, 1))\nax.plot(df['n'], df['share'])\nplt.show()"),
    (None, "from IPython.display import Markdown, display\ndisplay(Markdown(f'**{total}**'))\n_ = total"),
    ("last", "print(os.path.basename(os.getcwd()), __name__)\n(scale, total, len(df))"),
]
METADATA = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
STEPS = [name for name, _ in CELLS if name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "work"
    here.mkdir()
    _fill(here)
    for name, with_lines in (("plain", False), ("steps", True)):
        cells = [new_markdown_cell("# Numbers")]
        if with_lines:
            cells.append(new_code_cell("%load_ext jupyter_mlpipe"))
        for step, text in CELLS:
            cells.append(new_code_cell(f"%%component {step}\n{text}" if with_lines and step else text))
            if text.startswith("scale"):
                cells[-1]["metadata"]["tags"] = ["parameters"]
        nbformat.write(new_notebook(cells=cells, metadata=METADATA), here / f"{name}.ipynb")
    return here


def _fill(folder: Path) -> None:
    (folder / "numbers.txt").write_text("".join(f"{n}\n" for n in range(1, 9)))
    (folder / "helper.py").write_text("def twice(x):\n    return x * 2\n")


def _call(folder: Path, *words: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _tool(name: str) -> list[str]:
    return [str(Path(sys.executable).with_name(name))]


def _nbconvert(folder: Path, source: str, target: str) -> None:
    words = ["--to", "notebook", "--execute", source, "--output", target]
    _call(folder, *_tool("jupyter-nbconvert"), *words)


def _jupyter_execute(folder: Path, source: str, target: str) -> None:
    (folder / target).write_bytes((folder / source).read_bytes())
    _call(folder, *_tool("jupyter-execute"), "--inplace", target)


def _papermill(folder: Path, source: str, target: str) -> None:
    _call(folder, *_tool("papermill"), "--no-progress-bar", source, target, "-p", "scale", "3")


def _papermill_elsewhere(folder: Path, source: str, target: str) -> None:
    (folder / "other").mkdir(exist_ok=True)
    _fill(folder / "other")
    words = ["--no-progress-bar", "--cwd", "other", source, target, "-p", "scale", "5"]
    _call(folder, *_tool("papermill"), *words)


def _nbclient(folder: Path, source: str, target: str) -> None:
    """As a program does it, with cells one by one and no ids of them."""
    code = (
        "import nbformat, sys\nfrom nbclient import NotebookClient\n"
        "notebook = nbformat.read(sys.argv[1], as_version=4)\n"
        "for cell in notebook.cells:\n    cell.pop('id', None)\n"
        "notebook.nbformat_minor = 4\n"
        "NotebookClient(notebook, timeout=100, kernel_name='python3').execute()\n"
        "nbformat.write(notebook, sys.argv[2])\n"
    )
    _call(folder, sys.executable, "-c", code, source, target)


TOOLS = {
    "nbconvert --execute": _nbconvert,
    "jupyter execute": _jupyter_execute,
    "papermill": _papermill,
    "papermill --cwd": _papermill_elsewhere,
}


def _read(path: Path) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4)["cells"] if cell["cell_type"] == "code"]


def _shown(cells: Sequence[Any]) -> list[Any]:
    """Return what each cell shows of its own, by its text without our line."""
    story = []
    for cell in cells:
        text = re.sub(r"\A%%component \w+\n", "", cell["source"])
        if text == "%load_ext jupyter_mlpipe":
            continue
        own = [o for o in cell["outputs"] if MIME not in o.get("data", {})]
        # Text of one kind in pieces, and stderr before or after stdout, is as the kernel flushes.
        streams = {
            name: "".join(o["text"] for o in own if o.get("name") == name) for name in ("stdout", "stderr")
        }
        displays = [(o["output_type"], dict(o["data"]), dict(o["metadata"])) for o in own if "data" in o]
        errors = [(o["ename"], o["evalue"]) for o in own if o["output_type"] == "error"]
        story.append((text, streams, displays, errors))
    return story


def _statuses(cells: Sequence[Any]) -> dict[str, str]:
    facts = [o["data"][MIME] for cell in cells for o in cell["outputs"] if MIME in o.get("data", {})]
    return {fact["step"]: fact["status"] for fact in facts if fact["kind"] == "receipt"}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_gives_what_it_gives_without_our_lines(tool: str, folder: Path) -> None:
    run = TOOLS[tool]
    run(folder, "plain.ipynb", "plain.out.ipynb")
    expected = _shown(_read(folder / "plain.out.ipynb"))
    assert sum(bool(displays) for _, _, displays, _ in expected) >= 4, "the notebook shows what it should"
    for status in ("succeeded", "reused"):
        run(folder, "steps.ipynb", "steps.out.ipynb")
        cells = _read(folder / "steps.out.ipynb")
        assert _shown(cells) == expected
        assert _statuses(cells) == dict.fromkeys(STEPS, status)


def test_another_tool_reuses_what_one_has_made(folder: Path) -> None:
    _nbconvert(folder, "steps.ipynb", "one.ipynb")
    _nbclient(folder, "steps.ipynb", "two.ipynb")
    assert _shown(_read(folder / "two.ipynb")) == _shown(_read(folder / "one.ipynb"))
    assert _statuses(_read(folder / "two.ipynb")) == dict.fromkeys(STEPS, "reused")


def test_a_failing_cell_fails_the_tool_with_its_own_error(folder: Path) -> None:
    for name, line in (("plain", ""), ("steps", "%%component load\n")):
        cells = [new_code_cell("%load_ext jupyter_mlpipe"), new_code_cell(f"{line}x = 1\nx / 0")]
        cells.append(new_code_cell("print(x)"))
        nbformat.write(new_notebook(cells=cells, metadata=METADATA), folder / f"{name}.ipynb")
    for source in ("plain.ipynb", "steps.ipynb"):
        with pytest.raises(AssertionError, match="ZeroDivisionError"):
            _papermill(folder, source, "out.ipynb")
        cells = _read(folder / "out.ipynb")
        error = next(o for cell in cells for o in cell["outputs"] if o["output_type"] == "error")
        assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")
        assert "x / 0" in re.sub(r"\x1b\[[0-9;]*m", "", "".join(error["traceback"]))
        assert not cells[-1]["outputs"], "the cells below do not run"


def test_papermill_sets_what_a_parameters_cell_declares(folder: Path) -> None:
    texts = [
        "%load_ext jupyter_mlpipe",
        "%%parameters\nscale: int = 2",
        "%%component use\nused = scale * 10\nused",
        "%%component other\nalways = 1",
    ]
    cells = [new_code_cell(text) for text in texts]
    cells[1]["metadata"]["tags"] = ["parameters"]
    nbformat.write(new_notebook(cells=cells, metadata=METADATA), folder / "steps.ipynb")
    made, kept = "succeeded", "reused"
    for value, use, other in ((3, made, made), (4, made, kept), (3, kept, kept)):
        words = ["--no-progress-bar", "steps.ipynb", "out.ipynb", "-p", "scale", str(value)]
        _call(folder, *_tool("papermill"), *words)
        cells = _read(folder / "out.ipynb")
        assert _statuses(cells) == {"use": use, "other": other}
        results = [o["data"]["text/plain"] for c in cells for o in c["outputs"] if o.get("execution_count")]
        assert results == [str(value * 10)]


# Front ends, by the requests that they send.


def _story(kernel: Kernel, metadata: Callable[[int], dict[str, Any]], *, with_lines: bool) -> list[Any]:
    story = []
    for number, (step, text) in enumerate(CELLS):
        line = f"%%component {step}\n" if with_lines and step else ""
        result = kernel.run(line + text, **metadata(number)).check()
        displays = [(o["type"], o["data"]) for o in result.own if "data" in o]
        story.append((text, result.printed, result.printed_error, displays))
    return story


FRONT_ENDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "no ids at all": lambda n: {},
    "JupyterLab": lambda n: {"cellId": f"c{n}", "deletedCells": [], "recordTiming": True, "trusted": True},
    "VS Code": lambda n: {"cellId": f"vscode-notebook-cell:/home/u/a%20b.ipynb#W{n}sZmlsZQ%3D%3D"},
    "Colab": lambda n: {"colab": {"cell_id": f"aB{n}", "base_url": "https://example.org"}},
    "null for an id": lambda n: {"cellId": None, "deletedCells": None},
}


def test_a_front_end_sees_what_it_sees_without_our_lines(folder: Path, start_kernel: Start) -> None:
    plain = start_kernel(folder, load=False)
    expected = _story(plain, FRONT_ENDS["JupyterLab"], with_lines=False)
    plain.close()
    status = "succeeded"
    for front_end, metadata in FRONT_ENDS.items():
        kernel = start_kernel(folder)
        assert _story(kernel, metadata, with_lines=True) == expected, front_end
        states = kernel.run("%pipeline status").check().facts["steps"]
        assert {name: step["status"] for name, step in states.items()} == dict.fromkeys(STEPS, status)
        status = "reused"
        kernel.close()


def test_restart_and_run_all_gives_the_same_and_reuses(folder: Path, start_kernel: Start) -> None:
    metadata = FRONT_ENDS["JupyterLab"]
    kernel = start_kernel(folder)
    first = _story(kernel, metadata, with_lines=True)
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=30)
    kernel.run("%load_ext jupyter_mlpipe").check()
    assert _story(kernel, metadata, with_lines=True) == first
    states = kernel.run("%pipeline status").check().facts["steps"]
    assert {step["status"] for step in states.values()} == {"reused"}


def test_a_request_that_is_silent_sees_the_names_of_steps(kernel: Kernel) -> None:
    kernel.run("%%component make\nx = [20]\ny = 1").check()
    silent = kernel.run("import builtins; builtins.seen = x[0] + y", silent=True)
    assert silent.status == "ok"
    assert silent.outputs == []
    assert kernel.run("import builtins; builtins.seen").check().result == "21"


def test_a_request_that_is_silent_does_not_load_what_it_does_not_name(kernel: Kernel) -> None:
    kernel.run("%%component make\nx = [20]").check()
    kernel.run("import builtins; builtins.seen = sorted(globals())", silent=True)
    assert kernel.run("import builtins\n'x' in builtins.seen").check().result == "False"
    assert kernel.run("x").check().result == "[20]"


def test_expressions_of_a_request_see_the_names_of_steps(kernel: Kernel) -> None:
    kernel.run("%%component make\nx = [20]").check()
    before = kernel.run("pass", user_expressions={"v": "x[0] + 1"}).expressions
    assert before["v"]["data"]["text/plain"] == "21"
    made_here = kernel.run("%%component use\nz = x[0] * 2", user_expressions={"v": "z"}).expressions
    assert made_here["v"]["data"]["text/plain"] == "40"


def test_what_a_silent_request_binds_is_what_the_next_step_reads(kernel: Kernel) -> None:
    kernel.run("%%component make\nx = 20").check()
    kernel.run("x = 7", silent=True)
    kernel.run("%%component use\ny = x + 1").check()
    assert kernel.value("y") == 8


def test_what_a_silent_request_changes_through_a_function_is_seen(kernel: Kernel) -> None:
    kernel.run("%%component make\nx = [20]").check()
    kernel.run("def bump():\n    x.append(1)").check()
    assert kernel.run("bump()", silent=True).status == "ok"
    kernel.run("%%component use\ny = sum(x)").check()
    assert kernel.value("y") == 21


def test_a_request_outside_the_history_is_a_cell_all_the_same(start_kernel: Start) -> None:
    cells = ["x = [3]\nprint('made')", "x.append(len(x))\nx"]
    plain = start_kernel(load=False)
    expected = [(r.printed, r.result) for r in (plain.run(c, store_history=False).check() for c in cells)]
    for status in ("succeeded", "reused"):
        kernel = start_kernel()
        for number, cell in enumerate(cells):
            result = kernel.run(f"%%component c{number}\n{cell}", store_history=False).check()
            assert (result.printed, result.result) == expected[number]
            assert result.status_of_step == status
        assert kernel.run("x", store_history=False).check().result == "[3, 1]"


def test_a_silent_component_does_not_take_the_place_of_the_last_cell(kernel: Kernel) -> None:
    kernel.run("%%component one\nx = 1", cell_id="a").check()
    assert kernel.run("%%component two\ny = 2", silent=True).status == "ok"
    kernel.run("%%component three\nz = 3").check()
    assert set(kernel.run("%pipeline status").check().facts["steps"]) == {"one", "two", "three"}


def test_a_notebook_that_changes_its_folder_has_one_store(tmp_path: Path, start_kernel: Start) -> None:
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    for status in ("succeeded", "reused"):
        kernel = start_kernel(work)
        kernel.run("import os\nos.chdir('sub')").check()
        assert kernel.run("%%component make\nx = os.path.basename(os.getcwd())").status_of_step == status
        kernel.run("os.chdir('..')").check()
        assert kernel.value("x") == "sub"
        assert kernel.run("%%component other\ny = 1").check().status_of_step == status
        kernel.close()
    assert [path.relative_to(work) for path in work.rglob(".mlpipe")] == [Path(".mlpipe")]
