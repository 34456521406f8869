"""Whether JupyterLab finds our extension, as it is started from the environment of this command."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_path

from jupyter_mlpipe import __version__
from jupyter_mlpipe.model.checkup import Finding

_NAME = "jupyter-mlpipe"
_REINSTALL = f"{sys.executable} -m pip install --force-reinstall --no-deps jupyter-mlpipe=={__version__}"
_WITHOUT = "steps work, without badges and commands on cells"


def check_frontend() -> Finding:
    """Say whether JupyterLab is here, and has our extension installed, enabled and of our version."""
    try:
        lab = version("jupyterlab")
    except PackageNotFoundError:
        found = f"JupyterLab is not installed with {sys.executable}: the one that you use may be elsewhere"
        return Finding("JupyterLab", "note", found, "Run this command with the Python that starts it.")
    folder = _folder()
    if folder is None:
        found = f"JupyterLab {lab} does not find our extension: {_WITHOUT}"
        return Finding("JupyterLab", "wrong", found, _REINSTALL)
    installed = _read(folder / "package.json").get("version", "of an unknown version")
    if installed != __version__:
        found = f"the extension in {folder} is {installed}, and jupyter-mlpipe is {__version__}"
        return Finding("JupyterLab", "wrong", found, f"{_REINSTALL}, then reload the page")
    if _is_disabled():
        found = f"the extension is disabled: {_WITHOUT}"
        return Finding("JupyterLab", "note", found, f"jupyter labextension enable {_NAME}")
    return Finding("JupyterLab", "ok", f"{lab}, with extension {installed}, enabled")


def _folder() -> Path | None:
    """Return where JupyterLab finds the extension first."""
    for place in jupyter_path("labextensions"):
        folder = Path(place, _NAME)
        if (folder / "package.json").is_file():
            return folder
    return None


def _is_disabled() -> bool:
    from jupyterlab.commands import get_app_dir
    from jupyterlab_server.config import get_page_config

    # Takes the paths as the server does; what an administrator has set for all users counts too.
    settings = get_page_config(jupyter_path("labextensions"), str(Path(get_app_dir(), "settings")))
    disabled = settings.get("disabledExtensions", [])
    return any(each == _NAME or each.startswith(f"{_NAME}:") for each in disabled)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
