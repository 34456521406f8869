"""How values of which types are shown, where code has told IPython so: ``init_printing()`` of SymPy does."""

from __future__ import annotations

import sys
from typing import Any

from jupyter_mlpipe.keys.providers import Changes, Provider, State, nothing

# Figures are shown as the front end wants it, plans and reasons as we do, the rest as IPython begins with.
# What Colab adds (google.colab) is for its page: buttons that ask for the value in the kernel.
_OTHERS = frozenset({"matplotlib", "jupyter_mlpipe", "IPython", "google"})


def _read(ipython: Any) -> State:
    shell = _shell()
    if shell is None:
        return {}
    formatters = _formatters(shell)
    added = {mime: (mime, type(f)) for mime, f in formatters.items() if _library(type(f)) not in _OTHERS}
    return added | {
        f"{mime} {kind.__module__}.{kind.__qualname__}": (mime, kind, printer)
        for mime, formatter in formatters.items()
        for kind, printer in formatter.type_printers.items()
        if not {_library(kind), _library(printer)} & _OTHERS
    }


def _write(ipython: Any, changes: Changes) -> None:
    shell = ipython.get_ipython()
    known = _read(ipython)
    for name, value in sorted(changes.items()):  # a formatter before what it is told of types
        if value is None and name not in known:
            continue
        mime, kind, *printer = value or known[name]
        if not printer:
            shell.display_formatter.formatters.pop(mime, None)
            if value is not None:
                shell.display_formatter.formatters[mime] = kind(parent=shell.display_formatter)
        elif (formatter := _formatters(shell).get(mime)) is not None:
            formatter.pop(kind, None)
            if value is not None:
                formatter.for_type(kind, *printer)


def _library(value: Any) -> str:
    return str(getattr(value, "__module__", "")).partition(".")[0]


def _shell() -> Any:
    """Return the shell if there is one: a step makes its own when something asks for it."""
    module = sys.modules.get("IPython.core.interactiveshell")
    return module.InteractiveShell._instance if module is not None else None


def _formatters(shell: Any) -> dict[str, Any]:
    formatter = shell.display_formatter
    return {**formatter.formatters, "": formatter.mimebundle_formatter}


# SymPy puts the printers of its own values on their class, too.

_DISABLED, _OWN = "disabled", "own"
_SYMPY_USUAL = {"_repr_png_": _DISABLED, "_repr_svg_": _DISABLED, "_repr_latex_": _OWN}


def _read_sympy(_sympy: Any) -> State:
    printable = sys.modules["sympy.core._print_helpers"].Printable
    found = {name: vars(printable)[name] for name in _SYMPY_USUAL}
    kinds = {printable._repr_disabled: _DISABLED}
    of_class = {name: _OWN for name, printer in found.items() if printer.__module__ == printable.__module__}
    return {name: kinds.get(printer) or of_class.get(name, printer) for name, printer in found.items()}


def _write_sympy(_sympy: Any, changes: Changes) -> None:
    printable = sys.modules["sympy.core._print_helpers"].Printable
    for name, printer in changes.items():
        if printer != _OWN:  # which nothing puts back
            setattr(printable, name, printable._repr_disabled if printer == _DISABLED else printer)


SYMPY = Provider("sympy printing", "sympy", _read_sympy, lambda sympy: _SYMPY_USUAL, _write_sympy)
FORMATTERS = Provider("IPython formatters", "IPython", _read, nothing, _write, is_early=True)
