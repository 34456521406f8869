"""Rows for the change matrix: what steps ask of files as seen from open folders, by `glob`, or beside their content.

And what is read beyond the notebook's folder, under paths that the code puts together, by processes and code
of which Python does not tell.
"""

# ruff: noqa: E501 - a notebook on one line is easier to compare with its neighbours

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

from tests.support.matrix import Row

_START = "import os, shutil\nfrom pathlib import Path\nshutil.rmtree('q§', ignore_errors=True)\nos.mkdir('q§')\nQ§ = Path('q§')\n"


def _asks(name: str, before: str, code: str, *, reused: bool = False) -> Row:
    cells = f"{_START}{before}\n---\n%%component s§\nimport os\nfrom pathlib import Path\n{code}"
    return Row(name, cells, **{"reused" if reused else "ran": "s§"})


def _from_folder(name: str, before: str, code: str, *, reused: bool = False) -> Row:
    code = f"d = os.open('q' + '§', os.O_RDONLY)\n{code}\nos.close(d)"
    return _asks(f"{name}, from an open folder", before, code, reused=reused)


_TEXT = "(Q§ / 'a').write_text('«1|2»')"
_DATED = "(Q§ / 'a').write_text('1')\nos.utime('q§/a', (10**9, 10**9 + «0|1»))"
_TOUCHED = "(Q§ / 'a').write_text('1')"
_BECAME_LINK = "«os.makedirs('q§/l')|os.makedirs('q§/z')\nos.symlink('z', 'q§/l')»"
_READ = "fd = os.open('a', os.O_RDONLY, dir_fd=d)\ny§ = os.read(fd, 9)\nos.close(fd)"

ASKED_ROWS = [
    _from_folder("a file", _TEXT, _READ),
    _from_folder(
        "a file by an opener", _TEXT, "y§ = open('a', opener=lambda p, f: os.open(p, f, dir_fd=d)).read()"
    ),
    _from_folder("a file that is touched", _TOUCHED, _READ, reused=True),
    _from_folder(
        "a file that the step writes",
        "",
        "fd = os.open('b', os.O_WRONLY | os.O_CREAT, dir_fd=d)\nos.write(fd, b'1')\nos.close(fd)\ny§ = Path('q' + '§/b').read_text()",
        reused=True,
    ),
    _from_folder(
        "whether a file is there",
        "if «0|1»: (Q§ / 'a').touch()",
        "try:\n    os.stat('a', dir_fd=d)\n    y§ = 1\nexcept OSError:\n    y§ = 0",
    ),
    _from_folder(
        "the size of a file", "(Q§ / 'a').write_text('«1|22»')", "y§ = os.stat('a', dir_fd=d).st_size"
    ),
    _from_folder(
        "whether a file is a link",
        "«(Q§ / 'a').touch()|os.symlink('b', 'q§/a')»",
        "import stat\ny§ = stat.S_ISLNK(os.lstat('a', dir_fd=d).st_mode)",
    ),
    _from_folder(
        "who may run a file",
        "(Q§ / 'a').write_text('1')\nos.chmod('q§/a', 0o«644|755»)",
        "y§ = os.access('a', os.X_OK, dir_fd=d)",
    ),
    _from_folder("where a link leads", "os.symlink('«x|z»', 'q§/a')", "y§ = os.readlink('a', dir_fd=d)"),
    _from_folder(
        "what a pattern finds", "(Q§ / '«a|b».csv').touch()", "import glob\ny§ = glob.glob('*.csv', dir_fd=d)"
    ),
    _asks(
        "sizes of files on a walk by open folders",
        "(Q§ / 'x').mkdir()\n(Q§ / 'x/a').write_text('«1|22»')",
        "y§ = []\nfor _, _, names, d in os.fwalk('q' + '§'):\n    y§ += [os.stat(n, dir_fd=d).st_size for n in names]",
    ),
    _asks(
        "the time of an open file", _DATED, "with open('q' + '§/a') as f: y§ = os.fstat(f.fileno()).st_mtime"
    ),
    _asks(
        "the time of an open folder",
        "os.utime('q§', (10**9, 10**9 + «0|1»))",
        "d = os.open('q' + '§', os.O_RDONLY)\ny§ = os.stat(d).st_mtime\nos.close(d)",
    ),
    _asks(
        "a name without a pattern for glob",
        "if «0|1»: (Q§ / 'a').touch()",
        "import glob\ny§ = glob.glob('q' + '§/' + 'a')",
    ),
    _asks(
        "a name in folders of a pattern",
        "(Q§ / 'x').mkdir()\nif «0|1»: (Q§ / 'x/a').touch()",
        "import glob\ny§ = glob.glob('q' + '§/*/' + 'a'), sorted(map(str, Path('q' + '§').glob('*/' + 'a')))",
    ),
    _asks(
        "a name without a pattern for glob, touched",
        _TOUCHED,
        "import glob\ny§ = glob.glob('q' + '§/' + 'a')",
        reused=True,
    ),
    _asks(
        "a file's own attribute",
        f"{_TOUCHED}\nos.setxattr('q§/a', 'user.k', b'«1|2»')",
        "y§ = os.getxattr('q' + '§/a', 'user.k')",
    ),
    _asks(
        "names of a file's own attributes",
        f"{_TOUCHED}\nos.setxattr('q§/a', 'user.«k|m»', b'1')",
        "y§ = os.listxattr('q' + '§/a')",
    ),
    _asks(
        "when a file was last read",
        f"{_TOUCHED}\nos.utime('q§/a', (10**9 + «0|1», 10**9))",
        "y§ = os.path.getatime('q' + '§/a')",
    ),
    _asks(
        "whether files look the same",
        f"{_TOUCHED}\n(Q§ / 'b').write_text('2')\nos.utime('q§/a', (10**9, 10**9))\nos.utime('q§/b', (10**9, 10**9 + «0|1»))",
        "import filecmp\ny§ = filecmp.cmp('q' + '§/a', 'q' + '§/b')\nfilecmp.clear_cache()",
    ),
    _asks(
        "whether a file is a pipe",
        "«(Q§ / 'a').touch()|os.mkfifo('q§/a')»",
        "y§ = Path('q' + '§/a').is_fifo()",
    ),
    _asks(
        "where a folder that became a link is",
        _BECAME_LINK,
        "y§ = (Path('q' + '§') / 'l').resolve().name, os.path.realpath('q' + '§/l')[-1]",
    ),
    _asks(
        "whether a folder that became a link is another one",
        "os.mkdir('q§/z')\n«os.mkdir('q§/l')|os.symlink('z', 'q§/l')»",
        "y§ = os.path.samefile('q' + '§/l', 'q' + '§/z')",
    ),
    _asks(
        "where a folder is that stays one",
        "os.mkdir('q§/l')",
        "y§ = (Path('q' + '§') / 'l').resolve().name",
        reused=True,
    ),
    _asks(
        "where very many files are",
        "for i in range(1200): (Q§ / f'{i}').write_text('1')",
        "y§ = [os.path.basename(os.path.realpath(f'{chr(113)}§/{i}')) for i in range(1200)]",
        reused=True,
    ),
]


def _may_see_anywhere() -> bool:
    """Tell whether this system tells a process of the user's what is opened anywhere on its disks."""
    libc = ctypes.CDLL(None)
    if sys.platform != "linux" or os.geteuid() != 0 or not hasattr(libc, "fanotify_init"):
        return False
    descriptor = libc.fanotify_init(0x3 | 0x400 | 0x800, os.O_RDONLY)
    if descriptor < 0:
        return False
    try:
        return bool(libc.fanotify_mark(descriptor, 0x11, ctypes.c_uint64(0x20), -100, b"/") == 0)
    finally:
        os.close(descriptor)


def _beyond(name: str, before: str, read: str, code: str = "y§ = rd§(§)", *, reused: bool = False) -> Row:
    """Return a row that reads in a folder beside the notebook's, which `rd§` puts together."""
    start = "import os, shutil, sqlite3\nO§ = os.path.abspath('../beyond_§') + '/'\nshutil.rmtree(O§, ignore_errors=True)\nos.mkdir(O§)"
    helper = f"def rd§(n):\n    import os\n    p = os.path.abspath('..') + '/bey' + f'ond_{{n}}/'\n    {read}"
    return Row(
        name,
        f"{start}\n{before}\n{helper}\n---\n%%component s§\n{code}",
        **{"reused" if reused else "ran": "s§"},
    )


def _forked(name: str, before: str, does: str, after: str = "pass", **more: Any) -> Row:
    """Return a row in which a forked process does something in the notebook's folder."""
    helper = f"def rd§(n):\n    import os; {does}"
    return Row(
        name, f"import os\n{before}\n{helper}\n---\n%%component s§\n{_POOL}\n{after}", ran="s§", **more
    )


_TEXT_BEYOND = "open(O§ + 'a', 'w').write('«1|2»')"
_SAME_BEYOND = "open(O§ + 'a', 'w').write('1')"
_TABLE_BEYOND = "open(O§ + 'a.csv', 'w').write('a\\n«1|2»\\n')"
_POOL = "import multiprocessing\nwith multiprocessing.get_context('fork').Pool(1) as pool: y§ = pool.map(rd§, [§])\npool = None"
_CHILD = "import subprocess, sys\n    return subprocess.check_output([sys.executable, '-c', 'import os; print({})'.replace('PLACE', repr(p))])"

# How a program can be started -> its exit status; what it reads stands in no text that is seen.
_PROGRAM = (
    "import asyncio, os, pty, shlex, subprocess, sys\n"
    "    argv = [sys.executable, '-c', f'import sys; sys.exit(int(open({{p!r}} + chr(97)).read()))']\n"
    "    status = os.waitstatus_to_exitcode\n"
    "    async def wait(start, *args): return await (await start(*args)).wait()\n"
    "    return {}"
)
_WAYS = {
    "subprocess": "subprocess.run(argv).returncode",
    "subprocess with open descriptors": "subprocess.run(argv, close_fds=False).returncode",
    "subprocess in another folder": "subprocess.run(argv, cwd='/').returncode",
    "a shell of subprocess": "subprocess.run(shlex.join(argv) + '; exit $?', shell=True).returncode",
    "os.popen": "status(os.popen(shlex.join(argv)).close())",
    "os.system": "status(os.system(shlex.join(argv)))",
    "posix_spawn": "status(os.waitpid(os.posix_spawn(argv[0], argv, os.environ), 0)[1])",
    "posix_spawnp": "status(os.waitpid(os.posix_spawnp(argv[0], argv, os.environ), 0)[1])",
    "spawnv": "os.spawnv(os.P_WAIT, argv[0], argv)",
    "fork and exec": "status(os.waitpid(os.fork() or os.execv(argv[0], argv), 0)[1])",
    "a terminal": "status(pty.spawn(argv))",
    "a coroutine": "wait(asyncio.create_subprocess_exec, *argv)",
    "a shell of a coroutine": "wait(asyncio.create_subprocess_shell, shlex.join(argv))",
}

FORKED_ROWS = [
    _beyond("a file that a forked process reads", _TEXT_BEYOND, "return open(p + 'a').read()", _POOL),
    _beyond(
        "a file that a forked process reads, written again",
        _SAME_BEYOND,
        "return open(p + 'a').read()",
        _POOL,
        reused=True,
    ),
    _beyond(
        "a file that a forked process reads and writes",
        "",
        "open(p + 'b', 'w').write('1'); return open(p + 'b').read()",
        _POOL,
        reused=True,
    ),
    _beyond(
        "whether a file is there, for a forked process",
        f"if «0|1»: {_SAME_BEYOND}",
        "return os.path.exists(p + 'a')",
        _POOL,
    ),
    _beyond(
        "a file that a forked process opens in vain",
        f"if «0|1»: {_SAME_BEYOND}",
        "\n    try: return open(p + 'a').read()\n    except OSError: return None",
        _POOL,
    ),
    _beyond(
        "a folder that a forked process lists",
        "open(O§ + '«a|b»', 'w').close()",
        "return os.listdir(p)",
        _POOL,
    ),
    _beyond(
        "a file that a process of an executor reads",
        _TEXT_BEYOND,
        "return open(p + 'a').read()",
        "from concurrent.futures import ProcessPoolExecutor as P\nwith P(1) as pool: y§ = list(pool.map(rd§, [§]))\npool = None",
    ),
    _beyond(
        "a file that a child of os.fork reads",
        _TEXT_BEYOND,
        "return open(p + 'a', 'rb').read()",
        "import os\nr, w = os.pipe()\nif not os.fork():\n    os.write(w, rd§(§))\n    os._exit(0)\nos.wait()\ny§ = os.read(r, 9)\nos.close(r)\nos.close(w)",
    ),
    _beyond(
        "a file that a child of os.fork reads, which has closed what it did not open",
        _TEXT_BEYOND,
        "return open(p + 'a', 'rb').read()",
        "import os\nr, w = os.pipe()\nif not os.fork():\n    os.closerange(3, w)\n    os.closerange(w + 1, 999)\n"
        "    _held = [os.open('/dev/null', os.O_RDWR) for _ in range(99)]\n    os.write(w, rd§(§))\n    os._exit(0)\n"
        "os.wait()\ny§ = os.read(r, 9)\nos.close(r)\nos.close(w)",
    ),
    _forked(
        "a file that a forked process moves",
        "open('fa§', 'w').write('«1|2»')",
        "os.rename(f'fa{n}', f'fb{n}')",
        "y§ = open('fb' + '§').read()",
    ),
    _forked(
        "a file that a forked process removes",
        "if «1|0»: open('fr§', 'w').close()",
        "\n    try: os.remove(f'fr{n}'); return 1\n    except OSError: return 0",
    ),
    _forked(
        "a folder that a forked process makes",
        "if os.path.isdir('fm§'): os.rmdir('fm§')\nif «0|1»: os.mkdir('fm§')",
        "\n    try: os.mkdir(f'fm{n}'); return 1\n    except OSError: return 0",
    ),
    _forked(
        "a file that a forked process adds to",
        "open('fw§', 'w').write('«1|2»')",
        "\n    with open(f'fw{n}', 'a') as f: f.write('3'); return f.tell()",
        "y§ = open('fw§').read()",
    ),
    _forked(
        "a module that a forked process looks for",
        "pass",
        "\n    import importlib\n    try: return importlib.import_module(f'plug{n}').X\n    except ImportError: return 0",
        files={"«other|plug»§.py": "X = 1"},
    ),
    _beyond(
        "whether a file is there, for workers of joblib",
        f"if «0|1»: {_SAME_BEYOND}",
        "return os.path.exists(p + 'a')",
        "from joblib import Parallel, delayed\ny§ = Parallel(2)(delayed(rd§)(§) for _ in range(2))",
    ),
    *(
        Row(
            f"whether a file is there, for a process of {way}",
            "import os, sws§\nif os.path.exists('sw§'): os.remove('sw§')\nif «0|1»: open('sw§', 'w').close()\n---\n"
            f"%%component s§\nimport multiprocessing, sws§\nwith multiprocessing.get_context('{way}').Pool(1) as pool: y§ = pool.map(sws§.rd, [§])\npool = None",
            ran="s§",
            files={"sws§.py": "import os\ndef rd(n): return os.path.exists(f'sw{n}')"},
        )
        for way in ("spawn", "forkserver")
    ),
]

UNSEEN_ROWS = [
    _beyond(
        "a table beyond, read by pyarrow",
        _TABLE_BEYOND,
        "import pyarrow.csv as pc; return pc.read_csv(p + 'a.csv').to_pydict()",
    ),
    _beyond(
        "a table beyond, read by polars",
        _TABLE_BEYOND,
        "import polars as pl; return pl.read_csv(p + 'a.csv')['a'].to_list()",
    ),
    _beyond(
        "a table beyond, written again",
        "open(O§ + 'a.csv', 'w').write('a\\n1\\n')",
        "import pyarrow.csv as pc; return pc.read_csv(p + 'a.csv').to_pydict()",
        reused=True,
    ),
    _beyond(
        "a dataset beyond",
        "import pandas as pd\nfor n in «'a'|'ab'»: pd.DataFrame({'a': [1]}).to_parquet(O§ + n)",
        "import pyarrow.dataset as ds; return ds.dataset(p).count_rows()",
    ),
    _beyond(
        "a file beyond, opened by C",
        _TEXT_BEYOND,
        "import ctypes; c = ctypes.CDLL(None); f = c.open((p + 'a').encode(), 0); b = ctypes.create_string_buffer(9); c.read(f, b, 8); c.close(f); return b.value",
    ),
    *(
        _beyond(
            f"a file beyond, read by a program started by {way}",
            _TEXT_BEYOND,
            _PROGRAM.format(call),
            "y§ = await rd§(§)" if "coroutine" in way else "y§ = rd§(§)",
        )
        for way, call in _WAYS.items()
    ),
    _beyond(
        "a folder beyond that a child lists",
        "open(O§ + '«a|b»', 'w').close()",
        _CHILD.format("os.listdir(PLACE)"),
    ),
    _beyond(
        "a database beyond that is attached",
        "for n in 'de':\n    with sqlite3.connect(f'{O§}{n}') as c: c.execute('create table t(a)'); c.execute('insert into t values(?)', ['«1|2»' if n == 'e' else '0'])\n    c.close()",
        "import sqlite3; c = sqlite3.connect(p + 'd'); c.execute(f\"attach '{p}e' as o\"); return c.execute('select a from o.t').fetchall()",
    ),
    _beyond(
        "a file beyond that workers of joblib read",
        _TEXT_BEYOND,
        "return open(p + 'a').read()",
        "from joblib import Parallel, delayed\ny§ = Parallel(2)(delayed(rd§)(§) for _ in range(2))",
    ),
]
# Elsewhere nobody knows, which the README says.
ASKED_ROWS += FORKED_ROWS if hasattr(os, "memfd_create") else []
ASKED_ROWS += UNSEEN_ROWS if _may_see_anywhere() else []
