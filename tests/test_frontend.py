"""What the browser runs is built from the sources that lie beside it, small, and shipped."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from importlib.resources import files
from pathlib import Path

from jupyter_mlpipe import __version__

FRONTEND = Path(__file__).parents[1] / "labextension"
BUILD = "cd labextension && npm ci && npm run build"


def built() -> str:
    return (files("jupyter_mlpipe") / "static" / "graph.js").read_text(encoding="utf-8")


def test_what_is_built_belongs_to_the_sources() -> None:
    found = [path for folder in ("src", "schema") for path in (FRONTEND / folder).rglob("*.*")]
    sources = [path.relative_to(FRONTEND).as_posix() for path in found]
    digest = hashlib.sha256()
    for path in sorted(["build.mjs", "package-lock.json", "package.json", "tsconfig.json", *sources]):
        digest.update(f"{path}\0{(FRONTEND / path).read_text(encoding='utf-8')}\0".encode())
    first, _, _ = built().partition("\n")
    assert first == f"// sources {digest.hexdigest()}", f"Build it again: {BUILD}"
    marked = (FRONTEND / "built" / "sources").read_text(encoding="utf-8")
    assert marked == f"{digest.hexdigest()}\n", f"Build it again: {BUILD}"


def test_jupyterlab_finds_the_extension_where_the_package_is_installed() -> None:
    installed = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "jupyter-mlpipe"
    for path in ("package.json", "install.json", "static/style.js"):
        assert (installed / path).is_file()


def test_the_module_is_small_enough_to_be_sent_with_each_notebook() -> None:
    assert len(built().encode()) < 60_000


def test_its_version_is_that_of_the_package() -> None:
    for path in ("package.json", "built/package.json"):
        assert json.loads((FRONTEND / path).read_text(encoding="utf-8"))["version"] == __version__


def test_data_never_becomes_html() -> None:
    for path in (FRONTEND / "src").rglob("*.ts"):
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", path.read_text()
        )
        assert not found, f"{path.name}: make nodes instead"


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (FRONTEND / "package-lock.json").read_text(encoding="utf-8")
