"""Rows for the change matrix: steps that are given a `File` or a `Folder`, or open files without saying so."""

# ruff: noqa: E501 - a notebook on one line is easier to compare with its neighbours

from __future__ import annotations

from typing import Any

from tests.support.matrix import Row

_FILE = (
    "import jupyter_mlpipe as mlpipe\nf§ = mlpipe.File('{path}')\n---\n%%component s§\ny§ = open(f§).read()"
)
_FOLDER = (
    "import jupyter_mlpipe as mlpipe\nf§ = mlpipe.Folder('{path}')\n---\n%%component s§\n"
    "y§ = sorted((str(p.relative_to(f§)), p.read_text() if p.is_file() else '') for p in f§.path.rglob('*'))"
)


def reads_file(before: str = "", path: str = "d§/raw.txt") -> str:
    """Return cells whose component reads a declared file; `before` makes it what it is in this version."""
    return (f"{before}\n---\n" if before else "") + _FILE.format(path=path)


def reads_folder(before: str = "", path: str = "d§") -> str:
    """Return cells whose component reads all that is in a declared folder."""
    return (f"{before}\n---\n" if before else "") + _FOLDER.format(path=path)


def holds(first: str, second: str) -> str:
    """Return a cell that makes a folder anew, with texts by name."""
    return (
        "import os, shutil\nfrom pathlib import Path\nshutil.rmtree('d§', ignore_errors=True)\n"
        f"for name, text in «{first}|{second}».items():\n"
        "    path = Path('d§', name)\n    path.parent.mkdir(parents=True, exist_ok=True)\n    path.write_text(text)"
    )


_SAME_STAT = "import os\nfrom pathlib import Path\nPath('r§.txt').write_text('«1|2»')\nos.utime('r§.txt', (10**9, 10**9))"
_RENAMED = (
    "import os\nfrom pathlib import Path\nPath('n§.txt').write_text('«1|2»')\nos.replace('n§.txt', 'r§.txt')"
)
_LINKED = (
    "import os\nfrom pathlib import Path\nPath('one§.txt').write_text('1')\nPath('two§.txt').write_text('2')\n"
    "Path('r§.txt').unlink(missing_ok=True)\nos.symlink('«one|two»§.txt', 'r§.txt')"
)
_PARAMETER = (
    "# plain\np§ = 'd§/raw.txt'\n---\n%%component s§(p§: File = 'd§/raw.txt') -> y§\ny§ = open(p§).read()"
)
_ELSEWHERE = (
    "import os\nfrom pathlib import Path\nhome§ = os.getcwd()\nPath('«a|b»§/d§').mkdir(parents=True, exist_ok=True)\n"
    "os.chdir('«a|b»§')\nPath('d§/raw.txt').write_text('1')"
)
_MODE = "import os\nfrom pathlib import Path\nPath('r§.txt').write_text('1')\nos.chmod('r§.txt', 0o«644|755»)"

_POLARS = "import polars as pl\nfrom pathlib import Path\nPath('d§').mkdir(exist_ok=True)\npl.DataFrame({'a': [«1|2»]}).write_csv('d§/in.csv')\n"


def asks(code: str, before: str = "") -> dict[str, Any]:
    """Return a row's cells whose component asks for files; `before` makes them what they are."""
    start = "import os, shutil\nfrom pathlib import Path\nshutil.rmtree('q§', ignore_errors=True)\n"
    return {"cells": f"{start}{before}\n---\n%%component s§\n{code}"}


_THERE = "os.mkdir('q§')\nif «0|1»: Path('q§/b.txt').write_text('1')"
_SWAPPED = "os.mkdir('q§')\n«Path('q§/b.txt').write_text('1')|os.mkdir('q§/b.txt')»"
_ZIP = (
    "import sys, zipfile\nwith zipfile.ZipFile('z§.zip', 'w') as z:\n    z.writestr('zm§.py', '{}')\n"
    "    z.writestr('zo§.py', '{}')\n    z.writestr('zp§/__init__.py', '')\n    z.writestr('zp§/t.txt', '{}')\n"
    "sys.path.insert(0, 'z§.zip')"
)
_SOME = "os.mkdir('q§')\nPath('q§/a').write_text('«1|22»')"
_DATED = "os.mkdir('q§')\nPath('q§/a').write_text('1')\nos.utime('q§/a', (10**9, 10**9 + «0|1»))"


def unseen(code: str, before: str = "") -> dict[str, Any]:
    """Return a row's cells whose component reads ``d§/in.csv`` by Rust or a child, which Python does not see."""
    return {"cells": f"{_POLARS}{before}\n---\n%%component s§\n{code}", "ran": "s§"}


FILE_ROWS = [
    Row("a table read by a pattern", **unseen("y§ = pl.scan_csv('d§/*.csv').collect()['a'].to_list()")),
    Row(
        "whether a file is there",
        **asks("y§ = [os.path.exists(f'q§/{n}.txt') for n in 'ab']", _THERE),
        ran="s§",
    ),
    Row("whether a path is a file", **asks("y§ = (Path('q§') / 'b.txt').is_file()", _THERE), ran="s§"),
    Row(
        "whether a folder is there",
        **asks("y§ = os.path.isdir('q§')", "if «0|1»: os.mkdir('q§')"),
        ran="s§",
    ),
    Row(
        "whether a file is there, asked by a local module",
        **asks("import lm§\ny§ = lm§.f('q§/' + chr(98) + '.txt')", _THERE),
        ran="s§",
        files={"lm§.py": "from os.path import exists\ndef f(path): return exists(path)"},
    ),
    Row(
        "one of very many files",
        **asks(
            "y§ = [n for n in range(1500) if Path(f'q§/{n}').exists()]",
            "os.mkdir('q§')\nif «0|1»: Path('q§/1200').touch()",
        ),
        ran="s§",
    ),
    Row(
        "a file that became a folder",
        **asks("y§ = [os.path.isfile('q§/b.txt'), Path('q§', 'b.txt').is_dir()]", _SWAPPED),
        ran="s§",
    ),
    Row(
        "one of very many files that became a folder",
        **asks("y§ = [Path(f'q§/{n}').is_file() for n in ['b.txt', *range(1500)]]", _SWAPPED),
        ran="s§",
    ),
    Row(
        "a file that became a folder, in a walk",
        **asks("y§ = [(d, f) for _, d, f in os.walk('q§')]", _SWAPPED),
        ran="s§",
    ),
    Row(
        "a file that became a link",
        **asks(
            "y§ = Path('q§', 'b').is_symlink()",
            "os.mkdir('q§')\nPath('q§/a').touch()\n«Path('q§/b').touch()|os.symlink('a', 'q§/b')»",
        ),
        ran="s§",
    ),
    Row(
        "a folder that became a link, in a walk",
        **asks(
            "y§ = [(d, f) for _, d, f in os.walk('q§')]",
            "os.makedirs('q§/a')\n«os.mkdir('q§/b')|os.symlink('a', 'q§/b')»",
        ),
        ran="s§",
    ),
    *(
        Row(
            f"{name}, under a name that is made up",
            f"import sys\nsys.path[:0] = ['a§', 'b§']\n---\n%%component s§\nimport importlib.util\n{code}",
            ran="s§",
            files={"b§/m§.py": "X = 1", f"{folder}/«{first}|{second}».py": "X = 2"},
        )
        for name, folder, first, second, code in [
            (
                "a module that comes",
                ".",
                "no§",
                "mo§",
                "try:\n    y§ = importlib.import_module('mo' + '§').X\nexcept ImportError:\n    y§ = 0",
            ),
            (
                "whether there is a module",
                ".",
                "no§",
                "mo§",
                "y§ = importlib.util.find_spec('mo' + '§') is None",
            ),
            ("a package before a module", "b§/m§", "x", "__init__", "y§ = __import__('m' + '§').X"),
            ("a folder before another", "a§", "x", "m§", "y§ = importlib.import_module('m' + '§').X"),
        ]
    ),
    Row(
        "a file that a library looks for",
        "%%component s§\nfrom dotenv import dotenv_values\ny§ = dict(dotenv_values('e§' + '.env'))",
        ran="s§",
        files={"«no|e»§.env": "A=1"},
    ),
    Row(
        "a file that became a pipe",
        **asks("y§ = Path('q§', 'a').is_file()", "os.mkdir('q§')\n«Path('q§/a').touch()|os.mkfifo('q§/a')»"),
        ran="s§",
    ),
    *(
        Row(
            f"{name}, in a folder that is listed",
            **asks(code, f"import polars as pl\nos.mkdir('q§')\n{before}"),
            ran="s§",
        )
        for name, before, code in [
            ("a hidden file", "Path('q§/.«a|b»').touch()", "y§ = os.listdir('q§')"),
            (
                "links",
                "Path('q§/b').touch()\n«Path('q§/a').touch()|os.symlink('b', 'q§/a')»",
                "y§ = sorted((e.name, e.is_symlink()) for e in os.scandir('q§'))",
            ),
            (
                "where a path leads",
                "Path('q§/a').touch()\n«Path('q§/l').touch()|os.symlink('a', 'q§/l')»",
                "y§ = os.path.realpath('q§/' + 'l')",
            ),
            ("what a command lists", "Path('q§/«a|b»').touch()", "y§ = !ls q§\ny§ = list(y§)"),
            (
                "what a command adds up",
                "Path('q§/a').write_text('x' * «10|99999»)",
                "y§ = !du -s --apparent-size q§\ny§ = list(y§)",
            ),
            (
                "what a program lists",
                "Path('q§/s.py').write_text(\"import os; print(sorted(os.listdir('q§')))\")\nPath('q§/«a|b»').touch()",
                "import subprocess, sys\ny§ = subprocess.check_output([sys.executable, 'q§/s.py'])",
            ),
            (
                "what Rust lists",
                "for n in «'a'|'ab'»: Path(f'q§/{n}.csv').write_text('x\\n1\\n')",
                "y§ = pl.read_csv('q' + '§/*.csv').height",
            ),
        ]
    ),
    Row(
        "a file that the step looks for beside temporary ones",
        **asks(
            "y§ = os.path.exists('/tmp/' + f'{t§}_x')\n---\nPath(f'/tmp/{t§}_x').unlink(missing_ok=True)",
            "t§ = f'mlpipe_test_{os.getppid()}_§'\nPath(f'/tmp/{t§}_x').unlink(missing_ok=True)\nif «0|1»: Path(f'/tmp/{t§}_x').touch()",
        ),
        ran="s§",
    ),
    Row(
        "the user's own file among those of libraries",
        **asks(
            "y§ = (Path.home() / '.cache' / 'mlpipe_test_§').read_text()\n---\n(Path.home() / '.cache' / 'mlpipe_test_§').unlink()",
            "p = Path.home() / '.cache' / 'mlpipe_test_§'\np.parent.mkdir(exist_ok=True)\np.write_text('«1|2»')",
        ),
        ran="s§",
    ),
    Row(
        "an archive of modules",
        f"{_ZIP.format('X = «1|2»', '', '')}\n---\n%%component s§\nimport zm§\ny§ = zm§.X",
        ran="s§",
    ),
    Row(
        "another module of an archive",
        f"{_ZIP.format('X = 1', 'X = «1|22»', '«1|2»')}\n---\n%%component s§\nimport zm§\ny§ = zm§.X",
        reused="s§",
    ),
    Row(
        "what an archive of modules holds beside them",
        f"{_ZIP.format('', '', '«1|2»')}\n---\n%%component s§\nimport pkgutil\ny§ = pkgutil.get_data('zp§', 't.txt')",
        ran="s§",
    ),
    Row(
        "what an archive of modules holds, by importlib",
        f"{_ZIP.format('', '', '«1|2»')}\n---\n%%component s§\nfrom importlib.resources import files\ny§ = files('zp§').joinpath('t.txt').read_text()",
        ran="s§",
    ),
    Row(
        "an archive of modules that are not used",
        f"{_ZIP.format('X = 1', 'X = «1|22»', '«1|2»')}\n---\n%%component s§\nimport colorsys, json\ny§ = json.dumps([1])",
        reused="s§",
    ),
    Row("the size of a file", **asks("y§ = os.path.getsize('q§/' + chr(97))", _SOME), ran="s§"),
    Row("the time of a file", **asks("y§ = os.path.getmtime('q§/a')", _DATED), ran="s§"),
    Row(
        "the time of a file that is asked for its size",
        **asks("y§ = os.path.getsize('q§/' + chr(97))", _DATED),
        reused="s§",
    ),
    Row(
        "the time of a file that is looked for and read",
        **asks("p = Path('q§', 'a')\ny§ = p.exists() and p.read_text()", _DATED),
        reused="s§",
    ),
    Row(
        "what is in a folder that was not there",
        **asks(
            "import glob\ny§ = glob.glob('q§/*')", "if «0|1»:\n    os.mkdir('q§')\n    Path('q§/a').touch()"
        ),
        ran="s§",
    ),
    Row(
        "a file that the step makes where it is missing",
        **asks(
            "p = Path('q§', 'a')\nif not p.exists(): p.write_text('1')\ny§ = p.read_text()", "os.mkdir('q§')"
        ),
        reused="s§",
    ),
    Row(
        "a folder that the step makes where it is missing",
        **asks("if not os.path.isdir('q§'): os.mkdir('q§')\ny§ = 1"),
        reused="s§",
    ),
    Row(
        "a folder under a name that is drawn",
        **asks("import tempfile\nt§ = tempfile.mkdtemp()\n_, u§ = tempfile.mkstemp()\ny§ = 1"),
        reused="s§",
    ),
    Row("a plan of a table", **unseen("y§ = q§.collect()['a'].to_list()", "q§ = pl.scan_csv('d§/in.csv')")),
    Row(
        "a plan of a table that flows between steps",
        _POLARS
        + "---\n%%component a§\nq§ = pl.scan_csv('d§/*.csv')\n---\n%%component s§\ny§ = q§.collect()['a'].to_list()",
        ran="a§ s§",
    ),
    Row(
        "a dataset of pyarrow",
        **unseen(
            "y§ = q§.to_table().to_pydict()",
            "import pyarrow.dataset as ds\nq§ = ds.dataset('d§', format='csv')",
        ),
    ),
    Row(
        "a table beside a local module",
        **unseen("y§ = lm§.load()['a'].to_list()", "import lm§"),
        files={
            "lm§.py": "import pathlib, polars as pl\nHERE = pathlib.Path(__file__).parent\ndef load(): return pl.read_csv(HERE / 'd§' / 'in.csv')"
        },
    ),
    Row(
        "a file read by a child through a pattern",
        **unseen("import subprocess\ny§ = subprocess.check_output('cat d§/*.csv', shell=True)"),
    ),
    Row(
        "a file read by a child in another folder",
        **unseen("import subprocess\ny§ = subprocess.check_output('cd d§ && cat in.csv', shell=True)"),
    ),
    Row("a declared file", reads_file(), ran="s§", files={"d§/raw.txt": "«1|2»"}),
    Row("a declared file, written again as it was", reads_file(), reused="s§", files={"d§/raw.txt": "1"}),
    Row("a declared file of the same size and time", reads_file(_SAME_STAT, "r§.txt"), ran="s§"),
    Row("a declared file that another one replaced", reads_file(_RENAMED, "r§.txt"), ran="s§"),
    Row("a declared file through a link", reads_file(_LINKED, "r§.txt"), ran="s§"),
    Row("a declared file that can be run", reads_file(_MODE, "r§.txt"), ran="s§"),
    Row(
        "a declared file in another working folder",
        reads_file(_ELSEWHERE) + "\n---\nos.chdir(home§)",
        reused="s§",
    ),
    Row("a file as a parameter", _PARAMETER, ran="s§", files={"d§/raw.txt": "«1|2»"}),
    Row("a file as a parameter, as it was", _PARAMETER, reused="s§", files={"d§/raw.txt": "1"}),
    Row(
        "a file as the notebook's parameter",
        "from jupyter_mlpipe import File\n---\n%%parameters\np§: File = 'd§/raw.txt'\n---\n%%component s§\ny§ = open(p§).read()",
        ran="s§",
        files={"d§/raw.txt": "«1|2»"},
    ),
    Row(
        "a file inside a value",
        "import jupyter_mlpipe as mlpipe\nc§ = {'raw': [mlpipe.File('d§/raw.txt')]}\n---\n%%component s§\ny§ = open(c§['raw'][0]).read()",
        ran="s§",
        files={"d§/raw.txt": "«1|2»"},
    ),
    Row(
        "a file that a helper reads",
        "import jupyter_mlpipe as mlpipe\nf§ = mlpipe.File('d§/raw.txt')\ndef h§(path=f§): return open(path).read()\n---\n%%component s§\ny§ = h§()",
        ran="s§",
        files={"d§/raw.txt": "«1|2»"},
    ),
    Row(
        "a file that a step gives",
        "%%component a§\nimport jupyter_mlpipe as mlpipe\nwith open('o§.txt', 'w') as file: file.write('«1|2»')\nf§ = mlpipe.File('o§.txt')\n"
        "---\n%%component s§\ny§ = open(f§).read()",
        ran="a§ s§",
    ),
    Row(
        "an early cutoff of a file",
        "%%component a§\nimport jupyter_mlpipe as mlpipe\nwith open('o§.txt', 'w') as file: file.write(str(abs(«-1|1»)))\nf§ = mlpipe.File('o§.txt')\n"
        "---\n%%component s§\ny§ = open(f§).read()",
        ran="a§",
        reused="s§",
    ),
    Row("a declared folder", reads_folder(holds("{'a': '1'}", "{'a': '2'}")), ran="s§"),
    Row(
        "a declared folder, made again as it was",
        reads_folder(holds("{'a': '1'}", "{'a': '1'}")),
        reused="s§",
    ),
    Row("a file added to a folder", reads_folder(holds("{'a': '1'}", "{'a': '1', 'b/c': '2'}")), ran="s§"),
    Row(
        "a file removed from a folder", reads_folder(holds("{'a': '1', 'b/c': '2'}", "{'a': '1'}")), ran="s§"
    ),
    Row("a file renamed in a folder", reads_folder(holds("{'a': '1'}", "{'b': '1'}")), ran="s§"),
    Row("a file moved in a folder", reads_folder(holds("{'a/c': '1'}", "{'b/c': '1'}")), ran="s§"),
    Row("a hidden file in a folder", reads_folder(holds("{'.a': '1'}", "{'.a': '2'}")), ran="s§"),
    Row(
        "an empty folder in a folder",
        reads_folder(holds("{'a': '1'}", "{'a': '1'}") + "\nPath('d§/«empty|void»').mkdir()"),
        ran="s§",
    ),
    Row(
        "a link in a folder",
        reads_folder(holds("{'a': '1', 'b': '2'}", "{'a': '1', 'b': '2'}") + "\nos.symlink('«a|b»', 'd§/c')"),
        ran="s§",
    ),
    Row(
        "an undeclared file, written again as it was",
        "%%component s§\ny§ = open('in§.txt').read()",
        reused="s§",
        files={"in§.txt": "1"},
    ),
    Row(
        "an undeclared file of the same size and time",
        _SAME_STAT + "\n---\n%%component s§\ny§ = open('r§.txt').read()",
        ran="s§",
    ),
    Row(
        "an undeclared file through a link",
        _LINKED + "\n---\n%%component s§\ny§ = open('r§.txt').read()",
        ran="s§",
    ),
]
