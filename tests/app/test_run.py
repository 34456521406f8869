"""`jupyter mlpipe run` on real notebooks, in real kernels."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.app.conftest import CommandLine
from tests.support.kernel import Kernel

PARAMETERS = "%%parameters\nscale: int = 2"
LOAD = "%%component load\nprint('loading')\nrows = [3, 1, 2]"
LOW = "%%component low\nlowest = min(rows) * scale"
HIGH = "%%component high\nhighest = max(rows)"
BOTH = "%%component both\nspread = highest - lowest\nspread"
CELLS = (PARAMETERS, LOAD, LOW, HIGH, BOTH)


def meet(name: str, other: str) -> str:
    """Code of a step that goes on only when another step runs at the same time."""
    return (
        f"%%component {name}\n"
        "import os, pathlib, time\n"
        # Not by a call that says that it writes: cells that look at files would wait for it.
        f"os.close(os.open('{name}.here', os.O_CREAT))\n"
        "deadline = time.monotonic() + 60\n"
        f"while not pathlib.Path('{other}.here').exists():\n"
        f"    assert time.monotonic() < deadline, '{other} did not run'\n"
        "    time.sleep(0.01)\n"
        f"{name}_done = True"
    )


def test_second_run_reuses_what_the_first_one_made(cli: CommandLine) -> None:
    notebook = cli.write("# Title", *CELLS)
    first = cli("run", str(notebook), "--json")
    assert first.status == 0, first.err
    assert first.json["status"] == "succeeded"
    assert first.statuses == dict.fromkeys(("load", "low", "high", "both"), "succeeded")
    assert first.json["seconds"] > 0
    assert first.json["steps"]["load"]["reasons"][0]["kind"] == "new"
    second = cli("run", str(notebook), "--json")
    assert second.statuses == dict.fromkeys(("load", "low", "high", "both"), "reused")
    assert second.json["steps"]["load"]["seconds"] == 0


def test_a_notebook_need_not_load_the_extension(cli: CommandLine) -> None:
    notebook = cli.write("import math", *CELLS, loads=False)
    assert cli("run", str(notebook), "--json").statuses["both"] == "succeeded"
    planned = cli("plan", str(notebook), "--json")
    assert {step["decision"] for step in planned.json["steps"].values()} == {"reuse"}, planned.out


def test_an_error_without_a_traceback_is_said(cli: CommandLine) -> None:
    done = cli("run", str(cli.write("%nothing_of_that_name", *CELLS)))
    assert done.status == 1
    assert "%nothing_of_that_name" in done.err


def test_lines_tell_each_step_once_and_a_summary(cli: CommandLine) -> None:
    notebook = cli.write(*CELLS)
    first = cli("run", str(notebook))
    assert first.out == ""
    lines = [" ".join(line.split()) for line in first.err.splitlines()]
    assert "▶ load running new" in lines, "a step that has just started has taken no time"
    assert sum(line.startswith("✓ load ran ") for line in lines) == 1
    assert re.fullmatch(r"succeeded: 4 ran, \S+ m?s", lines[-1])
    assert "WARNING" not in first.err
    assert "\x1b" not in first.err
    second = cli("run", str(notebook))
    assert [line.split()[:3] for line in second.err.splitlines()[:-1]] == [
        ["↻", name, "reused"] for name in ("load", "low", "high", "both")
    ]
    assert "4 reused" in second.err.splitlines()[-1]


def test_runs_as_a_jupyter_subcommand(cli: CommandLine) -> None:
    jupyter = shutil.which("jupyter", path=str(Path(sys.executable).parent))
    assert jupyter
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = cli("run", str(cli.write(LOAD)), "--json", program=(jupyter, "mlpipe"), PATH=path)
    assert done.status == 0, done.err
    assert done.statuses == {"load": "succeeded"}


def test_a_parameter_runs_only_what_it_reaches(cli: CommandLine) -> None:
    notebook = cli.write(*CELLS, "print('spread', spread)")
    cli("run", str(notebook))
    done = cli("run", str(notebook), "-p", "scale=5", "--json", "--output", "out.ipynb")
    assert done.statuses == {"load": "reused", "low": "succeeded", "high": "reused", "both": "succeeded"}
    assert done.json["steps"]["low"]["reasons"][0]["text"] == "parameter scale 2 -> 5"
    assert cli.saved("out.ipynb").cells[-1].outputs[0].text == "spread -2\n"


def test_a_parameter_of_one_step_leaves_the_others_alone(cli: CommandLine) -> None:
    notebook = cli.write("%%component a(n=1)\nx = n", "%%component b(n=1)\ny = n", "print(x, y)")
    done = cli("run", str(notebook), "-p", "b.n=7", "--output", "out.ipynb")
    assert done.status == 0, done.err
    assert cli.saved("out.ipynb").cells[-1].outputs[0].text == "1 7\n"


@pytest.mark.parametrize("cells", [CELLS, ("%%component low(scale: int = 2)\nlowest = scale",)])
def test_a_parameter_of_the_wrong_type_is_a_usage_error(cli: CommandLine, cells: tuple[str, ...]) -> None:
    done = cli("run", str(cli.write(*cells)), "-p", "scale=big", "--json")
    assert done.status == 2
    assert done.json["status"] == "failed"
    assert "scale" in done.json["error"]
    assert "'big'" in done.json["error"]
    assert "usage error: Parameter 'scale' is declared as int" in done.err
    assert "Traceback" not in done.err


def test_a_target_is_reached_and_nothing_else_runs(cli: CommandLine) -> None:
    cells = (*CELLS, "open('below.txt', 'w').close()")
    done = cli("run", str(cli.write(*cells)), "--target", "low", "--json", "--output", "out.ipynb")
    assert done.status == 0, done.err
    assert done.statuses == {"load": "succeeded", "low": "succeeded"}
    assert not (cli.folder / "below.txt").exists()
    saved = cli.saved("out.ipynb")
    assert "ran" in saved.cells[3].outputs[0].data["text/plain"]
    assert [cell.execution_count for cell in saved.cells[4:]] == [None, None, None]


def test_a_plain_cell_above_a_target_gets_what_it_reads(cli: CommandLine) -> None:
    cells = (LOAD, "bound = sum(rows)", "%%component low\nlowest = min(rows) + bound")
    done = cli("run", str(cli.write(*cells)), "--target", "low", "--json")
    assert done.statuses == {"load": "succeeded", "low": "succeeded"}, done.err


def test_forced_steps_run_once_though_they_could_be_reused(cli: CommandLine) -> None:
    notebook = cli.write(*CELLS)
    cli("run", str(notebook))
    done = cli("run", str(notebook), "--force", "high", "--json")
    assert done.statuses == {"load": "reused", "low": "reused", "high": "succeeded", "both": "reused"}
    assert done.json["steps"]["high"]["reasons"][0]["kind"] == "forced"


def test_independent_steps_overlap(cli: CommandLine) -> None:
    done = cli("run", str(cli.write(meet("left", "right"), meet("right", "left"))), "--json")
    assert done.status == 0, done.err
    assert done.statuses == {"left": "succeeded", "right": "succeeded"}


def test_cells_wait_for_steps_that_may_write_what_they_read(cli: CommandLine) -> None:
    write = "%%component write\nimport time\ntime.sleep(0.5)\nopen('a.txt', 'w').write('1')\ndone = 1"
    read = "%%component read\nx = open('a.txt').read()"
    plain = "assert open('a.txt').read() == '1'"
    assert cli("run", str(cli.write(write, plain))).status == 0
    (cli.folder / "a.txt").unlink()
    done = cli("run", str(cli.write(write.replace("1", "2"), read)), "--json")
    assert done.statuses == {"write": "succeeded", "read": "succeeded"}


def test_saved_notebook_holds_what_each_cell_showed(cli: CommandLine) -> None:
    slow = (
        "%%component slow\nimport pathlib, time\nprint('begun')\n"
        "while not pathlib.Path('go').exists():\n    time.sleep(0.01)\n"
        "print('late')\nanswer = 42\nanswer"
    )
    go = "import pathlib\npathlib.Path('go').touch()\nprint('plain')"
    done = cli("run", str(cli.write("# Title", slow, go)), "--output", "out.ipynb")
    assert done.status == 0, done.err
    saved = cli.saved("out.ipynb")
    shown = saved.cells[2].outputs
    assert shown[0].data["text/plain"].startswith("slow  -> answer · ran ")
    assert shown[0].data["application/vnd.mlpipe+json"]["status"] == "succeeded"
    assert "".join(o.text for o in shown if o.output_type == "stream") == "begun\nlate\n"
    assert [o.data["text/plain"] for o in shown if o.output_type == "execute_result"] == ["42"]
    assert [o.text for o in saved.cells[3].outputs] == ["plain\n"]
    assert [cell.execution_count for cell in saved.cells if cell.cell_type == "code"] == [1, 2, 3]


def test_a_saved_graph_is_an_image_and_waits_for_the_steps(cli: CommandLine) -> None:
    # GitHub would prefer HTML, and takes drawings out of it.
    cli("run", str(cli.write(*CELLS, "%pipeline show")), "--output", "out.ipynb")
    (graph,) = cli.saved("out.ipynb").cells[-1].outputs
    assert "text/html" not in graph.data
    assert graph.data["image/svg+xml"].count('data-mlpipe-status="succeeded"') == 4
    assert "✓ both" in graph.data["text/plain"]


def test_saving_over_the_notebook_itself_keeps_its_cells(cli: CommandLine) -> None:
    notebook = cli.write(LOAD)
    before = [cell.source for cell in cli.saved(notebook.name).cells]
    cli("run", str(notebook), "--output", str(notebook))
    after = cli.saved(notebook.name)
    assert [cell.source for cell in after.cells] == before
    assert after.cells[1].outputs
    assert sorted(path.name for path in cli.folder.iterdir()) == ["notebook.ipynb", "store"]


def test_a_notebook_of_an_older_format_runs(cli: CommandLine) -> None:
    import nbformat

    notebook = nbformat.read(cli.write(LOAD), as_version=4)
    notebook.nbformat_minor = 4
    for cell in notebook.cells:
        del cell["id"]
    nbformat.write(notebook, cli.folder / "old.ipynb")
    done = cli("run", "old.ipynb", "--json", "--output", "out.ipynb")
    assert done.statuses == {"load": "succeeded"}, done.err
    assert "Warning" not in done.err
    assert cli.saved("out.ipynb").cells[1].outputs[1].text == "loading\n"


def test_a_failed_step_skips_those_below_and_leaves_the_others(cli: CommandLine) -> None:
    bad = "%%component bad\nvalue = [][rows[0]]"
    below = "%%component below\nworse = value"
    done = cli("run", str(cli.write(LOAD, bad, below, HIGH)), "--json", "--output", "out.ipynb")
    assert done.status == 1
    assert done.json["status"] == "failed"
    assert done.statuses == {"load": "succeeded", "bad": "failed", "below": "skipped", "high": "succeeded"}
    assert done.json["steps"]["bad"]["error"] == "IndexError: list index out of range"
    assert "bad failed" in done.err
    assert done.err.count("Step 'bad' failed:") == 1
    assert done.err.count("value = [][rows[0]]") == 1, "the traceback, once, with the line of the cell"
    errors = [o for o in cli.saved("out.ipynb").cells[2].outputs if o.output_type == "error"]
    assert [error.ename for error in errors] == ["IndexError"]


def test_the_traceback_is_shown_once_where_a_cell_reads_the_failed_step(cli: CommandLine) -> None:
    done = cli("run", str(cli.write("%%component bad\nvalue = 1 / 0", "print(value)", HIGH)), "--json")
    assert done.status == 1
    assert done.statuses == {"bad": "failed"}, "the cells below do not run"
    assert done.err.count("value = 1 / 0") == 1
    assert done.json["error"] == "ZeroDivisionError: division by zero"


def test_a_failed_plain_cell_ends_the_run_but_not_the_steps_that_run(cli: CommandLine) -> None:
    wait = "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.01)"
    slow = f"%%component slow\n{wait}\nx = 1"
    plain = "import pathlib\npathlib.Path('go').touch()\nraise LookupError('plain')"
    done = cli("run", str(cli.write(slow, plain, HIGH)), "--json")
    assert done.status == 1
    assert done.json["status"] == "failed"
    assert done.json["error"] == "LookupError: plain"
    assert done.statuses == {"slow": "succeeded"}
    assert "Cell [3] failed:" in done.err
    assert "raise LookupError('plain')" in done.err


def configured(folder: Path, line: str) -> str:
    """Return a folder with a configuration, for the variable ``IPYTHONDIR``."""
    profile = folder / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text(line)
    return str(profile.parent)


def test_pools_of_the_configuration_run_the_steps_that_name_them(cli: CommandLine) -> None:
    notebook = cli.write("%%component low --pool small\nlowest = 1")
    folder = configured(cli.folder, 'c.MLPipe.pools = ["small:workers=2,cpus=1"]')
    assert cli("run", str(notebook), "--json", IPYTHONDIR=folder).statuses == {"low": "succeeded"}


def test_a_configuration_that_cannot_be_understood_is_named(cli: CommandLine) -> None:
    folder = configured(cli.folder, 'c.MLPipe.pools = ["small"]')
    done = cli("run", str(cli.write(LOAD)), IPYTHONDIR=folder)
    assert done.status == 1
    assert "TraitError: c.MLPipe.pools: Pool 'small' does not say what its workers offer" in done.err


def test_what_was_done_before_the_kernel_died_is_reused(cli: CommandLine) -> None:
    die = "import os, pathlib\nif not pathlib.Path('again').exists():\n    rows\n    os.kill(os.getpid(), 9)"
    notebook = cli.write(LOAD, die, HIGH)
    first = cli("run", str(notebook), "--json", "--output", "out.ipynb")
    assert first.status == 1
    assert first.json["status"] == "failed"
    assert "kernel died" in first.json["error"]
    assert set(first.statuses) == {"load"}
    assert cli.saved("out.ipynb").cells[1].outputs, "what was shown until then is kept"
    (cli.folder / "again").touch()
    second = cli("run", str(notebook), "--json")
    assert second.statuses == {"load": "reused", "high": "succeeded"}


def test_notebook_and_command_line_reuse_each_others_results(
    cli: CommandLine, start_kernel: Callable[..., Kernel]
) -> None:
    store = {"MLPIPE_STORE": str(cli.folder / "store")}
    notebook = cli.write(*CELLS)
    kernel = start_kernel(cli.folder, **store)
    kernel.run(PARAMETERS).check()
    assert [kernel.run(cell).check().status_of_step for cell in CELLS[1:3]] == ["succeeded"] * 2
    done = cli("run", str(notebook), "--json")
    assert done.statuses == {"load": "reused", "low": "reused", "high": "succeeded", "both": "succeeded"}
    again = start_kernel(cli.folder, **store)
    again.run(PARAMETERS).check()
    assert [again.run(cell).check().status_of_step for cell in CELLS[1:]] == ["reused"] * 4


def test_what_user_code_prints_to_stderr_is_output_of_its_cell(cli: CommandLine) -> None:
    notebook = cli.write(
        LOAD, "import os, sys\nprint('careful', file=sys.stderr)\nos.system('echo deep >&2');"
    )
    done = cli("run", str(notebook), "--output", "out.ipynb")
    assert "careful" not in done.err
    assert "deep" not in done.err
    printed = "".join(o.text for o in cli.saved("out.ipynb").cells[2].outputs if o.get("name") == "stderr")
    assert "careful" in printed
    assert "deep" in printed


def test_what_shares_objects_is_changed_as_in_the_notebook(cli: CommandLine) -> None:
    cells = (
        "%%component make\na = [1]\nd = {'list': a}",
        "%%component change\nd['list'].append(2)",
        "%%component again\ne = d['list']",
        "e.append(3)",
        "%%component use\nn = len(a)",
        "print('a is', a, 'd is', d, 'n is', n)",
    )
    cli.write(*cells, name="shared.ipynb")
    cli.write(cells[0], "a = [0]", *cells[1:], name="bound_anew.ipynb")
    for name, values in (("shared", "[1, 2, 3]"), ("bound_anew", "[0]"), ("shared", "[1, 2, 3]")):
        done = cli("run", f"{name}.ipynb", "--output", "out.ipynb")
        assert done.status == 0, done.err
        n = len(values.split(","))
        printed = str(cli.saved("out.ipynb").cells[-1].outputs)
        assert f"a is {values} d is {{'list': [1, 2, 3]}} n is {n}" in printed


def test_functions_inside_values_read_what_stands_beside_them(cli: CommandLine) -> None:
    cli.write(
        "%%component make\nrate = 3\nlaws = [lambda year: rate * year]",
        "%%component use -> found\nfound = laws[0](2)",
    )
    done = cli("run", "notebook.ipynb", "--json")
    assert done.statuses == {"make": "succeeded", "use": "succeeded"}
