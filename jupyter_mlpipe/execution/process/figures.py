"""Figures that were made elsewhere are shown as pictures: where none was made yet, nothing knows how."""

from __future__ import annotations

import importlib
import sys
from typing import Any

INLINE_BACKEND = "module://matplotlib_inline.backend_inline"
_BACKEND_MODULE = "matplotlib_inline.backend_inline"
OPEN_FIGURES = "open figures"
"""Stands in a record for figures that a step left open, which pyplot knows in that process alone."""


def make_figures_showable(shell: Any) -> None:
    """Have IPython learn how to draw figures when it is first asked for one.

    Matplotlib tells it when pyplot makes a figure. One that came out of a store was made in another process.
    """
    # Asked before all formats, whichever of them are chosen.
    formatter = shell.display_formatter.mimebundle_formatter
    formatter.for_type_by_name("matplotlib.figure", "Figure", _prepare)


def left_open() -> tuple[str, ...]:
    """Return `OPEN_FIGURES` where pyplot has figures, as with backends that close none after showing it."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return (OPEN_FIGURES,) if helpers is not None and helpers.Gcf.figs else ()


def _prepare(figure: Any) -> None:
    # A figure without a number was made without pyplot: a kernel shows it as text.
    if _BACKEND_MODULE in sys.modules or getattr(figure, "number", None) is None:
        return
    chosen = dict.get(sys.modules["matplotlib"].rcParams, "backend")
    if chosen in ("inline", INLINE_BACKEND):
        importlib.import_module("matplotlib.pyplot").switch_backend(chosen)
