"""Bars of tqdm are progress of the step: the outermost one says how far it has come."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from typing import Any

from jupyter_mlpipe.execution.process.telling import progress
from jupyter_mlpipe.keys.late import AtImport

_MODULE = "tqdm.std"


def follow_bars() -> None:
    """Have the bars of this process tell, once tqdm is loaded."""
    if _MODULE in sys.modules:
        _follow(_MODULE)
    else:
        AtImport((_MODULE,), _follow).install()


def _follow(module: str) -> None:
    bar = sys.modules[module].tqdm
    for name in ("refresh", "close"):
        setattr(bar, name, _telling(getattr(bar, name)))


def _telling(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def tell(self: Any, *arguments: Any, **options: Any) -> Any:
        is_shown = not getattr(self, "disable", True) and getattr(self, "pos", None) == 0
        done = method(self, *arguments, **options)
        if is_shown:
            # Whatever a class of the user's makes of a bar: what counts is the loop.
            with contextlib.suppress(Exception):
                total = f" of {self.total:g}" if self.total else ""
                words = f"{self.desc.rstrip(': ')} " if self.desc else ""
                progress(self.n / self.total if self.total else None, f"{words}{self.n:g}{total}")
        return done

    return tell
