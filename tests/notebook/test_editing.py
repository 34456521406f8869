"""What the kernel says of a cell that is being typed, and what it puts in its place."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.test_cells_view import Lab
from tests.support.kernel import Kernel

CELLS = {
    "imports": "import math\nfrom numpy import exp\nimport matplotlib.pyplot as plt",
    "plain": "rate = 2\ndef helper(x): return x * rate",
    "parameters": "%%parameters\nseed = 7",
    "load": "%%component load\ndf = [3, 1, 2]\nconnection = open('notes', 'w')",
    "clean": "%%component clean\ndf = sorted(df)\nplt.title('sorted')",
    "fit": "%%component fit --cpus 1\n"
    "model = [helper(x) + math.sqrt(seed) + exp(rate) for x in df]\nsize = len(df)",
}


@pytest.fixture
def notebook(kernel: Kernel) -> Kernel:
    for cell_id, cell in CELLS.items():
        kernel.run(cell, cell_id=cell_id).check()
    kernel.run(
        "from jupyter_mlpipe.notebook.page.checking import check_cell\n"
        "from jupyter_mlpipe.notebook.page.locking import lock\n"
        "from jupyter_mlpipe.notebook.page.cellcommands import AT_ONCE, BETWEEN_CELLS\n"
        "from jupyter_mlpipe.notebook.extension import current_session\n"
        "session = current_session()"
    ).check()
    return kernel


def check(kernel: Kernel, cell: str, cell_id: str) -> dict[str, Any]:
    facts = kernel.run(f"print(check_cell(session, {cell!r}, {cell_id!r}))").check().printed
    return dict(ast.literal_eval(facts))


def lock(kernel: Kernel, cell: str, cell_id: str) -> str:
    """Return the cell with its signature locked, or what is said where that cannot be done."""
    code = f"edit = lock(session, {cell!r}, {cell_id!r})\nprint(edit.apply({cell!r}) + '|' + edit.note)"
    result = kernel.run(code)
    return result.printed.strip() if result.status == "ok" else str((result.error or {})["evalue"])


def ask(kernel: Kernel, do: str, **asked: Any) -> dict[str, Any]:
    """Return the kernel's answer, or what its error says."""
    result = kernel.run(f"print({{**AT_ONCE, **BETWEEN_CELLS}}[{do!r}](session, {asked!r}))")
    if result.status != "ok":
        return {"error": str((result.error or {})["evalue"])}
    return dict(ast.literal_eval(result.printed))


def test_a_cell_is_read_as_it_would_be_run(notebook: Kernel) -> None:
    def inferred(cell: str, cell_id: str = "other") -> str:
        found = check(notebook, cell, cell_id)
        assert found["flaws"] == []
        return str(found["inferred"])

    # As registered, as it would be, and half declared.
    assert inferred(CELLS["fit"], "fit") == "seed, rate, df (clean) → model, size"
    assert inferred(CELLS["clean"], "clean") == "df (load) → df"
    assert inferred("%%component other\nplt.plot(model); y = [m + exp(1) for m in model]") == "model → y"
    assert inferred("%%component other\nfound = later.mean() + size") == "later?, size → found"
    assert inferred("%%component other(model)\nz = model") == "→ z"
    assert inferred("%%component other -> z\nz = model") == "model"
    assert inferred("%%component other(model) -> z\nz = model") == ""
    assert inferred("#| component: other\nfiles = !ls {model}\nprint(files)") == "→ files"
    assert inferred("%%component other\ndef twice(model):\n    return model") == ""
    assert inferred("%%component other -> two\ndef twice(model):\n    return model") == ""
    assert inferred("x = 1") == ""
    told = check(notebook, "%%component other\nz = model[seed] + rate + later", "other")["told"]
    assert told == (
        "reads model of fit, seed (a parameter), rate of the notebook, later, which nothing provides yet; "
        "writes z"
    )

    # A cell that is half typed: nothing is said of the code, and what the header says is judged.
    assert check(notebook, "%%component other\nz = (", "other")["inferred"] is None
    (flaw,) = check(notebook, "%%component other --cpus", "other")["flaws"]
    assert (flaw["from"], flaw["to"], flaw["severity"]) == (18, 24, "error")
    cell = "%%component other(model) -> z\nz = model\nif size:\n    z = size"
    (flaw,) = check(notebook, cell, "other")["flaws"]
    assert cell[flaw["from"] : flaw["to"]] == "size"
    assert flaw["from"] == cell.index("size")
    assert flaw["text"].startswith("Component 'other' reads 'size' (line 3 of its cell), which its signature")
    (flaw,) = check(notebook, "%%component other(modle) -> z\nz = 1", "other")["flaws"]
    assert flaw["severity"] == "warning"
    assert "Did you mean 'model'" in flaw["text"]
    (flaw,) = check(notebook, "%%component clean\nz = 1", "other")["flaws"]
    assert (flaw["severity"], flaw["beside"]) == ("warning", "clean")
    (flaw,) = check(notebook, f"%%component {'a-' * 100_000}", "other")["flaws"]
    assert flaw["text"].startswith("A component's name has at most 200 characters")
    (flaw,) = check(notebook, f"%%component a --{'b' * 100_000}", "other")["flaws"]
    assert len(flaw["text"]) == 1000
    (flaw,) = check(notebook, "%%parameters now\nseed = 8", "parameters")["flaws"]
    assert flaw["text"].startswith("%%parameters takes nothing on its line")


def test_lines_of_pipeline_are_understood_before_they_are_run(notebook: Kernel) -> None:
    # What is wrong, and where.
    wrong = {
        "%pipeline pln": "pln",
        "x = 1\nrun = %pipeline run --forse fit": "--forse",
        "if x:\n    %pipeline runs --limit many --all": "--limit many",
        "%pipeline why": "%pipeline why",
        "%pipeline diff 'a": "'a",
        "'𝒳'\n%pipeline cache prnue": "prnue",
        "%pipeline mode foo": "foo",
        "%pipeline auto onn": "onn",
        "%pipeline auto on --budget soon": "--budget soon",
        "%pipeline show --output graph.gif": "graph.gif",
        "%pipeline accept --revoke": "--revoke",
        "%pipeline plan fit --only clean": "--only",
        "%pipeline run -p seed": "-p seed",
        "%pipeline cluster local --pool cpu:wrkers=2": "cpu:wrkers=2",
        "%pipeline cluster --pool cpu:workers=2": "--pool cpu:workers=2",
    }
    # Cells that have not run yet may make what is not known.
    unknown = {
        "%pipeline why fti": "fti",
        "%pipeline run clean --force nobody": "nobody",
        "%pipeline log clean fti": "fti",
        "%pipeline plan -p sead=8": "sead=8",
        "%pipeline load modle": "modle",
    }
    for cell, words in {**wrong, **unknown}.items():
        (flaw,) = check(notebook, cell, "other")["flaws"]
        assert cell[flaw["from"] : flaw["to"]] == words
        assert flaw["severity"] == ("error" if cell in wrong else "warning")
        run = notebook.run(f"x = 0\n{cell.splitlines()[-1].replace('run = ', '').strip()}")
        assert flaw["text"] in (run.printed_error or run.traceback)
        (told,) = ask(notebook, "check", cell="other", text=cell)["flaws"]
        assert cell.encode("utf-16-le")[2 * told["from"] : 2 * told["to"]].decode("utf-16-le") == words

    # Nothing is done, whatever the line says; what is no magic is none of ours.
    right = [
        "%pipeline",
        "%pipeline mode register",
        "%pipeline cancel",
        "run = %pipeline run fit -p seed=8",
        "%pipeline run \\\n  fit",
        "text = '''\n%pipeline nonsense\n'''",
        "%pipelines x",
        "%%bash\n%pipeline nonsense",
        "%pipeline?",
        "f(\n%pipeline nonsense",
    ]
    assert [check(notebook, cell, "other")["flaws"] for cell in right] == [[] for _ in right]
    assert notebook.value("session.mode") == "run"


def test_the_cell_of_a_step_is_said_to_be_edited_until_it_is_run(notebook: Kernel) -> None:
    edited = f"{CELLS['fit']} + 1"
    for text, cell, words in [
        (CELLS["fit"], "fit", ""),
        (edited, "fit", "edited since it was run"),
        (edited, "a cell that has not run", ""),
    ]:
        assert check(notebook, text, cell)["edited"] == words
    notebook.run(edited, cell_id="fit").check()
    assert check(notebook, edited, "fit")["edited"] == ""
    assert check(notebook, CELLS["fit"], "fit")["edited"] != ""


def test_a_locked_signature_is_what_the_step_does(notebook: Kernel) -> None:
    locked, note = lock(notebook, CELLS["fit"], "fit").split("|")
    assert locked.startswith("%%component fit(seed, rate, df=clean.df) -> model, size --cpus 1\n")
    assert note == ""
    again = notebook.run(locked, cell_id="fit").check()
    assert again.status_of_step == "reused"
    assert "already" in lock(notebook, locked, "fit")

    locked, note = lock(notebook, CELLS["load"], "load").split("|")
    assert locked.startswith("%%component load() -> df\n")
    assert note.startswith("'connection' is not in it, as it is not kept:")
    assert "'later', which nothing provides yet" in lock(notebook, "%%component x\ny = later", "x")
    assert "is no Python yet" in lock(notebook, "%%component x\ny = (", "x")
    assert "is a function" in lock(notebook, "%%component x -> y\ndef f():\n    return 1", "x")
    assert "has no %%component line" in lock(notebook, "x = 1", "x")


def test_what_a_page_is_told_counts_as_a_browser_does(notebook: Kernel) -> None:
    text = "%%component other\nname = '𝒳𝒴' + modle\n"
    assert ask(notebook, "check", cell="other", text=text)["at"] == 17
    text = "%%component other(𝒳) -> z\nz = '𝒳'"
    (flaw,) = ask(notebook, "check", cell="other", text=text.replace("z =", "y ="))["flaws"]
    assert (flaw["from"], flaw["to"]) == (25, 26)
    edit = ask(notebook, "plain", cell="other", text=text)
    assert (edit["from"], edit["to"], edit["insert"]) == (0, 27, "")
    edit = ask(notebook, "component", cell="other", text="name = '𝒳'")
    assert (edit["from"], edit["insert"]) == (0, "%%component name\n")
    assert edit["select"] == [12, 16]
    locked = ask(notebook, "lock", cell="other", text="%%component 𝒳 --cpus 2\nz = model")
    assert (locked["from"], locked["to"], locked["insert"]) == (14, 14, "(model) -> z")
    assert "already" in ask(notebook, "component", cell="fit", text=CELLS["fit"])["error"]


def test_cells_that_were_edited_run_before_a_run_of_steps(notebook: Kernel) -> None:
    texts = {**CELLS, "clean": CELLS["clean"] + "\n# edited"}
    for cell, how, first in [
        ("fit", "only", []),
        ("fit", "to", ["clean"]),
        ("load", "to", []),
        ("load", "from", ["clean"]),
        ("clean", "only", ["clean"]),
        ("other", "to", ["other"]),
    ]:
        assert ask(notebook, "edited", cell=cell, how=how, texts=texts)["first"] == first
    assert ask(notebook, "edited", cell="fit", how="only", texts=texts)["status"] == "succeeded"
    notebook.run("%pipeline mode register").check()
    notebook.run(texts["clean"], cell_id="clean").check()
    assert ask(notebook, "edited", cell="clean", how="only", texts=texts)["status"] == ""


def test_an_edit_is_accepted_before_its_cell_has_run_and_taken_back(notebook: Kernel) -> None:
    edited = CELLS["fit"].replace("len(df)", "len(df) + 0")
    answer = ask(notebook, "accept", cell="fit", text=edited)
    assert answer["text"].startswith("fit: accepted as unchanged: code changed\nits kept result counts")
    assert "accept" not in answer["text"].partition("\n")[2]
    assert notebook.run(edited, cell_id="fit").check().status_of_step == "reused"
    assert "would be reused" in ask(notebook, "why", cell="fit")["text"]
    answer = ask(notebook, "revoke", cell="fit")
    assert answer["text"] == "fit: no longer accepted: code changed"
    assert "code changed" in ask(notebook, "why", cell="fit")["text"]
    assert ask(notebook, "edited", cell="fit", how="only", texts={"fit": edited})["first"] == []
    assert "as a step yet" in ask(notebook, "why", cell="plain")["error"]
    assert "is no Python" in ask(notebook, "accept", cell="fit", text="%%component fit\nx = (")["error"]
    assert "no %%component line" in ask(notebook, "accept", cell="fit", text="x = 1")["error"]


def test_a_busy_kernel_reads_what_python_does_not_warn_of(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("%%component load\ndf = 1", cell_id="load").check()
    lab = Lab(kernel)
    wait = "import os, time, warnings\nfilters = list(warnings.filters)\nprint('begun')\n"
    wait += "while not os.path.exists('go'):\n    time.sleep(0.05)\n"
    busy = kernel.start(wait + "print(filters == warnings.filters)")
    kernel.listen(lambda: kernel.result_of(busy).printed)
    text = "%%component other\ny = df"
    assert lab.ask("check", cell="other", text=text)["inferred"] == "df → y"
    assert lab.ask("lock", cell="other", text=text)["insert"] == "(df) -> y"
    # What may make Python warn waits, for the user's code must not find that nobody warns.
    n_before = len(lab.messages)
    number = lab.send("check", cell="other", text=text + "\nz = '\\d', df")
    assert lab.ask("check", cell="other", text=text)["inferred"] == "df → y"
    assert number not in [message.get("answer") for message in lab.messages[n_before:]]
    (tmp_path / "go").touch()
    assert kernel.wait(busy).check().printed == "begun\nTrue\n"
    answer = kernel.listen(lambda: [m for m in lab.messages if m.get("answer") == number])[0]
    assert answer["inferred"] == "df → y, z"


def test_a_cell_whose_line_was_taken_out_is_no_step_once_it_has_run(kernel: Kernel) -> None:
    kernel.run("%%component one\nx = 1", cell_id="a").check()
    kernel.run("%%component two\ny = x + 1", cell_id="b").check()
    kernel.run("x = 5", cell_id="a").check()
    steps = kernel.run("print(list(__import__('jupyter_mlpipe').current().steps))")
    assert ast.literal_eval(steps.check().printed) == ["two"]
    assert kernel.run("%%component two\ny = x + 1", cell_id="b").check().status == "ok"
    assert kernel.value("y") == 6
