"""How IPython shows things, as the notebook has set it: figures, numbers, which expressions."""

from __future__ import annotations

import sys
from typing import Any

_INLINE = {
    "figure_formats": {"png"},
    "close_figures": True,
    "print_figure_kwargs": {"bbox_inches": "tight"},
    "rc": {},
}
_TEXT = {"float_format": "%r", "pprint": True, "max_width": 79, "max_seq_length": 1000, "verbose": False}
_EXPRESSIONS = {"ast_node_interactivity": "last_expr"}


def read_displays(ipython: Any) -> dict[str, Any]:
    """Return what differs from IPython's own ways; nothing where there is no shell."""
    shell = ipython.get_ipython()
    if shell is None:
        return {}
    found = _changed("text.", shell.display_formatter.formatters["text/plain"], _TEXT)
    inline = sys.modules.get("matplotlib_inline.config")
    if inline is not None and inline.InlineBackend.initialized():
        found |= _changed("inline.", inline.InlineBackend.instance(), _INLINE)
    return found


def write_displays(ipython: Any, changed: dict[str, Any]) -> None:
    """Set what `read_displays` gave in the shell of this process."""
    shell = ipython.get_ipython()
    text = shell.display_formatter.formatters["text/plain"]
    for name, value in changed.items():
        kind, _, option = name.partition(".")
        if kind == "text" and option == "float_format":
            # Its trait is derived: the precision is what people set.
            text.float_precision = value
        elif kind == "text":
            setattr(text, option, value)
        else:
            _set_inline(shell, option, value)


def read_interactivity(interactiveshell: Any) -> dict[str, Any]:
    """Return which expressions of a cell are shown, where it is not the last alone."""
    shell_class = interactiveshell.InteractiveShell
    if not shell_class.initialized():
        return {}
    return _changed("", shell_class.instance(), _EXPRESSIONS)


def write_interactivity(interactiveshell: Any, changed: dict[str, Any]) -> None:
    """Set what `read_interactivity` gave."""
    for name, value in changed.items():
        setattr(interactiveshell.InteractiveShell.instance(), name, value)


def _set_inline(shell: Any, option: str, value: Any) -> None:
    from matplotlib_inline.config import InlineBackend

    backend = InlineBackend.instance(parent=shell)
    backend.shell = shell
    setattr(backend, option, value)


def _changed(prefix: str, holder: Any, usual: dict[str, Any]) -> dict[str, Any]:
    now = {name: getattr(holder, name) for name in usual if hasattr(holder, name)}
    return {prefix + name: _plain(now[name]) for name in now if now[name] != usual[name]}


def _plain(value: Any) -> Any:
    return set(value) if isinstance(value, set) else dict(value) if isinstance(value, dict) else value
