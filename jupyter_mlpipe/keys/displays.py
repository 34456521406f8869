"""How IPython shows things, as the notebook has set it: figures, numbers, which expressions."""

from __future__ import annotations

import sys
from typing import Any

from jupyter_mlpipe.keys.providers import Changes, Provider, State

_INLINE = {
    "figure_formats": {"png"},
    "close_figures": True,
    "print_figure_kwargs": {"bbox_inches": "tight"},
    "rc": {},
}
_TEXT = {"float_format": "%r", "pprint": True, "max_width": 79, "max_seq_length": 1000, "verbose": False}
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


def _read_interactivity(_ipython: Any) -> State:
    # Not `get_ipython`, which makes the shell of a step, and that takes longer than most steps do.
    shells = getattr(sys.modules.get("IPython.core.interactiveshell"), "InteractiveShell", None)
    holder = getattr(shells, "_instance", None) or shells  # people set it on the class
    found = {name: getattr(holder, name, None) for name in _EXPRESSIONS}
    return _EXPRESSIONS | {name: value for name, value in found.items() if isinstance(value, str)}


def _write_interactivity(ipython: Any, changes: Changes) -> None:
    for name, value in changes.items():
        setattr(ipython.get_ipython(), name, value)


def _set_inline(shell: Any, option: str, value: Any) -> None:
    from matplotlib_inline.config import InlineBackend

    backend = InlineBackend.instance(parent=shell)
    backend.shell = shell
    setattr(backend, option, value)


def _state(prefix: str, holder: Any, usual: State) -> State:
    return {prefix + name: _plain(getattr(holder, name)) for name in usual if hasattr(holder, name)}


def _plain(value: Any) -> Any:
    return set(value) if isinstance(value, set) else dict(value) if isinstance(value, dict) else value


# The step's shell is its own: magics that set these in a cell are run in the notebook itself.
DISPLAYS = Provider(
    "IPython", "IPython", _read_displays, _usual_displays, _write_displays, travels_back=False, is_early=True
)
INTERACTIVITY = Provider(
    "IPython expressions",
    "IPython",
    _read_interactivity,
    lambda ipython: _EXPRESSIONS,
    _write_interactivity,
    is_early=True,
)
