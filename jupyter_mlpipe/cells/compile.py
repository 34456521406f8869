"""From the text of a cell to a component, its declared signature checked against its code."""

from __future__ import annotations

import ast
from collections.abc import Container
from dataclasses import replace

from jupyter_mlpipe.cells.function_form import compile_function_form, find_function
from jupyter_mlpipe.cells.header import Header, defaults_of
from jupyter_mlpipe.cells.names import Names, analyse, analyse_tree, parse_cell
from jupyter_mlpipe.cells.source import split_lines
from jupyter_mlpipe.errors import ContractError, close_matches
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.futures import POSTPONED, futures_of, has_annotations

__all__ = ["check_changes", "compile_cell", "drop_defaults", "first_line"]

# Whoever calls one of these can bind names that its text does not show.
_BINDS_UNSEEN = frozenset({"exec", "globals", "locals", "vars", "get_ipython"})

_SHOWS = frozenset(
    {"get_ipython", "display", "show", "plt", "pyplot", "pylab", "matplotlib", "plot", "hist", "boxplot"}
    | {"scatter", "imshow", "subplots", "figure", "sns", "seaborn", "plotly", "alt", "altair", "tqdm"}
)


def compile_cell(
    cell: str,
    *,
    header: Header,
    body: str,
    header_lines: int = 1,
    cell_id: str | None = None,
    title: str = "",
    is_function: bool = False,
    postponed: bool = False,
) -> Component:
    """Make a component of a cell.

    Parameters
    ----------
    cell
        The cell as typed, header included.
    body
        Plain Python of the lines behind the header.
    header_lines
        Lines of the cell before the body: lines of errors and tracebacks are those of the cell.
    is_function
        Its one function is the component, whatever the header says.
    postponed
        Earlier cells have had Python not evaluate annotations.

    Raises
    ------
    SyntaxError
        The body is no Python; the file name is `title`.
    ContractError
        The declared signature and the code disagree.
    """
    code = "\n" * header_lines + body
    tree = parse_cell(code, filename=title or f"<component {header.name}>")
    # Without a word on its interface, a cell that defines a function defines it, as any cell does.
    declares = header.inputs_declared or header.outputs_declared
    function = find_function(tree) if declares or is_function else None
    names = analyse_tree(tree, code, called=[function.name] if function else [], postponed=postponed)
    component = Component(
        name=header.name,
        cell=cell,
        code=code,
        reads=names.all_reads,
        inputs=header.inputs,
        outputs=header.outputs if header.outputs_declared else _infer_outputs(names),
        inputs_declared=header.inputs_declared,
        outputs_declared=header.outputs_declared,
        changes=names.changes,
        may_change=names.may_change,
        may_read=names.may_read,
        deletes=names.deletes,
        definitions=names.definitions,
        star_imports=names.star_imports,
        shows=names.last_is_expression or not _SHOWS.isdisjoint(_words_of(tree)),
        postponed=(postponed or bool(futures_of(tree) & POSTPONED)) and has_annotations(tree),
        options=header.options,
        cell_id=cell_id,
        title=title,
    )
    if function is not None:
        return compile_function_form(component, header, function)
    _check_outputs(component, names)
    if component.inputs_declared:
        check_changes(component, {declared.name for declared in component.inputs})
    return component


def check_changes(component: Component, inputs: Container[str]) -> None:
    """Refuse a change in place of an input that the declared outputs do not name.

    Parameters
    ----------
    inputs
        Names that hold data. Only who knows the namespace can tell them from modules
        (``plt.rcParams["figure.dpi"] = 100``), where the inputs are not declared.

    Raises
    ------
    ContractError
        Names the line and what to write.
    """
    if not component.outputs_declared:
        return
    for name in component.changes:
        if name in inputs and name not in component.outputs:
            line = analyse(component.code, called=_called(component)).change_lines[name]
            outputs = ", ".join([name, *component.outputs])
            raise ContractError(
                f"Component '{component.name}' changes its input '{name}' in place (line {line}) "
                f"but does not declare it as an output: write '-> {outputs}', or work on a copy of it.",
                word=name,
                line=line,
            )


def first_line(component: Component, name: str) -> int | None:
    """Return the line of the cell on which a component first reads a name; None if it does not."""
    return analyse(component.code, called=_called(component)).lines.get(name)


def drop_defaults(component: Component, inputs: Container[str]) -> Component:
    """Return a component in function form without the defaults of some inputs.

    ``def fit(df=load.df)`` names a producer, not a value: the step must not evaluate it. The lines
    of the code stay where they are.
    """
    tree = parse_cell(component.code)
    function = find_function(tree)
    if function is None:
        return component
    spans = [
        (default.lineno, default.col_offset, default.end_lineno, default.end_col_offset)
        for argument, default in defaults_of(function.args)
        if default is not None and argument.arg in inputs
    ]
    lines = split_lines(component.code)
    for first, start, last, end in sorted(spans, reverse=True):
        assert last is not None
        tail = lines[last - 1].encode()[end:].decode()
        lines[first - 1] = lines[first - 1].encode()[:start].decode() + "None"
        for between in range(first, last):
            lines[between] = ""
        # An open bracket of the signature lets the rest stand on its own line.
        lines[last - 1] += tail
    code = "\n".join(lines)
    names = analyse(code, called=[function.name])
    kept = set(names.all_reads)
    return replace(
        component,
        code=code,
        reads=tuple(name for name in component.reads if name in kept),
        may_read=tuple(name for name in component.may_read if name in kept),
    )


def _called(component: Component) -> list[str]:
    return [component.function] if component.function else []


def _infer_outputs(names: Names) -> tuple[str, ...]:
    """Return the values that the cell binds, and the names whose objects it changes or may change."""
    defined = {definition.name for definition in names.definitions}
    candidates = dict.fromkeys([*names.binds, *names.changes, *names.may_change])
    return tuple(name for name in candidates if name not in defined and not name.startswith("_"))


def _check_outputs(component: Component, names: Names) -> None:
    """Refuse a declared output that the code neither binds nor, as an input, can have changed."""
    if not component.outputs_declared or names.star_imports or _BINDS_UNSEEN & set(names.all_reads):
        return
    # A helper may change what the cell reads, which `-> df` then says.
    known = {*names.binds, *names.all_reads, *names.changes}
    for output in component.outputs:
        if output in names.deletes:
            raise ContractError(
                f"Declared output '{output}' of component '{component.name}' is deleted by its cell. "
                f"Leave out 'del {output}', or take it from the outputs.",
                word=output,
            )
        if output not in known:
            bound = ", ".join(f"'{name}'" for name in names.binds) or "nothing"
            raise ContractError(
                f"Declared output '{output}' of component '{component.name}' is never bound; "
                f"the cell binds: {bound}.{close_matches(output, names.binds)} "
                "Bind it, or correct the names behind '->'.",
                word=output,
            )


def _words_of(tree: ast.Module) -> set[str]:
    """Return the names, attributes and parts of imported modules that the code mentions."""
    words: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.alias):
            words.update(node.name.split("."))
        elif isinstance(node, ast.ImportFrom) and node.module:
            words.update(node.module.split("."))
    return words
