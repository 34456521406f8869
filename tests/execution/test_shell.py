"""The shell of a step: made ahead in the fork server, and that of the step once it asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.steps import Steps

_MODULE = "IPython.core.interactiveshell"


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Steps]:
    """Steps whose fork server has loaded IPython."""
    running = Steps(tmp_path_factory.mktemp("notebook"))
    running.server.ensure([_MODULE])
    while not running.value(running.run(f"import sys\nx = {_MODULE!r} in sys.modules", outputs=("x",)), "x"):
        pass
    yield running
    running.server.close()


def test_step_makes_no_shell_where_the_server_has_made_one(warm: Steps) -> None:
    code = (
        f"import {_MODULE} as module\n"
        "def refuse(*args, **kwargs):\n"
        "    raise AssertionError('made again')\n"
        "module.InteractiveShell.__init__ = refuse\n"
        "41 + 1"
    )
    (shown,) = warm.run(code).outputs
    assert shown["data"]["text/plain"] == "42"


def test_shell_made_ahead_has_names_and_folder_of_the_step(warm: Steps) -> None:
    code = (
        "import sys, IPython\n"
        "shell = get_ipython()\n"
        "x = [shell.user_ns is globals(), shell.user_module is sys.modules['__main__'],\n"
        "     IPython.get_ipython() is shell, IPython.InteractiveShell.instance() is shell,\n"
        "     shell.Completer.namespace is globals(), __IPYTHON__]\n"
        "place = [str(_dh[0]), shell.starting_dir]\n"
        "shell.run_cell_magic('capture', 'seen', 'inner = 5')\n"
        "y = inner\n"
        "del shell"
    )
    ended = warm.run(code, outputs=("x", "y", "place"))
    assert warm.value(ended, "x") == [True] * 6
    assert warm.value(ended, "y") == 5
    assert warm.value(ended, "place") == [str(warm.folder)] * 2


def test_displays_of_a_shell_made_ahead_are_those_of_the_step(warm: Steps) -> None:
    code = (
        "from IPython.display import HTML\n"
        "x = 1\n"
        "display(HTML('<b>x</b>'))\n"
        "get_ipython().run_line_magic('pinfo', 'x')"
    )
    shown = warm.run(code).outputs
    assert [output["output_type"] for output in shown] == ["display_data", "page"]
    assert shown[0]["data"]["text/html"] == "<b>x</b>"


def test_what_rendering_an_error_looks_up_is_looked_up_ahead(warm: Steps) -> None:
    code = "import inspect, sys\nx = {'sys', 'inspect'} & {*inspect.modulesbyfile.values()}"
    code += "\ny = 'pygments.lexers.python' in sys.modules"
    ended = warm.run(code, outputs=("x", "y"))
    assert warm.value(ended, "x") == {"inspect"}
    assert warm.value(ended, "y") is True


def test_nothing_finds_the_shell_before_a_step_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is loaded in the fork server must not tie itself to it, nor take a step's place there."""
    (tmp_path / "asks.py").write_text(
        f"import builtins, sys, {_MODULE} as module\n"
        "from jupyter_mlpipe.execution.process import shell\n"
        "is_made = bool(shell._made_ahead)\n"
        "found = [module.InteractiveShell.initialized(), '__IPYTHON__' in vars(builtins),\n"
        "         'display' in vars(builtins), 'In' in vars(sys.modules['__main__'])]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    steps = Steps(tmp_path)
    try:
        steps.server.ensure([_MODULE])
        steps.run("1")
        steps.server.ensure(["asks"])
        code = "import sys\nx = vars(sys.modules.get('asks')) if 'asks' in sys.modules else {}"
        code += "\nx = {name: x[name] for name in ('is_made', 'found') if name in x}"
        while not (found := steps.value(steps.run(code, outputs=("x",)), "x")):
            pass
        assert found == {"is_made": True, "found": [False] * 4}
    finally:
        steps.server.close()
