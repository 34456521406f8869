"""Options of libraries that the notebook has set: printing, styles, error handling.

``pd.set_option``, ``plt.style.use`` and their like change what a cell shows and sometimes what it
computes. What differs from a library's own defaults is part of the key, and is set in the step too.
Libraries are looked at, never imported.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Mapping
from typing import Any

from jupyter_mlpipe.keys.displays import (
    read_displays,
    read_interactivity,
    write_displays,
    write_interactivity,
)

Options = dict[str, dict[str, Any]]

# These say where a figure goes, which the step decides for itself.
_OF_THE_PROCESS = frozenset({"backend", "backend_fallback", "interactive", "toolbar"})
_NUMPY_PRINTS = {
    "edgeitems": 3,
    "threshold": 1000,
    "floatmode": "maxprec",
    "precision": 8,
    "suppress": False,
    "linewidth": 75,
    "nanstr": "nan",
    "infstr": "inf",
    "sign": "-",
    "formatter": None,
    "legacy": False,
}
_NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def read_options(libraries: Collection[str]) -> Options:
    """Return what the notebook has set, by library and option, of those of `libraries` that it has loaded."""
    found: Options = {}
    for library, read in _READERS.items():
        module = sys.modules.get(library)
        if module is not None and library in libraries:
            try:
                changed = read(module)
            except (AttributeError, KeyError):
                continue  # a version that keeps them elsewhere
            if changed:
                found[library] = changed
    return found


def apply_options(options: Mapping[str, Mapping[str, Any]]) -> None:
    """Set options in this process."""
    for library, changed in options.items():
        _WRITERS[library](importlib.import_module(library), dict(changed))


def _read_numpy(numpy: Any) -> dict[str, Any]:
    return {
        **_changed("print.", numpy.get_printoptions(), _NUMPY_PRINTS),
        **_changed("error.", numpy.geterr(), _NUMPY_ERRORS),
    }


def _write_numpy(numpy: Any, changed: dict[str, Any]) -> None:
    numpy.set_printoptions(**_part("print.", changed))
    numpy.seterr(**_part("error.", changed))


def _read_pandas(pandas: Any) -> dict[str, Any]:
    config = pandas._config.config
    changed = {}
    for name, option in config._registered_options.items():
        # Not get_option, which warns about some.
        value = config._global_config
        for part in name.split("."):
            value = value[part]
        if name not in config._deprecated_options and value is not option.defval and value != option.defval:
            changed[name] = value
    return changed


def _write_pandas(pandas: Any, changed: dict[str, Any]) -> None:
    for name, value in changed.items():
        pandas.set_option(name, value)


def _read_matplotlib(matplotlib: Any) -> dict[str, Any]:
    # As items of a plain dict: its own lookup loads a backend.
    before = dict(dict.items(matplotlib.rcParamsOrig))
    return {
        name: value
        for name, value in dict.items(matplotlib.rcParams)
        if name not in _OF_THE_PROCESS and value != before.get(name)
    }


def _write_matplotlib(matplotlib: Any, changed: dict[str, Any]) -> None:
    matplotlib.rcParams.update(changed)


def _read_sklearn(sklearn: Any) -> dict[str, Any]:
    return _changed("", sklearn.get_config(), sklearn._config._global_config)


def _write_sklearn(sklearn: Any, changed: dict[str, Any]) -> None:
    sklearn.set_config(**changed)


def _read_decimal(decimal: Any) -> dict[str, Any]:
    now, usual = decimal.getcontext(), decimal.DefaultContext
    return {
        name: getattr(now, name)
        for name in ("prec", "rounding")
        if getattr(now, name) != getattr(usual, name)
    }


def _write_decimal(decimal: Any, changed: dict[str, Any]) -> None:
    for name, value in changed.items():
        setattr(decimal.getcontext(), name, value)


def _changed(prefix: str, now: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    return {prefix + name: now[name] for name in usual if name in now and now[name] != usual[name]}


def _part(prefix: str, changed: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): v for name, v in changed.items() if name.startswith(prefix)}


_READERS = {
    "numpy": _read_numpy,
    "pandas": _read_pandas,
    "matplotlib": _read_matplotlib,
    "sklearn": _read_sklearn,
    "decimal": _read_decimal,
    "IPython": read_displays,
    "IPython.core.interactiveshell": read_interactivity,
}
_WRITERS = {
    "numpy": _write_numpy,
    "pandas": _write_pandas,
    "matplotlib": _write_matplotlib,
    "sklearn": _write_sklearn,
    "decimal": _write_decimal,
    "IPython": write_displays,
    "IPython.core.interactiveshell": write_interactivity,
}
