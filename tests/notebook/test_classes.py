"""What cells do to classes and functions of the notebook is seen by later cells as without our line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import class_cells, making_cells
from tests.support.as_plain import CHOICES, Start, assert_same_as_plain


@pytest.mark.parametrize("title", class_cells.NOTEBOOKS)
def test_what_a_cell_does_to_a_class_stays(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(class_cells.NOTEBOOKS[title], start_kernel, choices=CHOICES)


@pytest.mark.parametrize("title", making_cells.NOTEBOOKS)
def test_a_definition_stays_as_it_was_made(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(making_cells.NOTEBOOKS[title], start_kernel, choices=CHOICES)


def test_a_run_of_all_steps_gives_objects_the_classes_of_which_they_were_made(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%pipeline mode register")
    kernel.run(
        "%%component make\nrate = 2\n"
        "class Box:\n    size = rate\nclass Wide(Box): pass\n"
        "if rate > 1:\n    class Kind: name = 'high'\nelse:\n    class Kind: name = 'low'\n"
        "if rate > 2:\n    class Wide: pass\n"
        "box, wide, kind = Box(), Wide(), Kind()"
    ).check()
    kernel.run("%%component other\nrate = 50").check()
    kernel.run(
        "%%component use\nfound = rate, box.size, wide.size, kind.name, isinstance(wide, type(box))"
    ).check()
    kernel.run("import jupyter_mlpipe as mlpipe\nrun = mlpipe.current().run().wait()").check()
    assert kernel.run("print(found)").check().printed == "(50, 2, 2, 'high', True)\n"


def test_what_a_step_in_the_background_defines_is_what_it_makes(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%pipeline mode background")
    kernel.run(
        "%%component make\nimport time\nfrom pathlib import Path\nrate = 2\n"
        "while not Path('go').exists(): time.sleep(0.01)\n"
        "if rate > 1:\n    def label(): return 'high'\nelse:\n    def label(): return 'low'\n"
        "def times(x, k=rate): return x * k"
    ).check()
    kernel.run("%%component other\nrate = 50").check()
    kernel.run(
        "import threading\nfrom pathlib import Path\nthreading.Timer(1, Path('go').touch).start()"
    ).check()
    kernel.run("%%component use\nfound = label(), times(3)").check()
    assert kernel.run("print(found, label(), times(3))").check().printed == "('high', 6) high 6\n"


def test_the_content_of_a_cache_is_said_to_stay_in_its_step(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("import functools\n@functools.lru_cache\ndef twice(x): return 2 * x").check()
    kernel.run("%%component one\ntwice(1)").check()
    counted = kernel.run("%%component two\ntwice.cache_info()").check()
    assert "what a cache holds stays in its step" in counted.receipt


def test_what_a_cache_keeps_in_the_kernel_is_said_once(start_kernel: Start, tmp_path: Path) -> None:
    kernel = start_kernel()
    (tmp_path / "cached.py").write_text("import functools\n@functools.cache\ndef g(): return 1\n")
    kernel.run(
        "import functools, cached\nlimit = 1\n@functools.cache\ndef f(): return limit\n"
        "class A:\n    @staticmethod\n    @functools.lru_cache\n    def h(): return limit\n"
        "f(), A.h()\nlimit = 2"
    ).check()
    first = kernel.run("%%component one\na = f(), A.h(), cached.g()").check()
    for name in ("f", "A.h", "cached.g"):
        assert f"{name} keeps what it gave (lru_cache): what a cache holds stays in its step" in first.receipt
    assert kernel.value("a") == (2, 2, 1)
    second = kernel.run("%%component two\nb = f()").check()
    assert "keeps what it gave" not in second.receipt
    # However much it keeps: that is in no key.
    assert kernel.run("cached.g(), f()").status == "ok"
    assert kernel.run("%%component one\na = f(), A.h(), cached.g()").status_of_step == "reused"


def test_what_a_class_holds_of_stored_values_is_said_to_be_copies(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run(
        "class Account:\n    known, n = [], 0\n    def __init__(self): self.known.append(self)"
    ).check()
    made = kernel.run("%%component make\na, b = Account(), Account()").check()
    assert "Account.known holds a, b: for later cells it holds copies" in made.receipt
    counted = kernel.run("%%component count\nAccount.n += 1").check()
    assert "holds" not in counted.receipt
    changed = kernel.run("%%component change\na.owner = 'zed'").check()
    assert "a is changed for a only: Account.known, where it is held as well, keeps it" in changed.receipt
    other = kernel.run("%%component other\nc = [a.owner]").check()
    assert "only" not in other.receipt


def test_what_a_class_holds_that_its_metaclass_has_made_is_said_to_be_copies(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("class Meta(type):\n    def __new__(m, *a): return super().__new__(m, *a)").check()
    code = "class Point(metaclass=Meta):\n    origin = None\np = Point.origin = Point()"
    made = kernel.run(f"%%component make\n{code}").check()
    assert "Point.origin holds p: for later cells it holds copies. Keep it in a variable" in made.receipt


def test_an_object_says_that_it_is_gone_where_its_name_is_deleted(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%%component define\nclass Loud:\n    def __del__(self): print('gone')").check()
    kernel.run("%%component make\none = Loud()").check()
    assert kernel.run("%%component delete\ndel one").check().printed == "gone\n"
    assert kernel.value("'one' in globals()") is False


def test_a_pickle_of_what_the_cell_does_not_name_says_what_to_do(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("import pickle\nclass Box: pass\nwith open('box', 'wb') as f: pickle.dump(Box(), f)").check()
    unnamed = kernel.run("%%component a\nimport pickle\nbox = pickle.load(open('box', 'rb'))")
    assert unnamed.error is not None
    assert unnamed.error["ename"] == "AttributeError"
    assert "write a line Box above this one" in unnamed.traceback
    kernel.run("%%component b\nimport pickle\nBox\nbox = pickle.load(open('box', 'rb'))").check()
    assert kernel.value("isinstance(box, Box)") is True


def test_a_default_that_is_the_very_object_of_a_name_is_said_to_be_apart(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("rows, n = [1], 3").check()
    shared = kernel.run("%%component a\ndef add(row, rows=rows):\n    rows.append(row)").check()
    assert "what the cell changes in add itself (a default" in shared.receipt
    plain = kernel.run("%%component b\ndef grow(value, by=n):\n    return value + by").check()
    assert "itself" not in plain.receipt
