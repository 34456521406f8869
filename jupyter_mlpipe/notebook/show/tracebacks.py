"""How errors look in a notebook: the user's own traceback, or a message, never our frames."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable
from types import TracebackType

from jupyter_mlpipe.errors import MLPipeError, StepError, UnknownNameError
from jupyter_mlpipe.notebook.show.words import without_colours

_UNKNOWN = re.compile(r"name '(\w+)' is not defined")
# IPython shows the first otherwise; two end generators and loops; the last are not made of one text.
_NOT_RAISED = (SyntaxError, StopIteration, StopAsyncIteration, BaseExceptionGroup, UnicodeError)
_UNPICKLED = re.compile(r"Can't get attribute '(\w+)' on <module '__main__'")
_WIDE = re.compile(r"\A(?:-{30,}\n)?(?:\S+ {2,}(?=Traceback \())?")
_RED = "\x1b[31m"
_PLAIN = "\x1b[39m"


def render(error: MLPipeError) -> list[str]:
    """Return the lines that IPython shows for an error."""
    if isinstance(error, StepError) and error.traceback:
        return list(error.traceback)
    return [f"{_RED}{_name_of(error)}{_PLAIN}: {error}"]


def render_narrow(error: MLPipeError) -> str:
    """Return the text of an error for a panel: without the rule above it and the wide first line.

    The name of the error, which is cut from that, stands in the last line as well.
    """
    text = without_colours("\n".join(render(error)))
    return _WIDE.sub("", text, count=1)


def _name_of(error: MLPipeError) -> str:
    if isinstance(error, StepError):
        return error.ename
    # What code would get from Python, had it been run without us.
    return "NameError" if isinstance(error, UnknownNameError) else type(error).__name__


def for_notebook(error: MLPipeError) -> MLPipeError:
    """Return an error that a cell may raise.

    It bears the name of the user's own exception class, so that the cell's reply says
    ``ValueError`` as it would without us, and renders as `render` says. Of Python's own it is one.
    """
    if isinstance(error, StepError):
        bases: tuple[type, ...] = (type(error),)
        kind = getattr(builtins, error.ename, None)
        if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, _NOT_RAISED):
            bases = (type(error), kind)
        members = {"_render_traceback_": _render_in_cell, "__str__": lambda self: self.message}
        named = type(error.ename, bases, members)
        raised: MLPipeError = named(
            error.message,
            step=error.step,
            cell_id=error.cell_id,
            ename=error.ename,
            traceback=error.traceback,
        )
        return raised
    if isinstance(error, UnknownNameError):
        error = type("NameError", (UnknownNameError,), {})(str(error))
    error._render_traceback_ = lambda: _render_in_cell(error)  # type: ignore[attr-defined]
    return error


def _render_in_cell(error: MLPipeError) -> list[str]:
    cut_own_frames(error.__traceback__)
    return render(error)


def as_raised(error: MLPipeError, raised: Exception | None) -> BaseException:
    """Return what a cell raises: the error itself where there is one, shown as its step shows it."""
    if isinstance(error, StepError) and error.ename == "SystemExit":
        return SystemExit(*([error.message] if error.message else []))  # IPython has words of its own on it
    if raised is None or not isinstance(error, StepError) or not _says(raised, error.message):
        return error

    def show() -> list[str]:
        cut_own_frames(raised.__traceback__)
        return render(error)

    raised._render_traceback_ = show  # type: ignore[attr-defined]
    return raised


def _says(error: Exception, message: str) -> bool:
    """Tell whether an error says what it said where it was raised: some do not stand being pickled."""
    try:
        return str(error) == message
    except Exception:  # of the user's own class: it says something else, then
        return False


def cut_own_frames(trace: TracebackType | None, user: TracebackType | None = None) -> None:
    """Take our own frames out of a traceback that a cell has given: `sys.last_traceback`.

    Parameters
    ----------
    user
        Where the user's code begins, if it ran here.
    """
    before = None
    while trace is not None and trace.tb_next is not None:
        if trace.tb_next.tb_frame.f_code.co_name == "run_cell_magic":
            if user is None:
                trace.tb_next = None
            elif before is not None:
                before.tb_next = user
            return
        before, trace = trace, trace.tb_next


def with_hint(error: MLPipeError, word_on: Callable[[str], str]) -> MLPipeError:
    """Return an error of a step's code about a name that it lacks, with a word on it below its traceback.

    Parameters
    ----------
    word_on
        Returns what there is to say about a name.
    """
    if not isinstance(error, StepError) or not error.traceback:
        return error
    word = ""
    if error.ename == "NameError" and (match := _UNKNOWN.match(str(error))):
        word = word_on(match[1])
    elif error.ename == "AttributeError" and (match := _UNPICKLED.match(str(error))):
        word = (
            f"A step has what its code names, and a pickle is no code: write a line {match[1]} above "
            "this one, or put --here behind the component's name."
        )
    return StepError(
        error.message,
        step=error.step,
        cell_id=error.cell_id,
        ename=error.ename,
        traceback=(*error.traceback, word) if word else error.traceback,
    )


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
