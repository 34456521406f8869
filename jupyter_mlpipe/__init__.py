"""Notebook cells as steps of a pipeline: inferred, reused, run on Dask workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_mlpipe.execution.runs.pipeline import Pipeline
    from jupyter_mlpipe.execution.runs.run import Run
    from jupyter_mlpipe.model.files import File, Folder

__version__ = "0.1.0"

__all__ = [
    "File",
    "Folder",
    "Pipeline",
    "Run",
    "__version__",
    "bind",
    "component",
    "current",
    "load_ipython_extension",
    "log_metric",
    "log_metrics",
    "progress",
    "register_codec",
]

_LAZY = {
    "File": ("jupyter_mlpipe.model.files", "File"),
    "Folder": ("jupyter_mlpipe.model.files", "Folder"),
    "Pipeline": ("jupyter_mlpipe.notebook.api", "Pipeline"),
    "Run": ("jupyter_mlpipe.execution.runs.run", "Run"),
    "bind": ("jupyter_mlpipe.notebook.api", "bind"),
    "component": ("jupyter_mlpipe.cells.decorator", "component"),
    "log_metric": ("jupyter_mlpipe.execution.process.telling", "log_metric"),
    "log_metrics": ("jupyter_mlpipe.execution.process.telling", "log_metrics"),
    "progress": ("jupyter_mlpipe.execution.process.telling", "progress"),
    "register_codec": ("jupyter_mlpipe.store.registered", "register_codec"),
    "current": ("jupyter_mlpipe.notebook.api", "current"),
}


def __getattr__(name: str) -> Any:
    # On first use, so that importing the package costs next to nothing.
    if name in _LAZY:
        import importlib

        module, attribute = _LAZY[name]
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(shell: Any) -> None:
    """Add ``%%component``, ``%%parameters`` and ``%pipeline`` to an IPython shell."""
    from jupyter_mlpipe.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics out again."""
    from jupyter_mlpipe.notebook.extension import unload

    unload(shell)
