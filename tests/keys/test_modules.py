import os

from jupyter_mlpipe.keys.modules import LocalModules


def test_a_file_rewritten_within_one_time_stamp_is_read_again(folder):
    modules = LocalModules()
    path = folder.path / "mod.py"
    path.write_text("K = 1")
    first = modules.reach([("mod", ())]).local["mod"]
    moment = os.stat(path)
    path.write_text("K = 2")
    os.utime(path, ns=(moment.st_atime_ns, moment.st_mtime_ns))
    second = modules.reach([("mod", ())]).local["mod"]
    assert first.digest != second.digest
    assert second.source.source == "K = 2"


def test_an_unchanged_file_is_read_once(folder):
    folder.write("mod.py", "import low")
    folder.write("low.py", "K = 1")
    modules = LocalModules()
    first = modules.reach([("mod", ())]).local
    again = modules.reach([("mod", ())]).local
    assert first["low"] is again["low"]


def test_a_file_that_is_no_python_counts_by_its_bytes(folder):
    modules = LocalModules()
    folder.write("mod.py", "this is not Python")
    first = modules.reach([("mod", ())]).local["mod"]
    folder.write("mod.py", "this is not python")
    assert modules.reach([("mod", ())]).local["mod"].digest != first.digest


def test_a_module_that_moves_into_a_package_is_another_one(folder):
    modules = LocalModules()
    folder.write("mod.py", "from .low import K")
    before = modules.reach([("mod", ())]).local["mod"]
    os.remove(folder.path / "mod.py")
    folder.write("mod/__init__.py", "from .low import K")
    folder.write("mod/low.py", "K = 1")
    after = modules.reach([("mod", ())]).local
    assert after["mod"].digest != before.digest
    assert list(after) == ["mod", "mod.low"]
