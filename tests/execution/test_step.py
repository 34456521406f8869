"""Real step processes: what code sees, what is stored, and each kind of ending."""

from __future__ import annotations

import builtins
import os
import random
import re
import sys
import zipfile
from pathlib import Path

import pytest

from jupyter_mlpipe.execution.process.spec import Prelude
from jupyter_mlpipe.execution.process.waiting import rehearse
from jupyter_mlpipe.keys.closure import ModuleSource
from jupyter_mlpipe.keys.payload import dump_closure
from tests.support.steps import Steps


def _plain(lines: list[str]) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


def test_outputs_are_stored_and_the_record_is_written(steps: Steps) -> None:
    ended = steps.run("x = a + 1\n_private = 3", outputs=("x",), inputs={"a": steps.artifact(41)})
    assert steps.value(ended, "x") == 42
    kept = steps.store.get_record(ended.record.key)
    assert kept == ended.record
    assert kept is not None
    assert (kept.step, kept.python) == ("fit", ".".join(map(str, sys.version_info[:3])))
    assert kept.seconds > 0
    assert kept.peak_memory_bytes > 1_000_000
    assert kept.used["cpu_seconds"] >= 0


def test_what_a_step_used_counts_its_children(steps: Steps) -> None:
    code = """
import subprocess, sys
open("read", "wb").write(b"1" * 5_000_000)
subprocess.run([sys.executable, "-c", "x = b'1' * (200 << 20); open('read', 'rb').read()"])
"""
    record = steps.run(code).record
    assert record.used["bytes_read"] >= 5_000_000
    assert record.used["bytes_written"] >= 5_000_000
    assert record.used["cpu_seconds"] > 0
    assert record.peak_memory_bytes > 200 << 20


def test_parameters_imports_and_helpers_are_bound(steps: Steps) -> None:
    namespace: dict[str, object] = {}
    exec("def double(n):\n    return n * factor * math.floor(1.5)", namespace)
    payload = dump_closure({"double": namespace["double"]}, namespace)
    ended = steps.run(
        "x = double(factor)",
        outputs=("x",),
        payload=payload,
        parameters={"factor": 3},
        imports={"math": ("math", None), "floor": ("math", "floor")},
    )
    assert steps.value(ended, "x") == 9


def test_each_step_has_its_own_namespace_and_folder(steps: Steps) -> None:
    steps.run("leaked = 1\nimport math; math.leaked = 1")
    ended = steps.run(
        "import math, os\nhere = os.getcwd()\n"
        "seen = ('leaked' in globals(), hasattr(math, 'leaked'), __name__)",
        outputs=("seen", "here"),
    )
    assert steps.value(ended, "seen") == (False, False, "__main__")
    assert steps.value(ended, "here") == os.path.realpath(steps.folder)


def test_a_step_finds_threads_and_collector_as_in_a_new_process(steps: Steps) -> None:
    code = "import gc, threading\nfound = ([t.name for t in threading.enumerate()], gc.isenabled())"
    assert steps.value(steps.run(code, outputs=("found",)), "found") == (["MainThread"], True)


def test_two_steps_draw_different_numbers(steps: Steps) -> None:
    steps.server.ensure(["numpy"])
    code = "import numpy, random\nx = (float(numpy.random.rand()), random.random())"
    drawn = [steps.value(steps.run(code, outputs=("x",)), "x") for _ in range(2)]
    assert drawn[0][0] != drawn[1][0]
    assert drawn[0][1] != drawn[1][1]


def test_threads_and_environment_follow_the_request(steps: Steps) -> None:
    code = (
        "import os, numpy, threadpoolctl\nn = os.environ['OMP_NUM_THREADS']\nextra = os.environ['EXTRA']\n"
        "pools = [p['num_threads'] for p in threadpoolctl.threadpool_info()]"
    )
    ended = steps.run(code, outputs=("n", "extra", "pools"), cpus=1, environment={"EXTRA": "1"})
    assert steps.value(ended, "n") == "1"
    assert steps.value(ended, "extra") == "1"
    assert set(steps.value(ended, "pools")) <= {1}


def test_error_shows_the_lines_of_the_cell_and_no_frame_of_ours(steps: Steps) -> None:
    cell = "%%component fit\ndef f():\n    raise KeyError('gone')\nf()"
    ended = steps.run("\ndef f():\n    raise KeyError('gone')\nf()", cell=cell)
    text = _plain(ended.error["traceback"])
    assert (ended.error["kind"], ended.error["ename"], ended.error["evalue"]) == (
        "error",
        "KeyError",
        "'gone'",
    )
    assert "Cell In[5], line 4" in text
    assert "Cell In[5], line 3, in f()" in text
    assert "jupyter_mlpipe" not in text


def test_syntax_error_is_told_as_such(steps: Steps) -> None:
    error = steps.run("x = (1,").error
    assert error["ename"] == "SyntaxError"
    assert "line 1" in _plain(error["traceback"])
    assert "ast.py" not in _plain(error["traceback"])


@pytest.mark.parametrize(
    ("code", "ename"),
    [("import sys\nsys.exit(2)", "SystemExit"), ("raise KeyboardInterrupt", "KeyboardInterrupt")],
)
def test_leaving_fails_the_step(steps: Steps, code: str, ename: str) -> None:
    assert steps.run(code).error["ename"] == ename


def test_missing_package_is_an_error_of_the_step(steps: Steps) -> None:
    error = steps.run("1", imports={"gone": ("no_such_package", None)}).error
    assert error["ename"] == "ModuleNotFoundError"
    assert "no_such_package" in error["evalue"]


def test_declared_output_that_is_never_bound(steps: Steps) -> None:
    error = steps.run("modle = 1", outputs=("model",), outputs_declared=True).error
    assert error["kind"] == "output"
    assert error["evalue"] == ("Declared output 'model' was never bound; bound: modle. Did you mean 'modle'?")


def test_declared_output_that_cannot_be_stored(steps: Steps) -> None:
    error = steps.run("import threading\nx = threading.Lock()", outputs=("x",), outputs_declared=True).error
    assert error["kind"] == "output"
    assert "lock" in error["evalue"]


def test_inferred_output_that_cannot_be_stored_is_left_out(steps: Steps) -> None:
    ended = steps.run("x = 1\ng = (i for i in [1])\nif not x:\n    y = 1", outputs=("x", "g", "y"))
    assert set(ended.record.outputs) == {"x"}
    assert "generator" in ended.record.left_out["g"]
    assert ended.record.left_out["y"] == "the code did not bind it"


def test_input_changed_in_place_must_be_declared(steps: Steps) -> None:
    inputs = {"rows": steps.artifact([1, 2])}
    changed = steps.run("rows.append(3)\nn = 1", inputs=inputs, outputs=("n",), outputs_declared=True)
    assert changed.error["kind"] == "output"
    assert "changes its input 'rows' in place" in changed.error["evalue"]
    assert "-> n, rows" in changed.error["evalue"]
    same = steps.run("n = rows.count(2)", inputs=inputs, outputs=("n",), outputs_declared=True)
    assert steps.value(same, "n") == 1


def test_unchanged_object_with_an_unstable_pickle_is_no_change(steps: Steps) -> None:
    # The two equal strings are one object before, and two after decoding.
    inputs = {"pair": steps.artifact({"a": {1, 2}, "b": ("x" * 50, "x" * 50)})}
    ended = steps.run("n = 1", inputs=inputs, outputs=("n",)).ended
    assert list(ended["record"]["outputs"]) == ["n"]


def test_input_changed_in_place_is_an_output_and_so_is_what_it_shares_objects_with(steps: Steps) -> None:
    rows = [1]
    inputs = {"rows": steps.artifact(rows), "other": steps.artifact([0])}
    ended = steps.run("rows.append(2)\nboth = [rows]\nn = len(other)", inputs=inputs, outputs=("both", "n"))
    record = ended.record
    assert set(record.outputs) == {"rows", "both", "n"}
    assert record.outputs["rows"].part == "rows"
    assert not record.outputs["n"].part
    found = steps.store.get_all(record.outputs["rows"])
    assert found == {"rows": [1, 2], "both": [[1, 2]]}
    assert found["both"][0] is found["rows"]


def test_a_contested_input_must_not_change_without_a_word(steps: Steps) -> None:
    inputs = {"rows": steps.artifact([1, 2])}
    failed = steps.run("rows.append(3)", inputs=inputs, contested={"rows": "report"})
    assert "changes its input 'rows' in place. 'report' reads it, too." in failed.error["evalue"]


def test_function_form_is_called_by_name_and_unpacked(steps: Steps) -> None:
    code = """
def split(rows, /, share=0.5, *, other=1):
    n = int(len(rows) * share)
    return rows[:n], rows[n:]
"""
    options = {
        "function": "split",
        "inputs": {"rows": steps.artifact([1, 2, 3, 4])},
        "outputs_declared": True,
    }
    ended = steps.run(code, outputs=("train", "test"), parameters={"share": 0.25}, **options)
    assert steps.value(ended, "train") == [1]
    assert steps.value(ended, "test") == [2, 3, 4]
    wrong = steps.run(code, outputs=("a", "b", "c"), **options).error
    assert wrong["kind"] == "output"
    assert "returned a tuple of 2 values; its outputs are a, b, c" in wrong["evalue"]


def test_coroutine_function_is_awaited(steps: Steps) -> None:
    code = "import asyncio\nasync def load():\n    await asyncio.sleep(0)\n    return 5"
    assert steps.value(steps.run(code, function="load", outputs=("load",)), "load") == 5


def test_top_level_await(steps: Steps) -> None:
    ended = steps.run(
        "import asyncio\nx = await asyncio.sleep(0, 7)\nawait asyncio.sleep(0, 8)", outputs=("x",)
    )
    assert steps.value(ended, "x") == 7
    assert ended.outputs[-1]["data"]["text/plain"] == "8"


def test_local_module_comes_from_the_snapshot_and_not_from_the_disk(steps: Steps) -> None:
    path = steps.folder / "features.py"
    path.write_text("VALUE = 'edited later'\n")
    modules = {"features": ModuleSource("VALUE = 'snapshot'\n\n\ndef fail():\n    1 / 0\n", str(path), False)}
    ended = steps.run("import features\nx = features.VALUE", outputs=("x",), modules=modules)
    assert steps.value(ended, "x") == "snapshot"
    assert ended.record.files == {}
    error = steps.run("import features\nfeatures.fail()", modules=modules).error
    assert "1 / 0" in _plain(error["traceback"])


def test_local_module_outside_the_snapshot_is_recorded_as_a_file(steps: Steps) -> None:
    path = steps.folder / "dynamic_module.py"
    path.write_text("VALUE = 1\n")
    code = "import importlib\nx = importlib.import_module('dynamic_module').VALUE"
    ended = steps.run(code, outputs=("x",), sys_path=(str(steps.folder), *sys.path))
    assert list(ended.record.files) == ["dynamic_module.py", "dynamic_module/__init__.py"]
    assert ended.record.files["dynamic_module/__init__.py"] == "absent"  # it would be found instead


@pytest.mark.parametrize("spawn", [False, True])
def test_what_only_the_notebooks_folder_has_on_the_import_path_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spawn: bool
) -> None:
    # So the process that a step comes from has looked for it in another folder.
    monkeypatch.setattr(sys, "path", ["tools.zip", *sys.path])
    with zipfile.ZipFile(tmp_path / "tools.zip", "w") as archive:
        archive.writestr("zipped_tools.py", "RATE = 2\n")
    steps = Steps(tmp_path)
    try:
        ended = steps.run("import zipped_tools\nx = zipped_tools.RATE", outputs=("x",), spawn=spawn)
        assert steps.value(ended, "x") == 2
    finally:
        steps.server.close()


def test_prelude_defines_classes_before_inputs_are_decoded(steps: Steps) -> None:
    source = "class Point:\n    def __init__(self, x):\n        self.x = x\n"
    made = steps.run(source + "p = Point(4)", outputs=("p",))
    artifact = made.record.outputs["p"]
    assert set(artifact.needs) == {"Point"}
    ended = steps.run(
        "x = p.x\nsame = isinstance(p, Point)",
        outputs=("x", "same"),
        inputs={"p": artifact},
        preludes=(Prelude(source=source),),
    )
    assert steps.value(ended, "x") == 4
    assert steps.value(ended, "same") is True


def test_damaged_input_is_named_and_counts_as_missing_from_then_on(steps: Steps) -> None:
    artifact = steps.artifact(list(range(50_000)))
    path = Path(steps.store.objects.path(artifact.blob.object))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    error = steps.run("1", inputs={"rows": artifact}).error
    assert error["ename"] == "ArtifactCorruptError"
    assert not steps.store.has(artifact)


def test_multiprocessing_inside_a_step(steps: Steps) -> None:
    code = (
        "import multiprocessing\ndef square(n):\n    return n * n\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n    x = pool.map(square, range(4))"
    )
    assert steps.value(steps.run(code, outputs=("x",)), "x") == [0, 1, 4, 9]


def test_temporary_folders_of_a_step_are_removed(steps: Steps) -> None:
    ended = steps.run(
        "import tempfile\nt = tempfile.TemporaryDirectory()\nname = t.name", outputs=("name", "t")
    )
    name = Path(steps.value(ended, "name"))
    # The step's exit handlers run after its last message.
    for _ in range(1000):
        if not name.exists():
            break
        steps.run("1")
    assert not name.exists()


def test_a_rehearsal_leaves_all_as_it_was():
    def look():
        return builtins.__import__, random.seed, [*sys.meta_path], sys.displayhook, dict(os.environ)

    before = look()
    rehearse()
    assert look() == before
