"""``@component``: a function of a module as a component, in function form."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from jupyter_mlpipe.cells.compile import compile_cell
from jupyter_mlpipe.cells.header import parse_header
from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.model.component import Component

Function = TypeVar("Function", bound=Callable[..., Any])

ATTRIBUTE = "__mlpipe_component__"


@overload
def component(function: Function, /) -> Function: ...
@overload
def component(*, outputs: str | Sequence[str] = (), options: str = "") -> Callable[[Function], Function]: ...
def component(function: Any = None, /, *, outputs: str | Sequence[str] = (), options: str = "") -> Any:
    """Make a function a component; it stays an ordinary function when it is called.

    Parameters
    ----------
    outputs
        Names of what it returns; its own name by default.
    options
        As in a cell's header: ``"--cpus 2 --memory 4GB"``.

    Examples
    --------
    >>> @component(outputs="train, test", options="--memory 4GB")
    ... def split(flights, test_share: float = 0.2): ...
    """

    def mark(marked: Function) -> Function:
        setattr(marked, ATTRIBUTE, _compile(marked, outputs, options))
        return marked

    return mark if function is None else mark(function)


def component_of(function: Any) -> Component:
    """Return the component of a decorated function.

    Raises
    ------
    UsageError
        It is not decorated.
    """
    if isinstance(function, Component):
        return function
    found = getattr(function, ATTRIBUTE, None)
    if not isinstance(found, Component):
        name = getattr(function, "__qualname__", repr(function))
        raise UsageError(f"'{name}' is not a component. Put @component on top of the function.")
    return found


def _compile(function: Any, outputs: str | Sequence[str], options: str) -> Component:
    try:
        source, first = inspect.getsourcelines(function)
        filename = inspect.getsourcefile(function) or "<unknown>"
    except (OSError, TypeError) as error:
        raise UsageError(f"The source of {function!r} cannot be found: {error}.") from None
    names = outputs if isinstance(outputs, str) else ", ".join(outputs)
    header = parse_header(f"{function.__name__}{f' -> {names}' if names else ''} {options}")
    body = inspect.cleandoc("\n" + "".join(source)) + "\n"
    tree = ast.parse(body)
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
    # Line numbers stay those of the file: what stands above is blank.
    lines = body.splitlines(keepends=True)
    start = definition.lineno - 1
    body = "\n" * start + "".join(lines[start:])
    text = "".join(linecache.getlines(filename)) or body
    return compile_cell(
        text, header=header, body=body, header_lines=first - 1, title=filename, is_function=True
    )
