"""Running the code of a cell as a kernel would: last expression shown, top-level ``await``, function form."""

from __future__ import annotations
import __future__

import ast
import asyncio
import inspect
import io
import tokenize
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

_FUTURES = 0
for _feature in __future__.all_feature_names:
    _FUTURES |= getattr(__future__, _feature).compiler_flag


class ReturnedWrongly(Exception):  # noqa: N818 - reported as an output error, never raised to users
    """A function's result cannot be taken apart into the step's outputs."""


class Body:
    """Compiled code of a cell.

    Parameters
    ----------
    title
        The file name that tracebacks carry.

    Raises
    ------
    SyntaxError
    """

    def __init__(self, code: str, title: str) -> None:
        try:
            tree = ast.parse(code, title)
        except SyntaxError as error:
            # Its place is in the message; the frames are ours.
            raise error.with_traceback(None) from None
        last: ast.expr | None = None
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not _ends_quietly(code):
            statement = tree.body.pop()
            assert isinstance(statement, ast.Expr)
            last = statement.value
        self._statements = _compile(tree, title, "exec")
        self._last: CodeType | None = None
        if last is not None:
            flags = self._statements.co_flags & _FUTURES
            self._last = _compile(ast.Expression(last), title, "eval", flags)

    def run(self, namespace: dict[str, Any], show: Callable[[object], None]) -> None:
        """Run the code in a namespace; `show` gets the value of a last expression."""
        parts = [code for code in (self._statements, self._last) if code is not None]
        if any(code.co_flags & inspect.CO_COROUTINE for code in parts):
            asyncio.run(self._run_awaiting(namespace, show))
            return
        exec(self._statements, namespace)
        if self._last is not None:
            show(eval(self._last, namespace))

    async def _run_awaiting(self, namespace: dict[str, Any], show: Callable[[object], None]) -> None:
        for code in (self._statements, self._last):
            if code is None:
                continue
            value = eval(code, namespace)
            if code.co_flags & inspect.CO_COROUTINE:
                value = await value
            if code is self._last:
                show(value)


def call_function(function: Callable[..., Any], values: Mapping[str, object]) -> Any:
    """Call the function of a cell in function form with those of `values` that it takes."""
    signature = inspect.signature(function)
    positional: list[object] = []
    named: dict[str, object] = {}
    for name, parameter in signature.parameters.items():
        if name not in values:
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(values[name])
        elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            named[name] = values[name]
    result = function(*positional, **named)
    if inspect.iscoroutine(result):
        return asyncio.run(_await(result))
    return result


async def _await(awaitable: Any) -> Any:
    return await awaitable


def unpack_result(result: Any, outputs: tuple[str, ...]) -> dict[str, Any]:
    """Return a function's result by output name.

    Raises
    ------
    ReturnedWrongly
        Says what was returned and what was expected.
    """
    if not outputs:
        return {}
    if len(outputs) == 1:
        return {outputs[0]: result}
    names = ", ".join(outputs)
    if isinstance(result, dict):
        if set(result) == set(outputs):
            return result
        raise ReturnedWrongly(
            f"returned a dict with the keys {sorted(map(str, result))}; its outputs are {names}"
        )
    if isinstance(result, (tuple, list)):
        if len(result) == len(outputs):
            return dict(zip(outputs, result, strict=True))
        raise ReturnedWrongly(
            f"returned a {type(result).__name__} of {len(result)} values; its outputs are {names}"
        )
    raise ReturnedWrongly(
        f"returned a {type(result).__name__}; for its outputs {names} it must be a tuple of {len(outputs)}"
    )


def _compile(tree: ast.AST, title: str, mode: str, flags: int = 0) -> CodeType:
    code: CodeType = compile(  # type: ignore[call-overload]
        tree, title, mode, flags=flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    return code


def _ends_quietly(code: str) -> bool:
    """Tell whether the last expression is followed by a semicolon, which hides its value."""
    if ";" not in code:
        return False
    last = ""
    ignored = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.ENDMARKER,
        tokenize.DEDENT,
        tokenize.INDENT,
    )
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type not in ignored:
            last = token.string
    return last == ";"
