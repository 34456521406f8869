"""`jupyter mlpipe doctor` on this installation, and where something of it is really broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_notebook

from jupyter_mlpipe import __version__
from tests.app.conftest import CommandLine, Done
from tests.store.test_objects import mounted


def checks(done: Done) -> dict[str, dict[str, str]]:
    return {check["point"]: check for check in done.json["checks"]}


def wrong(done: Done) -> dict[str, str]:
    """What is wrong, by point, and what to do about it."""
    assert done.json["status"] == ("failed" if done.status else "succeeded")
    return {p: f"{c['found']} → {c['remedy']}" for p, c in checks(done).items() if c["state"] == "wrong"}


def write_notebook(cli: CommandLine, kernel: str) -> str:
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel}}
    path = cli.folder / "notebook.ipynb"
    nbformat.write(new_notebook(metadata=metadata), path)
    return str(path)


def install_kernel(folder: Path, name: str, **spec: Any) -> None:
    where = folder / "kernels" / name
    where.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    content = {"argv": argv, "display_name": name, "language": "python", **spec}
    (where / "kernel.json").write_text(json.dumps(content))


def configure(folder: Path, text: str) -> str:
    """Write what configures kernels; returns what to set IPYTHONDIR to."""
    profile = folder / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(text)
    return str(profile.parent)


def test_all_that_is_needed_works_here_and_nothing_is_left_behind(cli: CommandLine) -> None:
    done = cli("doctor", "--json")
    assert (done.status, wrong(done)) == (0, {}), done.err
    found = checks(done)
    assert {"Python", "jupyter-mlpipe", "JupyterLab", "kernel", "store", "room", "packages"} < found.keys()
    assert {"widgets", "graph", "processes", "files", "GPUs", "cluster", "step"} < found.keys()
    assert sys.executable in found["Python"]["found"]
    assert found["kernel"]["found"].startswith(
        "'python3' runs this Python, with the same version; started in"
    )
    assert f"with extension {__version__}, enabled" in found["JupyterLab"]["found"]
    assert found["step"]["found"].startswith("ran in ")
    assert "; reused in " in found["step"]["found"]
    assert [path.name for path in cli.folder.iterdir()] == []


def test_people_read_a_line_for_each_point_and_a_verdict(cli: CommandLine) -> None:
    (cli.folder / "store").mkdir()
    done = cli("doctor")
    assert done.status == 0, done.out
    lines = [line.rstrip().split(maxsplit=2) for line in done.out.splitlines()]
    assert ["✓", "store", f"{cli.folder / 'store'}: can be written; keys of scheme 1"] in lines
    assert ["✓", "locks", "files can be locked, and steps be claimed"] in lines
    assert done.out.splitlines()[-1].startswith("all that is needed works")
    assert [p for p in (cli.folder / "store").rglob("*") if p.is_file() and p.parent.name == "claims"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_store_that_cannot_be_written_is_wrong(cli: CommandLine) -> None:
    with mounted(cli.folder / "disk", "size=4m"):
        (cli.folder / "disk" / "store").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", str(cli.folder / "disk")], check=True)
        for store in ("store", "new"):
            done = cli("doctor", "--json", MLPIPE_STORE=str(cli.folder / "disk" / store))
            assert done.status == 1
            found = wrong(done)
            assert found.keys() == {"store"}
            assert "the file system is read-only" in found["store"]
            assert "put the store elsewhere with MLPIPE_STORE" in found["store"]


def test_a_kernel_with_another_version_is_wrong(cli: CommandLine) -> None:
    other = cli.folder / "other" / "jupyter_mlpipe"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("__version__ = '0.0.1'\n")
    install_kernel(cli.folder, "old", env={"PYTHONPATH": str(other.parent)})
    notebook = write_notebook(cli, "old")
    done = cli("doctor", notebook, "--json", JUPYTER_PATH=str(cli.folder))
    assert done.status == 1
    assert wrong(done) == {
        "kernel": f"'old' runs {sys.executable}, which has jupyter-mlpipe 0.0.1; here it is {__version__} → "
        f"{sys.executable} -m pip install jupyter-mlpipe=={__version__}"
    }
    assert "step" not in checks(done)


def test_a_kernel_without_the_package_is_wrong(cli: CommandLine) -> None:
    # As in an environment of its own that has ipykernel, and not us.
    (cli.folder / "bare").mkdir()
    (cli.folder / "bare" / "start.py").write_text(
        "import runpy, sys\nsys.meta_path.insert(0, type('No', (), {'find_spec': staticmethod(\n"
        "    lambda name, *_: (_ for _ in ()).throw(ModuleNotFoundError(f'No module named {name!r}'))\n"
        "    if name == 'jupyter_mlpipe' else None)}))\n"
        "runpy.run_module('ipykernel_launcher', run_name='__main__')\n"
    )
    argv = [sys.executable, str(cli.folder / "bare" / "start.py"), "-f", "{connection_file}"]
    install_kernel(cli.folder, "bare", argv=argv)
    done = cli("doctor", write_notebook(cli, "bare"), JUPYTER_PATH=str(cli.folder))
    assert done.status == 1
    assert f"'bare' runs {sys.executable}, which has no jupyter-mlpipe that can be imported" in done.out
    assert f"→ {sys.executable} -m pip install jupyter-mlpipe=={__version__}" in done.out
    assert "checks failed" in done.out


def test_a_kernel_that_is_not_installed_is_wrong_and_the_store_is_looked_at(cli: CommandLine) -> None:
    done = cli("doctor", write_notebook(cli, "missing"), "--json")
    assert done.status == 1
    assert "the kernel 'missing', which is not installed here" in wrong(done)["kernel"]
    assert checks(done)["store"]["state"] == "ok"


def test_a_graphviz_that_does_not_work_is_wrong(cli: CommandLine) -> None:
    (cli.folder / "bin").mkdir()
    dot = cli.folder / "bin" / "dot"
    dot.write_text("#!/bin/sh\necho 'Format: svg not recognized' >&2\nexit 1\n")
    dot.chmod(0o755)
    done = cli("doctor", "--json", PATH=f"{dot.parent}{os.pathsep}{os.environ['PATH']}")
    assert done.status == 1
    assert f"{dot} said: Format: svg not recognized" in wrong(done)["graph"]


def test_a_cluster_that_cannot_be_reached_is_wrong(cli: CommandLine) -> None:
    configured = configure(cli.folder, "c.MLPipe.cluster = 'tcp://127.0.0.1:9'")
    done = cli("doctor", "--json", IPYTHONDIR=configured)
    assert done.status == 1
    found = wrong(done)
    assert found.keys() == {"cluster"}
    assert "tcp://127.0.0.1:9" in found["cluster"]
    # What steps need of this machine is there all the same.
    assert checks(done)["step"]["state"] == "ok"


def test_pools_that_this_machine_cannot_give_are_wrong(cli: CommandLine) -> None:
    configured = configure(cli.folder, "c.MLPipe.pools = ['gpu:gpus=99']")
    done = cli("doctor", "--json", IPYTHONDIR=configured)
    assert done.status == 1
    assert "The pools ask for 99 GPUs" in wrong(done)["cluster"]


def test_a_shared_store_says_who_signs_and_never_a_secret(cli: CommandLine) -> None:
    address = f"file://{cli.folder / 'bucket'}"
    (cli.folder / "bucket").mkdir()
    places = {"JUPYTER_DATA_DIR": str(cli.folder / "jupyter"), "XDG_CACHE_HOME": str(cli.folder / "cache")}
    done = cli("doctor", "--json", MLPIPE_STORE=address, **places)
    assert (done.status, wrong(done)) == (0, {}), done.err
    found = checks(done)
    assert found["store"]["found"] == f"{address}: can be written and read"
    keys = cli.folder / "jupyter" / "mlpipe" / "keys.json"
    assert str(keys) in found["signing key"]["found"]
    (entry,) = json.loads(keys.read_text())["keys"]
    assert entry["secret"] not in done.out + done.err
    keys.chmod(0o644)
    done = cli("doctor", "--json", MLPIPE_STORE=address, **places)
    assert done.status == 1
    assert f"→ chmod 600 {keys}" in wrong(done)["signing key"]


def test_a_place_that_cannot_be_reached_is_wrong_without_its_password(cli: CommandLine) -> None:
    done = cli("doctor", "--json", MLPIPE_STORE="ftp://ana:hunter2@127.0.0.1:9/team")
    assert done.status == 1
    assert "ftp://***@127.0.0.1:9/team" in wrong(done)["store"]
    assert "hunter2" not in done.out + done.err


def test_what_jupyterlab_has_of_the_extension_is_looked_at(cli: CommandLine) -> None:
    disabled = cli.folder / "config" / "labconfig"
    disabled.mkdir(parents=True)
    (disabled / "page_config.json").write_text('{"disabledExtensions": {"jupyter-mlpipe": true}}')
    done = cli("doctor", "--json", JUPYTER_CONFIG_DIR=str(disabled.parent))
    assert done.status == 0
    found = checks(done)["JupyterLab"]
    assert (found["state"], found["remedy"]) == ("note", "jupyter labextension enable jupyter-mlpipe")
    old = cli.folder / "labextensions" / "jupyter-mlpipe"
    old.mkdir(parents=True)
    (old / "package.json").write_text('{"name": "jupyter-mlpipe", "version": "0.0.1"}')
    done = cli("doctor", "--json", JUPYTER_PATH=str(cli.folder))
    assert done.status == 1
    assert (
        f"the extension in {old} is 0.0.1, and jupyter-mlpipe is {__version__}" in wrong(done)["JupyterLab"]
    )


def test_a_notebook_that_is_not_there_is_a_usage_error(cli: CommandLine) -> None:
    assert cli("doctor", "nowhere.ipynb").status == 2
