"""What a step shows: order, merging, displays, figures, and text from below Python."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from jupyter_mlpipe.execution.process.outputs import stream_output
from jupyter_mlpipe.execution.process.shown import HEAD_CHARS, TAIL_CHARS, Shown
from tests.support.steps import Ended, Steps


def _kinds(ended: Ended) -> list[str]:
    return [output.get("name") or output["output_type"] for output in ended.outputs]


def test_adjacent_text_is_merged_and_clears_and_updates_are_applied() -> None:
    shown = Shown()
    shown.add(stream_output("stdout", "a"))
    shown.add(stream_output("stdout", "b"))
    shown.add({"output_type": "clear_output", "wait": True})
    assert shown.to_list() == [stream_output("stdout", "ab")]
    shown.add(stream_output("stderr", "c"))
    first = {"output_type": "display_data", "data": {"text/plain": "1"}, "metadata": {}}
    first["transient"] = {"display_id": "bar"}  # by which a later cell may update it
    shown.add(first)
    shown.add(
        {
            "output_type": "update_display_data",
            "data": {"text/plain": "2"},
            "metadata": {},
            "transient": {"display_id": "bar"},
        }
    )
    assert shown.to_list() == [stream_output("stderr", "c"), {**first, "data": {"text/plain": "2"}}]
    shown.add({"output_type": "clear_output", "wait": False})
    assert shown.to_list() == []


def test_text_keeps_its_order_among_displays_child_processes_and_c_code(steps: Steps) -> None:
    code = """
import ctypes, os, subprocess, sys
print("one")
os.system("echo two")
print("three", file=sys.stderr)
subprocess.run(["echo", "four"])
ctypes.CDLL(None).write(1, b"five\\n", 5)
display("six")
sys.stdout.buffer.write(b"seven\\n")
"eight"
"""
    ended = steps.run(code)
    assert ended.outputs == steps.store.get_shown(ended.record)
    assert _kinds(ended) == ["stdout", "stderr", "stdout", "display_data", "stdout", "execute_result"]
    assert ended.text == "one\ntwo\nthree\nfour\nfive\nseven\n"
    assert ended.outputs[-1] == {
        "output_type": "execute_result",
        "execution_count": None,
        "data": {"text/plain": "'eight'"},
        "metadata": {},
    }


def test_lines_of_logging_and_bars_keep_their_place_among_others(steps: Steps) -> None:
    code = """
import logging, subprocess, sys
from tqdm import tqdm
handler = logging.StreamHandler()
logging.getLogger("of the step").addHandler(handler)
print("one", file=sys.stderr)
logging.getLogger("of the step").warning("two")
subprocess.run("echo three >&2", shell=True)
for _ in tqdm(range(1), desc="four"): pass
logging.getLogger("of the step").error("five")
"""
    ended = steps.run(code)
    assert _kinds(ended) == ["stderr"]
    lines = [line.strip() for line in ended.text.replace("\r", "\n").splitlines() if line.strip()]
    assert [line.partition(":")[0] for line in lines] == ["one", "two", "three", "four", "four", "five"]


def test_text_arrives_while_the_step_runs(steps: Steps) -> None:
    ended = steps.run("import time\nprint('early')\ntime.sleep(0.3)\nprint('late')")
    texts = [m["output"]["text"] for m in ended.messages if m["type"] == "output"]
    assert texts == ["early\n", "late\n"]


def test_many_lines_arrive_complete_in_few_messages(steps: Steps) -> None:
    ended = steps.run("for i in range(100_000):\n    print(i)")
    assert ended.text == "".join(f"{i}\n" for i in range(100_000))
    assert len(ended.messages) < 1000


def test_much_text_does_not_stay_in_memory(steps: Steps) -> None:
    ended = steps.run("import os\nfor _ in range(1200):\n    os.write(1, b'x' * 65536)")
    sent = sum(len(m["output"]["text"]) for m in ended.messages if m["type"] == "output")
    assert sent < 2 * HEAD_CHARS
    (kept,) = steps.store.get_shown(ended.record)
    assert len(kept["text"]) < 1.5 * (HEAD_CHARS + TAIL_CHARS)


def test_of_much_text_the_head_and_the_tail_are_kept_and_shown(steps: Steps) -> None:
    ended = steps.run("for i in range(1_000_000): print('line', i)")
    (kept,) = steps.store.get_shown(ended.record)
    head, word, tail = kept["text"].partition("\n[")
    n_left_out = int(tail.partition(" ")[0].replace(",", ""))
    tail = tail.partition("left out here]\n")[2]
    whole = "".join(f"line {i}\n" for i in range(1_000_000))
    assert word
    assert HEAD_CHARS - 500 <= len(head) <= HEAD_CHARS
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(tail) >= TAIL_CHARS
    assert len(head) + n_left_out + len(tail) == len(whole)
    assert ended.text[:1_500_000] == head[:1_500_000]
    assert ended.text.count("only a part of what is printed is shown") == 1
    assert ended.text.endswith("\nline 999999\n")


@pytest.mark.parametrize("n_lines", [1, 30_000])
def test_text_of_two_streams_by_turns_stays_in_order_and_small(n_lines: int) -> None:
    shown = Shown()
    for i in range(n_lines):
        shown.add(stream_output("stdout", f"{i}\n"))
        shown.add(stream_output("stderr", f"{i}\n"))
    outputs = shown.to_list()
    assert [o["name"] for o in outputs[:2]] == ["stdout", "stderr"]
    assert outputs[-1] == stream_output("stderr", f"{n_lines - 1}\n")
    assert len(outputs) < 50_000
    texts = [o["text"] for o in outputs]
    assert [word in "".join(texts) for word in ("0\n", "left out here")] == [True, n_lines > 1]
    shown.add({"output_type": "clear_output", "wait": False})
    assert shown.is_short
    assert shown.to_list() == []


def test_semicolon_and_none_show_nothing(steps: Steps) -> None:
    assert steps.run("5;  # a comment; quiet").outputs == []
    assert steps.run("None").outputs == []
    assert steps.run("x = 5").outputs == []


def test_a_step_that_shows_nothing_rich_imports_no_ipython(tmp_path: Path) -> None:
    code = (
        "import sys\nprint('text')\nloaded = [m for m in ('IPython', 'pandas', 'dask') if m in sys.modules]"
    )
    steps = Steps(tmp_path)  # its server has seen no step that asked for more
    try:
        assert steps.value(steps.run(code, outputs=("loaded",)), "loaded") == []
    finally:
        steps.server.close()


def test_frame_is_shown_as_html_and_text(steps: Steps) -> None:
    ended = steps.run("import pandas as pd\npd.DataFrame({'a': [1, 2]})")
    assert set(ended.outputs[0]["data"]) == {"text/plain", "text/html"}


def test_figure_comes_as_png_where_the_cell_ends(steps: Steps) -> None:
    ended = steps.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('after')")
    assert _kinds(ended) == ["stdout", "display_data"]
    data = ended.outputs[-1]["data"]
    assert data["text/plain"] == "<Figure size 640x480 with 1 Axes>"
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")


def test_library_that_asks_for_ipython_finds_a_shell(steps: Steps) -> None:
    code = """
from IPython.display import HTML, clear_output, display
from IPython import get_ipython as found
display("gone")
clear_output()
handle = display(HTML("<b>1</b>"), display_id=True)
handle.update(HTML("<b>2</b>"))
same = found() is get_ipython()
"""
    ended = steps.run(code, outputs=("same",))
    assert steps.value(ended, "same") is True
    assert [output["data"]["text/html"] for output in ended.outputs] == ["<b>2</b>"]


def test_magics_and_shell_commands_see_the_names_of_the_step(steps: Steps) -> None:
    code = """
word = "hello"
get_ipython().system("echo {word}")
get_ipython().run_line_magic("time", "y = word.upper()")
In = 3
"""
    ended = steps.run(code, outputs=("y", "In"))
    assert "hello" in ended.text
    assert "Wall time" in ended.text
    assert steps.value(ended, "y") == "HELLO"
    assert steps.value(ended, "In") == 3


def test_forked_processes_print_but_send_nothing_themselves(steps: Steps) -> None:
    code = """
import os, sys
pid = os.fork()
if pid == 0:
    print("child")
    print("child's error", file=sys.stderr)
    display("not sent")
    os._exit(0)
os.waitpid(pid, 0)
print("parent")
"""
    ended = steps.run(code)
    assert "child\n" in ended.text
    assert "parent\n" in ended.text
    assert "child's error\n" in ended.text
    assert "display_data" not in _kinds(ended)


def test_invalid_text_and_surrogates_do_not_fail(steps: Steps) -> None:
    ended = steps.run("import os\nos.write(1, b'\\xff\\n')\nprint('\\ud800')")
    assert ended.text == "\ufffd\n\\ud800\n"


def test_libraries_imported_ahead_show_figures_and_displays_all_the_same(tmp_path: Path) -> None:
    steps = Steps(tmp_path)
    try:
        ahead = ["IPython.core.interactiveshell", "matplotlib.pyplot", "matplotlib_inline.backend_inline"]
        steps.server.ensure(ahead)
        code = "import sys\nahead = 'matplotlib_inline' in sys.modules"
        while not steps.value(steps.run(code, outputs=("ahead",)), "ahead"):
            pass
        ended = steps.run(
            "import matplotlib.pyplot as plt\nfrom IPython.display import display\ndisplay(1)\nplt.plot([1]);"
        )
        assert [sorted(output["data"]) for output in ended.outputs] == [
            ["text/plain"],
            ["image/png", "text/plain"],
        ]
        assert steps.run("1 / 0").error["ename"] == "ZeroDivisionError"
    finally:
        steps.server.close()


def test_wide_frame_is_printed_as_in_a_kernel_and_without_ipython(tmp_path: Path) -> None:
    steps = Steps(tmp_path)
    code = (
        "import sys\nahead = 'pandas' in sys.modules\nimport pandas as pd\n"
        "print(pd.DataFrame({f'column number {i}': range(3) for i in range(8)}))\n"
        "loaded = 'IPython' in sys.modules"
    )
    try:
        for is_ahead in (False, True):
            if is_ahead:
                steps.server.ensure(["pandas"])
            while steps.value(ended := steps.run(code, outputs=("ahead", "loaded")), "ahead") != is_ahead:
                pass
            assert ended.text.splitlines()[0].endswith("  \\")
            assert "..." not in ended.text
            assert steps.value(ended, "loaded") is False
    finally:
        steps.server.close()


def test_lines_arrive_while_the_step_holds_the_interpreters_lock(steps: Steps) -> None:
    code = """
import ctypes, sys
print("before")
print("and", file=sys.stderr)
print("then é")
ctypes.PyDLL(None).usleep(900_000)
print("after")
"""
    ended = steps.run(code)
    texts = [m["output"]["text"] for m in ended.messages if m["type"] == "output"]
    assert "".join(texts[: texts.index("after\n")]).count("\n") == 3
    assert sorted("".join(texts).splitlines()) == ["after", "and", "before", "then é"]
    kept = "".join(output["text"] for output in steps.store.get_shown(ended.record))
    assert kept == "before\nand\nthen é\nafter\n"


def test_text_before_a_crash_arrives_once_and_whole(steps: Steps) -> None:
    code = """
import ctypes, os, sys
print("one")
print("two", file=sys.stderr)
print("three")
ctypes.PyDLL(None).usleep(600_000)
os.write(1, b"four\\n")
os._exit(3)
"""
    assert sorted(steps.run(code).text.split()) == ["four", "one", "three", "two"]
