"""`import jupyter_mlpipe` is quick: nothing heavy comes with it."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "IPython",
    "anywidget",
    "dask",
    "distributed",
    "fsspec",
    "ipykernel",
    "matplotlib",
    "numpy",
    "pandas",
    "pyarrow",
}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a new process after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    # -I: whatever the caller's folder and environment hold stays out.
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    # Some installations load modules at start-up, by .pth files: that is not ours.
    assert (loaded_by("import jupyter_mlpipe") - loaded_by("pass")) & HEAVY == set()


def test_a_store_of_this_machine_loads_nothing_of_shared_ones(tmp_path: Path):
    folder = str(tmp_path / "store")
    opened = (
        f"from jupyter_mlpipe.store.store import open_store\nopen_store({folder!r}).get_record('ab' * 32)"
    )
    found = loaded_by(f"{opened}\nimport sys\nprint(*sys.modules)")
    assert "jupyter_mlpipe.store.store" in found
    shared = {f"jupyter_mlpipe.store.{name}" for name in ("bucket", "mirror", "signing")}
    assert found & {"fsspec", "s3fs", "botocore", "jupyter_core", "platformdirs", *shared} == set()


@pytest.mark.parametrize("layer", ["model", "cells", "keys"])
def test_lower_layers_load_nothing_heavy(layer: str):
    code = (
        f"import importlib, pkgutil, jupyter_mlpipe.{layer} as layer\n"
        "for module in pkgutil.walk_packages(layer.__path__, layer.__name__ + '.'):\n"
        "    importlib.import_module(module.name)"
    )
    assert (loaded_by(code) - loaded_by("pass")) & HEAVY == set()
