"""Notebooks as files: plain JSON values, as nbformat 4 has them.

nbformat itself is imported only to save or to convert one: together with its validator that takes
longer than to run a notebook whose steps are all reused.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_mlpipe.app.outline import header_of
from jupyter_mlpipe.errors import MLPipeError, UsageError

Notebook = dict[str, Any]
Cell = dict[str, Any]


def read_notebook(path: Path) -> Notebook:
    """Read a notebook that has components.

    Raises
    ------
    UsageError
        It is not there, is no notebook, or has no component.
    """
    notebook = read_any_notebook(path)
    if not any(header_of(cell["source"]) for cell in code_cells(notebook)):
        raise UsageError(
            f"'{path}' has no component: put %%component NAME on top of a cell, "
            "and %load_ext jupyter_mlpipe in a cell above."
        )
    return notebook


def read_any_notebook(path: Path) -> Notebook:
    """Read a notebook, with or without components.

    Raises
    ------
    UsageError
        It is not there, or is no notebook.
    """
    if not path.is_file():
        raise UsageError(f"There is no notebook '{path}'.")
    try:
        return _parse(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise UsageError(f"'{path}' is not a notebook that can be read: {reason}") from None


def code_cells(notebook: Notebook) -> list[Cell]:
    """Return the cells to run."""
    return [c for c in notebook["cells"] if c["cell_type"] == "code" and c["source"].strip()]


def clear_outputs(notebook: Notebook) -> None:
    """Take out what an earlier run left: what is saved then is of one run."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None


def output_of(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a kernel's message as an output of a cell."""
    if kind == "stream":
        return {"output_type": kind, "name": content["name"], "text": content["text"]}
    if kind == "error":
        return {"output_type": kind} | {part: content[part] for part in ("ename", "evalue", "traceback")}
    output = {"output_type": kind, "data": content["data"], "metadata": content["metadata"]}
    if kind == "execute_result":
        output["execution_count"] = content["execution_count"]
    return output


def save_notebook(notebook: Notebook, target: Path) -> None:
    """Write a notebook, checked and laid out by nbformat.

    Raises
    ------
    MLPipeError
        It cannot be written.
    """
    import nbformat

    text = nbformat.writes(nbformat.from_dict(notebook))
    write_aside(text if text.endswith("\n") else text + "\n", target)


def write_aside(text: str, target: Path) -> None:
    """Write a text aside and rename it: the target may be the file that it was read from.

    Raises
    ------
    MLPipeError
        It cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.")
        aside = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            aside.chmod(_mode(target))
            aside.replace(target)
        except BaseException:
            with suppress(FileNotFoundError):
                aside.unlink()
            raise
    except OSError as error:
        raise MLPipeError(f"--output {target} cannot be written: {error}") from None


def _mode(target: Path) -> int:
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _parse(text: str) -> Notebook:
    notebook = json.loads(text)
    if notebook["nbformat"] != 4:
        import nbformat

        notebook = json.loads(json.dumps(nbformat.reads(text, as_version=4)))
    notebook["metadata"].get("kernelspec")
    for cell in notebook["cells"]:
        if cell["cell_type"] not in ("code", "markdown", "raw"):
            raise ValueError(f"a cell of type {cell['cell_type']!r}")
        cell["source"] = "".join(cell["source"])
        cell["metadata"].get("tags")
    return dict(notebook)
