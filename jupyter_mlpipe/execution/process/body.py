"""Running the code of a cell as a kernel would: last expression shown, top-level ``await``, function form."""

from __future__ import annotations

import ast
import inspect
import io
import sys
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from jupyter_mlpipe.execution.process.magic_calls import restore_calls
from jupyter_mlpipe.model.defining import defined_by
from jupyter_mlpipe.model.futures import FUTURES, POSTPONED

UNFINISHED_TASKS = "unfinished tasks"
"""Stands in a record for tasks that had not ended when a step's code had."""


class ReturnedWrongly(Exception):  # noqa: N818 - reported as an output error, never raised to users
    """A function's result cannot be taken apart into the step's outputs."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a cell; `shows`: whether its value is to be shown, `defines`: what its end defines."""

    code: CodeType
    shows: bool = False
    defines: str = ""


class Body:
    """Compiled code of a cell.

    Parameters
    ----------
    title
        The file name that tracebacks carry.
    postponed
        Whether annotations are not evaluated, though the code itself does not say so.

    Raises
    ------
    SyntaxError
    """

    def __init__(self, code: str, title: str, *, postponed: bool = False) -> None:
        try:
            tree = ast.parse(code, title)
        except SyntaxError as error:
            # Its place is in the message; the frames are ours.
            raise error.with_traceback(None) from None
        self._tree = restore_calls(tree, code)
        self._title = title
        self._is_quiet = _ends_quietly(code)
        self.cut_short: tuple[str, ...] = ()
        # Compiled before anything runs: what only the compiler finds is told at once.
        compiled = _compile(self._tree, title, "exec", POSTPONED if postponed else 0)
        self.awaits = bool(compiled.co_flags & inspect.CO_COROUTINE)
        self._futures = compiled.co_flags & FUTURES

    def run(
        self,
        namespace: dict[str, Any],
        show: Callable[[object], None],
        *,
        interactivity: str = "last_expr",
        note_defined: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Run the code in a namespace.

        Parameters
        ----------
        show
            Gets the value of a last expression.
        interactivity
            Which expressions are shown, in the words of IPython's `ast_node_interactivity`.
        note_defined
            Called with the name of a function or class of the top level, right after its statement has run.

        Afterwards `cut_short` has what did not run to its end.
        """
        parts = self._parts(interactivity)
        before, sys.displayhook = sys.displayhook, (_show_nothing if self._is_quiet else show)
        try:
            if any(part.code.co_flags & inspect.CO_COROUTINE for part in parts):
                import asyncio  # with all of its libraries, which few steps need

                asyncio.run(self._run_awaiting(parts, namespace, show, note_defined))
                return
            for part in parts:
                value = eval(part.code, namespace)
                if part.shows:
                    show(value)
                if part.defines:
                    note_defined(part.defines)
        finally:
            if sys.displayhook in (show, _show_nothing):
                sys.displayhook = before

    async def _run_awaiting(
        self,
        parts: Sequence[_Part],
        namespace: dict[str, Any],
        show: Callable[[object], None],
        note_defined: Callable[[str], None],
    ) -> None:
        for part in parts:
            value = eval(part.code, namespace)
            if part.code.co_flags & inspect.CO_COROUTINE:
                value = await value
            if part.shows:
                show(value)
            if part.defines:
                note_defined(part.defines)
        import asyncio

        # In a kernel they would go on; here the loop ends with the cell.
        if asyncio.all_tasks() - {asyncio.current_task()}:
            self.cut_short = (UNFINISHED_TASKS,)

    def _parts(self, interactivity: str) -> list[_Part]:
        """Return pieces of code in order."""
        statements = list(self._tree.body)
        last = statements[-1] if statements else None
        if interactivity == "last_expr_or_assign" and isinstance(
            last, ast.Assign | ast.AnnAssign | ast.AugAssign
        ):
            target = last.targets[0] if isinstance(last, ast.Assign) else last.target
            if isinstance(target, ast.Name):
                last = ast.copy_location(ast.Expr(ast.Name(target.id, ast.Load())), last)
                statements.append(ast.fix_missing_locations(last))
            interactivity = "last_expr"
        if interactivity == "all" or (interactivity == "last" and last is not None):
            n_silent = 0 if interactivity == "all" else len(statements) - 1
            silent, shown = statements[:n_silent], statements[n_silent:]
            single = [_Part(self._compile(ast.Interactive([part]), "single")) for part in shown]
            return [*self._pieces(silent), *single]
        if interactivity == "none" or not isinstance(last, ast.Expr) or self._is_quiet:
            return self._pieces(statements)
        value = _Part(self._compile(ast.Expression(last.value), "eval"), shows=True)
        return [*self._pieces(statements[:-1]), value]

    def _pieces(self, statements: Sequence[ast.stmt]) -> list[_Part]:
        """Return code that ends after each definition, and at the end."""
        parts: list[_Part] = []
        begun: list[ast.stmt] = []
        for statement in statements:
            begun.append(statement)
            if name := defined_by(statement):
                code = self._compile(ast.Module(begun, []), "exec")
                parts.append(_Part(code, defines=name))
                begun = []
        if begun or not parts:
            parts.append(_Part(self._compile(ast.Module(begun, []), "exec")))
        return parts

    def _compile(self, tree: ast.AST, mode: str) -> CodeType:
        return _compile(tree, self._title, mode, self._futures)


def _show_nothing(value: object) -> None:
    """Stand for the display hook in a cell that ends with a semicolon."""


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
        import asyncio

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
