"""Environment variables that a step reads though its code does not name them, from kernel to kernel.

What code names: tests/notebook/test_settings.py and test_outside_the_key.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.kernel import Kernel

_LIBRARY = """import click
@click.command()
@click.option("--word", envvar="A_WORD")
def say(word):
    print(word)
say.main([], standalone_mode=False)"""
_POOL = """import multiprocessing, say
with multiprocessing.get_context("{}").Pool(1) as pool:
    print(pool.map(say.it, [1]))"""
READERS = {
    "a library asks for one": ("", _LIBRARY),
    "a library asks for all": ("", "import urllib.request\nprint(urllib.request.getproxies()['a_word'])"),
    "Python itself": ("", "import os.path\nprint(os.path.expanduser('~'))"),
    "a program": (
        "",
        "import subprocess, sys\n"
        "print(subprocess.run([sys.executable, 'say.py'], capture_output=True, text=True).stdout)",
    ),
    "a line for the shell": ("", "!sh say.sh"),
    "a forked process": ("", _POOL.format("fork")),
    "a process that is started anew": ("", _POOL.format("spawn")),
    "in the kernel": ("--here", _LIBRARY),
}
OTHERS = {
    "a library asks for another one": ("", _LIBRARY.replace("A_WORD", "ANOTHER_WORD")),
    "the step has set it": (
        "",
        f"import os\nos.environ['ANOTHER_WORD'] = 'own'\n{_LIBRARY}".replace("A_W", "ANOTHER_W"),
    ),
    "nobody asks": ("", "print(1)"),
}
CELLS = READERS | OTHERS
_SAY = """import os, click
def it(_):
    return click.Option(["--word"], envvar="A_WORD").resolve_envvar_value(None)
if __name__ == "__main__":
    print(os.environ["A_WORD"])
"""


def environment(folder: Path, word: str, **others: str) -> dict[str, str]:
    return {"A_WORD": word, "a_word_proxy": word, "HOME": str(folder / word), **others}


def run(folder: Path, variables: Mapping[str, str], first: str = "") -> dict[str, tuple[str, str]]:
    """Run all cells in a fresh kernel; return what each printed and what became of its step."""
    kernel = Kernel(folder, variables)
    found = {}
    try:
        kernel.run("%load_ext jupyter_mlpipe").check()
        kernel.run(first).check()
        for number, (name, (options, cell)) in enumerate(CELLS.items()):
            result = kernel.run(f"%%component s{number} {options}\n{cell}").check()
            found[name] = result.printed, result.status_of_step
    finally:
        kernel.close()
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("variables")
    (folder / "say.py").write_text(_SAY)
    (folder / "say.sh").write_text("echo $A_WORD\n")
    return folder


def test_what_was_asked_for_counts_and_nothing_else(folder: Path) -> None:
    store = {"MLPIPE_STORE": str(folder / "store")}
    first = run(folder, environment(folder, "one", **store))
    assert {status for _, status in first.values()} == {"succeeded"}
    assert [name for name in READERS if "one" not in first[name][0]] == []
    # Another terminal, another session.
    again = run(
        folder, environment(folder, "one", TERM_SESSION_ID="5", SSH_CLIENT="x", XDG_SESSION_ID="7", **store)
    )
    assert again == {name: (printed, "reused") for name, (printed, _) in first.items()}
    other = run(folder, environment(folder, "two", **store))
    assert {name: status for name, (_, status) in other.items()} == {
        **dict.fromkeys(READERS, "succeeded"),
        **dict.fromkeys(OTHERS, "reused"),
    }
    assert [name for name in READERS if "two" not in other[name][0]] == []
    # The notebook may have set it, too.
    words = environment(folder, "three")
    set_here = run(folder, environment(folder, "one", **store), f"import os\nos.environ.update({words!r})")
    assert [name for name in READERS if "three" not in set_here[name][0]] == []
    assert {set_here[name] for name in OTHERS} == {again[name] for name in OTHERS}
