"""The fork server: how steps die, what is killed with them, and what is left behind: nothing."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jupyter_mlpipe.errors import ClusterError
from jupyter_mlpipe.execution.process.client import StepServer
from jupyter_mlpipe.execution.process.shell import read_ahead
from jupyter_mlpipe.execution.process.spec import Prelude
from tests.support.alive import is_alive
from tests.support.steps import Ended, Steps

_PATIENCE_S = 20


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Steps]:
    running = Steps(tmp_path)
    yield running
    running.server.close()


def _eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


def _gone(pid: int) -> bool:
    return not is_alive(pid)


def _in_thread(steps: Steps, token: str, code: str) -> tuple[threading.Thread, Ended]:
    ended = Ended()
    spec = steps.spec(code).to_bytes()
    thread = threading.Thread(target=steps.server.run, args=(token, spec, ended.messages.append))
    thread.start()
    return thread, ended


def test_exit_without_a_word_is_told_with_its_status(steps: Steps) -> None:
    ended = steps.run("import os\nprint('last words')\nos._exit(3)")
    assert ended.error["kind"] == "exited"
    assert ended.error["evalue"] == "Its process exited with status 3 before it was done."
    assert ended.text == "last words\n"


def test_a_usual_timeout_of_sockets_that_the_notebook_sets_is_none_of_the_steps(own: Steps) -> None:
    socket.setdefaulttimeout(0.0001)
    try:
        assert [own.run("import time\ntime.sleep(0.1)\nx = 1").record is not None for _ in range(3)] == [
            True
        ] * 3
    finally:
        socket.setdefaulttimeout(None)


def test_crash_is_told_by_its_signal_with_all_that_was_printed(steps: Steps) -> None:
    ended = steps.run("import ctypes\nprint('before')\nctypes.string_at(0)")
    assert (ended.error["kind"], ended.error["ename"]) == ("crashed", "StepDiedError")
    assert "SIGSEGV" in ended.error["evalue"]
    assert ended.text.startswith("before\n")
    assert 'File "Cell In[5]", line 3' in ended.text
    assert "jupyter_mlpipe" not in ended.text


def test_kill_from_outside_speaks_of_memory(steps: Steps) -> None:
    ended = steps.run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert ended.error["kind"] == "signal"
    assert "SIGKILL" in ended.error["evalue"]
    assert "memory" in ended.error["evalue"]


def test_other_signals_are_told_by_name(steps: Steps) -> None:
    ended = steps.run("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")
    assert ended.error["kind"] == "signal"
    assert ended.error["evalue"] == "Its process was killed by SIGTERM."


def test_however_steps_end_another_one_beside_them_goes_on(steps: Steps) -> None:
    wait = "import os, time\nwhile not os.path.exists('beside'):\n    time.sleep(0.01)\nkept = 'mine'"
    thread, beside = _in_thread(steps, "beside", f"print('begun')\n{wait}")
    _eventually(lambda: bool(beside.text))
    kinds = [
        steps.run(code, memory_bytes=250_000_000).error["kind"]
        for code in (
            "1 / 0",
            "import os; os._exit(3)",
            "import ctypes; ctypes.string_at(0)",
            "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
            "x = b'1' * (500 << 20); import time; time.sleep(1000)",
        )
    ]
    killed_thread, killed = _in_thread(steps, "killed", "print('begun')\nwhile True: pass")
    _eventually(lambda: bool(killed.text))
    steps.server.kill("killed")
    killed_thread.join(_PATIENCE_S)
    assert [*kinds, killed.error["kind"]] == ["error", "exited", "crashed", "signal", "memory", "killed"]
    (steps.folder / "beside").touch()
    thread.join(_PATIENCE_S)
    assert beside.ended["status"] == "succeeded"


def test_memory_limit_names_itself_and_counts_children(steps: Steps) -> None:
    code = """
import subprocess, sys
hog = "x = b'1' * (300 << 20); import time; time.sleep(1000)"
subprocess.run([sys.executable, "-c", hog])
"""
    ended = steps.run(code, memory_bytes=250_000_000)
    assert (ended.error["kind"], ended.error["ename"]) == ("memory", "StepMemoryError")
    assert "of memory, with 250.0 MB asked for with --memory" in ended.error["evalue"]


def test_memory_that_processes_share_counts_once(steps: Steps) -> None:
    code = """
import os, time
_x = bytearray(b"1") * (100 << 20)
for _ in range(4):
    if not os.fork():
        time.sleep(0.5)
        os._exit(0)
for _ in range(4):
    os.wait()
"""
    assert steps.run(code, memory_bytes=250_000_000).record


def test_killed_by_the_system_for_memory_is_told_as_that(steps: Steps) -> None:
    group = Path("/sys/fs/cgroup/memory/mlpipe-test")
    try:
        group.mkdir()
    except OSError:
        pytest.skip("makes a control group of the first version, as root")
    try:
        (group / "memory.limit_in_bytes").write_text("60000000")
        code = f"""
import os
open("{group}/cgroup.procs", "w").write(str(os.getpid()))
x = b"1" * (200 << 20)
"""
        ended = steps.run(code)
        assert (ended.error["kind"], ended.error["ename"]) == ("memory", "StepMemoryError")
        assert "by the system, which had run out of memory" in ended.error["evalue"]
    finally:
        _eventually(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_kill_takes_the_children_of_the_step_along(steps: Steps) -> None:
    code = "import subprocess, time\np = subprocess.Popen(['sleep', '1000'])\nprint(p.pid)\ntime.sleep(1000)"
    thread, ended = _in_thread(steps, "kill", code)
    _eventually(lambda: ended.text.endswith("\n"))
    steps.server.kill("kill")
    thread.join(_PATIENCE_S)
    assert ended.error["evalue"] == "Its process was killed on request."
    _eventually(lambda: _gone(int(ended.text)))


def test_kill_reaches_a_step_that_has_not_started(steps: Steps) -> None:
    steps.server.kill("early")
    ended = Ended()
    steps.server.run("early", steps.spec("1").to_bytes(), ended.messages.append)
    assert [message["type"] for message in ended.messages] == ["ended"]
    assert "killed" in ended.error["evalue"]


def test_background_processes_do_not_outlive_the_step(steps: Steps) -> None:
    ended = steps.run("import subprocess\nprint(subprocess.Popen(['sleep', '1000']).pid)")
    assert ended.ended["status"] == "succeeded"
    _eventually(lambda: _gone(int(ended.text)))


DAEMON = """
import subprocess
start = "setsid sh -c 'sleep 1000 >&- 2>&- & echo $!'"
print(subprocess.check_output(start, shell=True, text=True), end="")
"""


@pytest.mark.parametrize("end", ["", "import os; os._exit(3)", "import ctypes; ctypes.string_at(0)"])
def test_daemons_in_sessions_of_their_own_do_not_outlive_the_step(steps: Steps, end: str) -> None:
    ended = steps.run(DAEMON + end)
    _eventually(lambda: _gone(int(ended.text.split()[0])))


def test_daemon_of_a_step_that_runs_is_not_taken_for_that_of_another(steps: Steps) -> None:
    thread, ended = _in_thread(steps, "daemon", DAEMON + "while True: pass")
    _eventually(lambda: bool(ended.text))
    steps.run("import os; os._exit(3)")
    steps.run("1")
    assert not _gone(int(ended.text))
    steps.server.kill("daemon")
    thread.join(_PATIENCE_S)
    _eventually(lambda: _gone(int(ended.text)))


def test_more_steps_than_waiting_children_run_at_once(steps: Steps) -> None:
    folder = steps.folder / "meeting"
    folder.mkdir()
    code = """
import os, time
open(f"meeting/{os.getpid()}", "w").close()
while len(os.listdir("meeting")) < 8:
    time.sleep(0.01)
"""
    running = [_in_thread(steps, f"meet{i}", code) for i in range(8)]
    for thread, ended in running:
        thread.join(_PATIENCE_S)
        assert ended.ended["status"] == "succeeded"


def test_what_is_asked_for_at_the_start_is_imported_before_the_first_step(own: Steps) -> None:
    own.server.ensure(["zmq", "no_such_module"])
    assert own.value(own.run("import sys\nx = 'zmq' in sys.modules", outputs=("x",)), "x")


def test_modules_imported_ahead_are_there_soon(own: Steps) -> None:
    own.run("1")
    own.server.ensure(["zmq", "no_such_module"])
    code = "import sys\nx = 'zmq' in sys.modules"
    _eventually(lambda: own.value(own.run(code, outputs=("x",)), "x"))


@pytest.mark.parametrize(
    ("imported", "shown"),
    [
        ("print('hello')", "hello"),
        ("import sys; print('oh', file=sys.stderr)", "oh"),
        ("import warnings; warnings.warn('old', stacklevel=2)", "UserWarning: old"),
    ],
)
def test_what_an_import_shows_is_shown_by_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imported: str, shown: str
) -> None:
    (tmp_path / "loud_one.py").write_text(imported)
    monkeypatch.syspath_prepend(str(tmp_path))
    running = Steps(tmp_path)
    try:
        running.server.ensure(["loud_one"])
        assert shown in running.run("import loud_one").text
        # The next ones have it all the same.
        code = "import sys\nx = 'loud_one' in sys.modules"
        _eventually(lambda: running.value(running.run(code, outputs=("x",)), "x"))
    finally:
        running.server.close()


def test_a_step_is_killed_while_the_server_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_one.py").write_text(
        f"import time; open({str(tmp_path / 'begun')!r}, 'w').close(); time.sleep({100 * _PATIENCE_S})"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    running = Steps(tmp_path)
    try:
        running.server.ensure(["slow_one"])
        thread, ended = _in_thread(running, "token", "open('ran', 'w')")
        _eventually((tmp_path / "begun").exists)
        running.server.kill("token")
        thread.join(_PATIENCE_S)
        assert ended.error["kind"] == "killed"
        assert not (tmp_path / "ran").exists()
    finally:
        running.server.close()


@pytest.mark.parametrize("end", ["1", "1 / 0"])
def test_what_a_step_imports_is_imported_ahead_of_the_next_also_where_it_fails(own: Steps, end: str) -> None:
    module = {"1": "zmq", "1 / 0": "tornado"}[end]
    assert not own.value(own.run(f"import sys\nx = {module!r} in sys.modules", outputs=("x",)), "x")
    own.run(f"import {module}\n{end}")
    code = f"import sys\nx = {module!r} in sys.modules"
    _eventually(lambda: own.value(own.run(code, outputs=("x",)), "x"))


def test_asyncio_is_imported_ahead_of_the_next_step_once_one_has_waited(own: Steps) -> None:
    seen = "import sys\nseen = 'asyncio' in sys.modules"
    assert own.value(own.run(seen, outputs=("seen",)), "seen") is False
    own.run("import asyncio\nawait asyncio.sleep(0)")
    _eventually(lambda: own.value(own.run(seen, outputs=("seen",)), "seen"))


def test_a_disk_that_is_mounted_later_is_known_to_the_steps_to_come(own: Steps) -> None:
    disk = own.folder / "disk"
    disk.mkdir()
    code = "from jupyter_mlpipe.execution.process.opens import mounts\nplaces = mounts()"
    assert str(disk) not in own.value(own.run(code, outputs=("places",)), "places")
    if subprocess.run(["mount", "-t", "tmpfs", "none", disk], check=False).returncode:
        pytest.skip("mounting needs privileges")
    try:
        _eventually(lambda: str(disk) in own.value(own.run(code, outputs=("places",)), "places"))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_what_a_traceback_quotes_of_libraries_is_read_ahead_of_the_next(own: Steps) -> None:
    code = (
        "import stack_data\n"
        "known = stack_data.Source._class_local('__source_cache_with_lines', {})\n"
        "x = any(path.endswith('/configparser.py') for path, _ in known)"
    )
    assert not own.value(own.run(code, outputs=("x",)), "x")
    assert own.run("import configparser\nconfigparser.ConfigParser()['none']").ended["status"] == "failed"
    _eventually(lambda: own.value(own.run(code, outputs=("x",)), "x"))


def test_a_traceback_need_not_look_for_the_files_of_modules_imported_ahead(own: Steps) -> None:
    own.run("import IPython.core.interactiveshell\n1 / 0")
    own.run("import tornado.web")
    code = "import inspect\nx = 'tornado.web' in inspect._filesbymodname"
    _eventually(lambda: own.value(own.run(code, outputs=("x",)), "x"))


def test_nothing_is_read_ahead_with_an_ipython_that_has_no_stack_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import IPython.core.interactiveshell  # noqa: F401 - nothing is read where nobody has imported it

    monkeypatch.setitem(sys.modules, "stack_data.core", None)
    read_ahead([__file__])


def test_server_that_was_killed_is_started_again(own: Steps) -> None:
    own.run("1")
    _kill_server()
    assert own.run("1").ended["status"] == "succeeded"


def _kill_server() -> None:
    servers = (p for p in psutil.Process().children() if "execution.process.server" in " ".join(p.cmdline()))
    # Numbers of processes come round again: the latest is not the highest.
    server = max(servers, key=psutil.Process.create_time)
    children = server.children()
    server.send_signal(signal.SIGKILL)
    _eventually(lambda: all(_gone(process.pid) for process in children))


WAITS = """
import os, time
open("here", "a").write(f"{os.getpid()}\\n")
while not os.path.exists("go"):
    time.sleep(0.01)
"""


def _pids_here(steps: Steps) -> list[str]:
    here = steps.folder / "here"
    return here.read_text().splitlines() if here.exists() else []


def test_a_step_whose_server_dies_while_all_is_made_ready_starts_anew(own: Steps) -> None:
    ended = Ended()
    spec = own.spec("print('once')", preludes=(Prelude(source=WAITS, title="above"),)).to_bytes()
    thread = threading.Thread(target=own.server.run, args=("ready", spec, ended.messages.append))
    thread.start()
    _eventually(lambda: len(_pids_here(own)) == 1)
    _kill_server()
    (own.folder / "go").touch()
    thread.join(_PATIENCE_S)
    assert ended.record
    assert [message["type"] for message in ended.messages] == ["started", "output", "ended"]
    assert ended.text == "once\n"
    assert len(_pids_here(own)) == 2


def test_a_step_whose_server_dies_once_its_code_has_begun_is_not_run_twice(own: Steps) -> None:
    thread, ended = _in_thread(own, "begun", WAITS)
    _eventually(lambda: len(_pids_here(own)) == 1)
    _kill_server()
    (own.folder / "go").touch()
    thread.join(_PATIENCE_S)
    assert ended.error["evalue"] == "Its process ended with the fork server, before it was done."
    assert len(_pids_here(own)) == 1


def test_close_leaves_no_process_and_ends_running_steps(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    steps = Steps(tmp_path)
    thread, ended = _in_thread(steps, "long", "import time\nprint(1)\ntime.sleep(1000)")
    _eventually(lambda: bool(ended.text))
    steps.server.close()
    thread.join(_PATIENCE_S)
    assert ended.error["kind"] == "killed"
    _eventually(lambda: set(psutil.Process().children(recursive=True)) <= before)
    with pytest.raises(ClusterError, match="closed"):
        steps.server.ensure()


def test_killed_parent_leaves_nothing_behind(tmp_path: Path) -> None:
    script = """
import sys, threading
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from tests.support.steps import Steps
steps = Steps(Path(sys.argv[1]))
code = '''
import os, subprocess, time
print(os.getpid(), os.getppid(), subprocess.Popen(["sleep", "1000"]).pid)
time.sleep(1000)
'''
def show(message):
    if message["type"] == "output":
        print(message["output"]["text"], end="", flush=True)
steps.server.run("t", steps.spec(code).to_bytes(), show)
"""
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), root], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 3
        waiting = [process.pid for process in psutil.Process(pids[1]).children()]
        parent.send_signal(signal.SIGKILL)
    _eventually(lambda: all(map(_gone, [*pids, *waiting])))


def test_a_spec_that_cannot_be_read_is_an_error_of_the_step(steps: Steps) -> None:
    ended = Ended()
    steps.server.run("bad", b"no pickle", ended.messages.append)
    assert ended.error["kind"] == "error"


def test_step_server_without_work_is_closed_at_once() -> None:
    StepServer().close()
