"""How values of which types are shown, where code has told IPython so: ``init_printing()`` of SymPy does."""

from __future__ import annotations

import sys
from typing import Any

from jupyter_mlpipe.keys.providers import Changes, Provider, State

# Figures are shown as the front end wants it, plans and reasons as we do, the rest as IPython begins with.
_OTHERS = frozenset({"matplotlib", "jupyter_mlpipe", "IPython"})


def _read(ipython: Any) -> State:
    shell = _shell()
    if shell is None:
        return {}
    return {
        f"{mime} {kind.__module__}.{kind.__qualname__}": (mime, kind, printer)
        for mime, formatter in _formatters(shell).items()
        for kind, printer in formatter.type_printers.items()
        if not {_library(kind), _library(printer)} & _OTHERS
    }


def _write(ipython: Any, changes: Changes) -> None:
    formatters = _formatters(ipython.get_ipython())
    known = _read(ipython)
    for name, value in changes.items():
        if value is not None:
            mime, kind, printer = value
            formatters[mime].for_type(kind, printer)
        elif name in known:
            mime, kind, _ = known[name]
            formatters[mime].pop(kind, None)


def _library(value: Any) -> str:
    return str(getattr(value, "__module__", "")).partition(".")[0]


def _shell() -> Any:
    """Return the shell if there is one: a step makes its own when something asks for it."""
    module = sys.modules.get("IPython.core.interactiveshell")
    return module.InteractiveShell._instance if module is not None else None


def _formatters(shell: Any) -> dict[str, Any]:
    formatter = shell.display_formatter
    return {**formatter.formatters, "": formatter.mimebundle_formatter}


FORMATTERS = Provider("IPython formatters", "IPython", _read, lambda ipython: {}, _write, is_early=True)
