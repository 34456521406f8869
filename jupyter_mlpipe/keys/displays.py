"""How IPython shows things, as the notebook has set it: figures, numbers, which expressions."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from typing import Any

from jupyter_mlpipe.keys.providers import Changes, Provider, State

_INLINE = {
    "close_figures": True,
    "print_figure_kwargs": {"bbox_inches": "tight"},
    "rc": {},
}
_TEXT = {"float_format": "%r", "pprint": True, "max_width": 79, "max_seq_length": 1000, "verbose": False}
_FORMATS = {"formats": {"png"}}
_OTHER_NAMES = {"png2x": "retina", "jpeg": "jpg"}
_OF_FIGURES = ("image/png", "image/jpeg", "image/svg+xml", "application/pdf")
_EXPRESSIONS = {"ast_node_interactivity": "last_expr"}


def _read_displays(ipython: Any) -> State:
    shell = ipython.get_ipython()
    if shell is None:
        return _usual_displays(ipython)
    found = {
        **_usual_displays(ipython),
        **_state("text.", shell.display_formatter.formatters["text/plain"], _TEXT),
    }
    inline = sys.modules.get("matplotlib_inline.config")
    if inline is not None and inline.InlineBackend.initialized():
        found |= _state("inline.", inline.InlineBackend.instance(), _INLINE)
    return found


def _usual_displays(ipython: Any) -> State:
    usual = (("text.", _TEXT), ("inline.", _INLINE))
    return {prefix + name: value for prefix, part in usual for name, value in part.items()}


def _write_displays(ipython: Any, changes: Changes) -> None:
    shell = ipython.get_ipython()
    text = shell.display_formatter.formatters["text/plain"]
    for name, value in changes.items():
        kind, _, option = name.partition(".")
        if kind == "text" and option == "float_format":
            # Its trait is derived: the precision is what people set.
            text.float_precision = value
        elif kind == "text":
            setattr(text, option, value)
        else:
            _set_inline(shell, option, value)


def _read_formats(_ipython: Any) -> State:
    shell = _shell_there()
    if shell is None:
        return _FORMATS
    if found := _formats_registered(shell):
        return {"formats": found}
    inline = sys.modules.get("matplotlib_inline.config")
    if inline is not None and inline.InlineBackend.initialized():
        return {"formats": _named(inline.InlineBackend.instance().figure_formats)}
    # `%config` before figures are first used: for whom it may concern.
    section = shell.config.get("InlineBackend", {})
    found = section.get("figure_formats") or {section.get("figure_format") or "png"}
    return {"formats": _named(found)}


def _named(formats: Iterable[str]) -> set[str]:
    return {_OTHER_NAMES.get(name, name) for name in formats}


def _formats_registered(shell: Any) -> set[str]:
    """Return what figures are shown as; `set_matplotlib_formats` changes this, and no option."""
    figure = getattr(sys.modules.get("matplotlib.figure"), "Figure", None)
    found = set()
    for kind in _OF_FIGURES:
        printer = shell.display_formatter.formatters[kind].type_printers.get(figure)
        if isinstance(printer, functools.partial):
            is_retina = "retina" in getattr(printer.func, "__name__", "")
            found.add("retina" if is_retina else printer.keywords.get("fmt", "png"))
    return found


def _write_formats(ipython: Any, changes: Changes) -> None:
    if formats := changes["formats"]:
        shell = ipython.get_ipython()
        _set_inline(shell, "figure_formats", formats)
        if _formats_registered(shell) not in (formats, set()):
            select: Any = sys.modules["IPython.core.pylabtools"].select_figure_formats  # it made those
            select(shell, formats, **_inline(shell).print_figure_kwargs)


def _read_interactivity(_ipython: Any) -> State:
    holder = _shell_there() or _shells()  # people set it on the class
    found = {name: getattr(holder, name, None) for name in _EXPRESSIONS}
    return _EXPRESSIONS | {name: value for name, value in found.items() if isinstance(value, str)}


def _write_interactivity(ipython: Any, changes: Changes) -> None:
    for name, value in changes.items():
        setattr(ipython.get_ipython(), name, value)


def _shells() -> Any:
    return getattr(sys.modules.get("IPython.core.interactiveshell"), "InteractiveShell", None)


def _shell_there() -> Any:
    # Not `get_ipython`, which makes the shell of a step, and that takes longer than most steps do.
    return getattr(_shells(), "_instance", None)


def _set_inline(shell: Any, option: str, value: Any) -> None:
    setattr(_inline(shell), option, value)


def _inline(shell: Any) -> Any:
    from matplotlib_inline.config import InlineBackend

    backend = InlineBackend.instance(parent=shell)
    backend.shell = shell
    return backend


def _state(prefix: str, holder: Any, usual: State) -> State:
    return {prefix + name: _plain(getattr(holder, name)) for name in usual if hasattr(holder, name)}


def _plain(value: Any) -> Any:
    return set(value) if isinstance(value, set) else dict(value) if isinstance(value, dict) else value


# The step's shell is its own: magics that set these in a cell are run in the notebook itself.
DISPLAYS = Provider(
    "IPython", "IPython", _read_displays, _usual_displays, _write_displays, travels_back=False, is_early=True
)
FIGURE_FORMATS = Provider(
    "formats of figures",
    "IPython",
    _read_formats,
    lambda ipython: _FORMATS,
    _write_formats,
    is_early=True,
)
INTERACTIVITY = Provider(
    "IPython expressions",
    "IPython",
    _read_interactivity,
    lambda ipython: _EXPRESSIONS,
    _write_interactivity,
    is_early=True,
)
