"""`jupyter mlpipe adopt`: lines put into notebooks as they are written, run, and taken out again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_mlpipe.app.main import main
from tests.app.conftest import CommandLine

IMPORTS = "import time\ndef load(n):\n    time.sleep(1.05)\n    return list(range(n))"
LOAD = "# The rows\nrows = load(4)"
CLEAN = "kept = [row for row in rows if row]"
SHOW = "print(len(kept))"
CELLS = ("# Title é", IMPORTS, LOAD, CLEAN, SHOW)


def _write(folder: Path, *cells: str, name: str = "plain.ipynb", **layout: Any) -> Path:
    """Write a notebook as front ends do: sources as lists of lines."""
    written = [
        {"cell_type": "markdown", "id": f"m{n}", "metadata": {}, "source": text.splitlines(keepends=True)}
        if text.startswith("# ") and "\n" not in text
        else {
            "cell_type": "code",
            "execution_count": n,
            "id": f"c{n}",
            "metadata": {"tags": [f"t{n}"]},
            "outputs": [{"name": "stdout", "output_type": "stream", "text": [f"{n}\n"]}],
            "source": text.splitlines(keepends=True),
        }
        for n, text in enumerate(cells)
    ]
    notebook = {
        "cells": written,
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path = folder / name
    path.write_text(json.dumps(notebook, **{"indent": 1, "ensure_ascii": False, **layout}) + "\n")
    return path


def _sources(path: Path) -> list[str]:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_cells_that_take_long_get_a_line_and_the_copy_runs(cli: CommandLine) -> None:
    plain = _write(cli.folder, *CELLS)
    before = plain.read_bytes()
    done = cli("adopt", str(plain))
    assert done.status == 0, done.err
    assert plain.read_bytes() == before
    assert _sources(cli.folder / "plain.mlpipe.ipynb") == [
        "%load_ext jupyter_mlpipe",
        IMPORTS,
        f"%%component load_rows\n{LOAD}",
        CLEAN,
        SHOW,
    ]
    lines = done.out.splitlines()
    assert len(lines) == 5, "a line for each cell, below the heads"
    assert "%%component load_rows" in lines[2]
    assert "keeps rows" in lines[2]
    assert "takes " in lines[3]
    assert "adopted: 1 of 4 cells have a line of their own in " in done.err
    ran = cli("run", "plain.mlpipe.ipynb", "--json")
    assert ran.statuses == {"load_rows": "succeeded"}
    assert cli("run", "plain.mlpipe.ipynb", "--json").statuses == {"load_rows": "reused"}


def test_without_a_run_the_code_alone_decides(cli: CommandLine) -> None:
    plain = _write(cli.folder, IMPORTS, LOAD, CLEAN, SHOW, "open('made.txt', 'w').close()")
    done = cli("adopt", str(plain), "--no-run", "--json", "--output", "copy.ipynb")
    assert done.status == 0, done.err
    assert done.json["output"] == "copy.ipynb"
    assert not (cli.folder / "made.txt").exists()
    assert [cell["line"] for cell in done.json["cells"]] == [
        None,
        "%%component load_rows",
        "%%component kept",
        None,
        None,
    ]
    assert {cell["seconds"] for cell in done.json["cells"]} == {None}
    assert _sources(cli.folder / "copy.ipynb")[3] == f"%%component kept\n{CLEAN}"


def test_all_takes_cells_that_are_quick_or_only_show_something(cli: CommandLine) -> None:
    done = cli("adopt", str(_write(cli.folder, "import math", "x = sum([1])", SHOW.replace("kept", "[x]"))))
    assert done.status == 1
    assert "nothing to adopt" in done.err
    assert "takes " in done.out
    done = cli("adopt", "plain.ipynb", "--all", "--json")
    assert [cell["name"] for cell in done.json["cells"]] == [None, "sum_x", "show"]
    assert cli("run", "plain.mlpipe.ipynb", "--json").statuses == {"sum_x": "succeeded", "show": "succeeded"}


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"indent": 2, "ensure_ascii": True},
        {"indent": None},
        {"indent": None, "separators": (",", ":")},
        {"indent": "\t"},
        {"indent": 0},
    ],
)
def test_taking_the_lines_out_gives_the_same_bytes(
    cli: CommandLine, layout: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cli.folder)
    plain = _write(cli.folder, *CELLS, "", "\n\nx = sum([1])", "y = f('''\n  a\x0cb\n''')", **layout)
    before = plain.read_bytes()
    assert main(["adopt", "plain.ipynb", "--no-run", "--output", "plain.ipynb"]) == 0
    assert plain.read_bytes() != before
    assert main(["adopt", "plain.ipynb", "--remove", "--output", "plain.ipynb"]) == 0
    assert plain.read_bytes() == before


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_sources_in_one_text_stay_so(
    cli: CommandLine, line_end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cli.folder)
    plain = _write(cli.folder, *CELLS)
    notebook = json.loads(plain.read_text())
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    notebook["cells"][2]["source"] = "rows = load(4)\r\nkept = rows"
    notebook["nbformat_minor"] = 4
    for cell in notebook["cells"]:
        del cell["id"]
    text = json.dumps(notebook, indent=1).replace("\n", line_end)
    plain.write_bytes(text.encode())
    assert main(["adopt", "plain.ipynb", "--no-run"]) == 0
    copy = json.loads((cli.folder / "plain.mlpipe.ipynb").read_text())
    assert copy["cells"][0] == {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"mlpipe": {"adopted": True}},
        "outputs": [],
        "source": "%load_ext jupyter_mlpipe",
    }
    assert main(["adopt", "plain.mlpipe.ipynb", "--remove"]) == 0
    assert (cli.folder / "plain.plain.ipynb").read_bytes() == plain.read_bytes()


def test_what_the_user_edits_in_between_stays(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cli.folder)
    _write(cli.folder, *CELLS)
    assert main(["adopt", "plain.ipynb", "--no-run", "--output", "steps.ipynb"]) == 0
    path = cli.folder / "steps.ipynb"
    notebook = nbformat.read(path, as_version=4)
    loads, _, _, load, clean, show = notebook["cells"]
    loads["source"] += "\nimport os"
    load["source"] = "\n%%component read(n=4) -> rows --cpus 2\nrows = load(n)\n# more"
    clean["source"] = "#| component: clean(rows)\n#| --cpus 2\n" + CLEAN
    show["source"] = "%%parameters\nseed = 7"
    nbformat.write(notebook, path)
    assert main(["adopt", "steps.ipynb", "--remove"]) == 0
    assert _sources(cli.folder / "steps.plain.ipynb") == [
        "import os",
        IMPORTS,
        "\nrows = load(n)\n# more",
        CLEAN,
        "seed = 7",
    ]
    kept = nbformat.read(cli.folder / "steps.plain.ipynb", as_version=4)["cells"]
    assert [cell["metadata"] for cell in kept[:1]] == [{}]
    assert [cell["id"] for cell in kept[1:]] == ["m0", "c1", "c2", "c3", "c4"]


def test_what_our_cells_showed_goes_with_their_lines(cli: CommandLine) -> None:
    _write(cli.folder, "def f():\n    print('loading')\n    return 1", "x = f()\nx")
    assert cli("adopt", "plain.ipynb", "--no-run").status == 0
    assert cli("run", "plain.mlpipe.ipynb", "--output", "ran.ipynb").status == 0
    outputs = cli.saved("ran.ipynb")["cells"][2]["outputs"]
    assert [output["output_type"] for output in outputs] == ["display_data", "stream", "execute_result"]
    assert cli("adopt", "ran.ipynb", "--remove").status == 0
    outputs = cli.saved("ran.plain.ipynb")["cells"][1]["outputs"]
    assert [output["output_type"] for output in outputs] == ["stream", "execute_result"]


def test_a_notebook_of_components_gets_lines_for_the_rest_alone(cli: CommandLine) -> None:
    cli.write("%%component sum_x\nx = sum([1])", "#| component: other\ny = sum([x])", "x = sum([2])")
    done = cli("adopt", "notebook.ipynb", "--no-run", "--json")
    names = [cell["name"] for cell in done.json["cells"]]
    assert names == [None, None, None, "sum_x_2"], done.err
    sources = _sources(cli.folder / "notebook.mlpipe.ipynb")
    assert sources[0] == "%load_ext jupyter_mlpipe"
    assert sources.count("%load_ext jupyter_mlpipe") == 1
    removed = cli("adopt", "notebook.mlpipe.ipynb", "--remove", "--json")
    assert removed.json["removed"] == 3
    assert removed.json["left"] == ["%load_ext jupyter_mlpipe"], "the user's own"


def test_a_value_that_cannot_be_stored_is_found_by_running(cli: CommandLine) -> None:
    made = "import time\nfound = make()\ntime.sleep(1.05)"
    plain = _write(cli.folder, "def make():\n    yield 1", made, "total = sum(found)")
    done = cli("adopt", str(plain), "--json")
    assert done.status == 1
    assert done.json["cells"][1]["why"] == "binds only what cannot be stored: found (generator)"
    assert done.json["status"] == "failed"


def test_a_notebook_that_fails_says_where_and_what_else_can_be_done(cli: CommandLine) -> None:
    done = cli("adopt", str(_write(cli.folder, "x = 1", "1 / 0")), "--json")
    assert done.status == 1
    assert "Cell 2 of 2 failed:" in done.err
    assert "ZeroDivisionError" in done.err
    assert "--no-run" in done.json["error"]
    assert sorted(path.name for path in cli.folder.glob("*.ipynb")) == ["plain.ipynb"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("missing.ipynb",), 2, "There is no notebook 'missing.ipynb'."),
        (("text.ipynb",), 2, "is not a notebook"),
        (("json.ipynb",), 2, "is not a notebook"),
        (("old.ipynb",), 2, "is of notebook format 3"),
        (("other.ipynb",), 2, "is a notebook for R"),
        (("plain.ipynb", "--fast"), 2, "unrecognized arguments: --fast"),
        (("plain.ipynb", "--remove", "--all"), 2, "--remove takes lines out"),
        (("plain.ipynb", "--output", "no/out.ipynb"), 2, "there is no folder"),
        (("plain.ipynb", "--output", "."), 2, "is a folder"),
        (("taken.ipynb", "--no-run"), 2, "exists already. Name another file"),
        (("plain.ipynb", "--remove"), 1, "there is nothing to take out"),
        (("trivial.ipynb", "--no-run"), 1, "none of its cells is worth a line"),
        (("trivial.ipynb", "--no-run", "--all"), 1, "computes something that could be kept"),
        (("empty.ipynb",), 1, "it has no code"),
        ((), 2, "the following arguments are required: NOTEBOOK"),
    ],
)
def test_what_cannot_be_done_is_said(
    cli: CommandLine,
    words: tuple[str, ...],
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(cli.folder)
    _write(cli.folder, *CELLS)
    _write(cli.folder, *CELLS, name="taken.ipynb")
    _write(cli.folder, *CELLS, name="taken.mlpipe.ipynb")
    _write(cli.folder, "import math", "seed = 7", name="trivial.ipynb")
    _write(cli.folder, "# Title", name="empty.ipynb")
    other = json.loads(_write(cli.folder, "x <- 1", name="other.ipynb").read_text())
    other["metadata"] = {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}
    (cli.folder / "other.ipynb").write_text(json.dumps(other))
    old = {"metadata": {}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": [], "metadata": {}}]}
    (cli.folder / "old.ipynb").write_text(json.dumps(old))
    (cli.folder / "text.ipynb").write_text("not a notebook")
    (cli.folder / "json.ipynb").write_text('{"a": 1}')
    before = {path: path.read_bytes() for path in cli.folder.glob("*.ipynb")}
    assert main(["adopt", *words, "--json"]) == status
    said = capsys.readouterr()
    assert message in said.err.replace("\n", " ")
    assert message in json.loads(said.out)["error"].replace("\n", " ")
    assert {path: path.read_bytes() for path in cli.folder.glob("*.ipynb")} == before
