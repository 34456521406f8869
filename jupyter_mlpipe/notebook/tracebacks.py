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


def syntax_error(error: SyntaxError) -> MLPipeError:
    """Return a cell's syntax error as IPython shows one, with the line of the cell."""
    lines = [f"  {error.filename}, line {error.lineno}"]
    if error.text:
        text = error.text.rstrip("\n")
        indent = len(text) - len(text.lstrip())
        lines.append(f"    {text.lstrip()}")
        if error.offset:
            lines.append("    " + " " * max(error.offset - 1 - indent, 0) + "^")
    lines.append(f"{_RED}{type(error).__name__}{_PLAIN}: {error.msg}")
    named = type(type(error).__name__, (MLPipeError,), {"_render_traceback_": lambda self: lines})
    raised: MLPipeError = named(str(error))
    return raised
