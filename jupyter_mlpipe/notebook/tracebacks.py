"""How errors look in a notebook: the user's own traceback, or a message, never our frames."""

from __future__ import annotations

from jupyter_mlpipe.errors import MLPipeError, StepError

_RED = "\x1b[31m"
_PLAIN = "\x1b[39m"


def render(error: MLPipeError) -> list[str]:
    """Return the lines that IPython shows for an error."""
    if isinstance(error, StepError) and error.traceback:
        return list(error.traceback)
    name = error.ename if isinstance(error, StepError) else type(error).__name__
    return [f"{_RED}{name}{_PLAIN}: {error}"]


def for_notebook(error: MLPipeError) -> MLPipeError:
    """Return an error that a cell may raise.

    It bears the name of the user's own exception class, so that the cell's reply says
    ``ValueError`` as it would without us, and renders as `render` says.
    """
    if isinstance(error, StepError):
        named = type(error.ename, (type(error),), {"_render_traceback_": render})
        raised: MLPipeError = named(
            error.message,
            step=error.step,
            cell_id=error.cell_id,
            ename=error.ename,
            traceback=error.traceback,
        )
        return raised
    error._render_traceback_ = lambda: render(error)  # type: ignore[attr-defined]
    return error
