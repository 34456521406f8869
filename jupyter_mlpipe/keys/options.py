"""Options of libraries: printing, styles, error handling.

``pd.set_option``, ``plt.style.use`` and their like change what a cell shows and sometimes what it
computes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from jupyter_mlpipe.keys.accessors import ACCESSORS
from jupyter_mlpipe.keys.collector import COLLECTOR
from jupyter_mlpipe.keys.colormaps import read_colormaps, write_colormaps
from jupyter_mlpipe.keys.displays import DISPLAYS, FIGURE_FORMATS, INTERACTIVITY
from jupyter_mlpipe.keys.formatters import FORMATTERS, SYMPY
from jupyter_mlpipe.keys.late import AtImport
from jupyter_mlpipe.keys.plots import PLOTS
from jupyter_mlpipe.keys.providers import Changes, Provider, State, differences, nothing

# These say where a figure goes; see `_read_backend`.
_OF_THE_PROCESS = frozenset({"backend", "backend_fallback", "interactive", "toolbar"})
# Those with windows or widgets have nobody to show them in a step, which draws inline then.
_FILE_BACKENDS = frozenset({"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"})
_INLINE = "matplotlib_inline.backend_inline"
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
_NUMPY_USUAL = {
    **{f"print.{name}": value for name, value in _NUMPY_PRINTS.items()},
    **{f"error.{name}": value for name, value in _NUMPY_ERRORS.items()},
    "buffer": 8192,
}
_COLOUR_CODES = "bgrmyck"
_DECIMAL = {
    "prec": 28,
    "rounding": "ROUND_HALF_EVEN",
    "Emin": -999999,
    "Emax": 999999,
    "capitals": 1,
    "clamp": 0,
    "traps": ("DivisionByZero", "InvalidOperation", "Overflow"),
}
_NEW_CONTEXTS = "default."
_POLARS_USUAL = {
    "set_fmt_float": "mixed",
    "set_float_precision": None,
    "set_thousands_separator": "",
    "set_decimal_separator": ".",
    "set_trim_decimal_zeros": False,
}
_TORCH_PRINTS = ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")


def _read_numpy(numpy: Any) -> State:
    prints, errors = numpy.get_printoptions(), numpy.geterr()
    return {
        **{f"print.{name}": prints[name] for name in _NUMPY_PRINTS if name in prints},
        **{f"error.{name}": errors[name] for name in _NUMPY_ERRORS},
        "buffer": numpy.getbufsize(),
    }


def _write_numpy(numpy: Any, changes: Changes) -> None:
    if prints := _part("print.", changes):
        numpy.set_printoptions(**prints)
    if errors := _part("error.", changes):
        numpy.seterr(**errors)
    if "buffer" in changes:
        numpy.setbufsize(changes["buffer"])


def _read_pandas(pandas: Any) -> State:
    config = pandas._config.config
    state = {}
    for name in config._registered_options:
        if name not in config._deprecated_options:
            # Not get_option, which warns about some.
            value = config._global_config
            for part in name.split("."):
                value = value[part]
            state[name] = value
    return state


def _usual_pandas(pandas: Any) -> State:
    return {name: option.defval for name, option in pandas._config.config._registered_options.items()}


def _write_pandas(pandas: Any, changes: Changes) -> None:
    known = pandas._config.config._registered_options
    for name, value in changes.items():
        if name in known:
            pandas.set_option(name, value)


def _read_matplotlib(matplotlib: Any) -> State:
    # As items of a plain dict: its own lookup loads a backend.
    state = {
        name: list(value) if type(value) is list else value
        for name, value in dict.items(matplotlib.rcParams)
        if name not in _OF_THE_PROCESS
    }
    colours = matplotlib.colors.colorConverter.colors
    for code in _COLOUR_CODES:  # seaborn gives them another meaning
        state[f"color {code}"] = colours[code]
    return state


def _usual_matplotlib(matplotlib: Any) -> State:
    # Not as they were when it was loaded: what a `matplotlibrc` says counts, too.
    usual = dict(dict.items(matplotlib.rcParamsDefault))
    colours = matplotlib.colors.BASE_COLORS
    return {**usual, **{f"color {code}": colours[code] for code in _COLOUR_CODES}}


def _write_matplotlib(matplotlib: Any, changes: Changes) -> None:
    matplotlib.rcParams.update({n: value for n, value in changes.items() if not n.startswith("color ")})
    converter = matplotlib.colors.colorConverter
    for code, value in _part("color ", changes).items():
        converter.colors[code] = value
        converter.cache.pop(code, None)
        for key in [key for key in converter.cache if isinstance(key, tuple) and key[0] == code]:
            del converter.cache[key]


def _read_backend(matplotlib: Any) -> State:
    # None of it by `rcParams[...]`, which would choose a backend.
    chosen = dict.get(matplotlib.rcParams, "backend")
    backend = chosen.lower() if isinstance(chosen, str) else ""
    return {
        "backend": backend if backend in _FILE_BACKENDS else "inline",
        "interactive": dict.get(matplotlib.rcParams, "interactive", False),
    }


def _write_backend(matplotlib: Any, changes: Changes) -> None:
    if "backend" in changes:
        matplotlib.use(changes["backend"])
    if "interactive" in changes:
        matplotlib.interactive(changes["interactive"])
        _StaysAsItIs(matplotlib).install()


class _StaysAsItIs(AtImport):
    """Puts interactive mode back, which loading the inline backend turns on.

    Where the notebook has the mode on, it has the backend loaded, and code that turns it off means it.
    """

    def __init__(self, matplotlib: Any) -> None:
        super().__init__([_INLINE], lambda _module: matplotlib.interactive(self._is_interactive))
        self._matplotlib = matplotlib

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self.modules:
            self._is_interactive = self._matplotlib.is_interactive()
        return super().find_spec(fullname, path, target)


def _differ_in_common(before: State, after: State) -> Changes:
    # What is only in one of them (an option that another library registers) has no value to go back to.
    return differences(before, {name: after.get(name, value) for name, value in before.items()})


def _write_sklearn(sklearn: Any, changes: Changes) -> None:
    sklearn.set_config(**changes)


def _read_decimal(decimal: Any) -> State:
    new_ones = _decimal_state(decimal.DefaultContext)
    return {
        **_decimal_state(decimal.getcontext()),
        **{f"{_NEW_CONTEXTS}{name}": value for name, value in new_ones.items()},
    }


def _usual_decimal(decimal: Any) -> State:
    return {**_DECIMAL, **{f"{_NEW_CONTEXTS}{name}": value for name, value in _DECIMAL.items()}}


def _decimal_state(context: Any) -> dict[str, Any]:
    traps = tuple(sorted(signal.__name__ for signal, is_on in context.traps.items() if is_on))
    return {**{name: getattr(context, name) for name in _DECIMAL if name != "traps"}, "traps": traps}


def _write_decimal(decimal: Any, changes: Changes) -> None:
    for name, value in changes.items():
        is_new = name.startswith(_NEW_CONTEXTS)
        context = decimal.DefaultContext if is_new else decimal.getcontext()
        name = name.removeprefix(_NEW_CONTEXTS)
        if name == "traps":
            for signal in context.traps:
                context.traps[signal] = signal.__name__ in value
        else:
            setattr(context, name, value)


def _read_tensorflow(_tensorflow: Any) -> State:
    # Seeds of single operations are drawn from this generator; the public names are those of
    # `tensorflow.random.set_seed`, which calls this module.
    context = sys.modules["tensorflow.python.eager.context"]
    seed = context.global_seed()
    return {} if seed is None else {"seed": (seed, context.context()._rng.getstate())}


def _write_tensorflow(_tensorflow: Any, changes: Changes) -> None:
    context = sys.modules["tensorflow.python.eager.context"]
    if changes["seed"] is None:
        context.set_global_seed(None)
        return
    seed, state = changes["seed"]
    context.set_global_seed(seed)
    context.context()._rng.setstate(state)


def _read_polars(_polars: Any) -> State:
    # All other options are environment variables.
    return {name: read() for name, read in sys.modules["polars.config"]._POLARS_CFG_DIRECT_VARS.items()}


def _write_polars(polars: Any, changes: Changes) -> None:
    for name, value in changes.items():
        getattr(polars.Config, name)(value)


def _read_torch(torch: Any) -> State:
    prints = torch._tensor_str.PRINT_OPTS
    return {
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        **{f"print.{name}": getattr(prints, name) for name in _TORCH_PRINTS},
    }


def _usual_torch(torch: Any) -> State:
    return {
        "dtype": torch.float32,
        "grad": True,
        "deterministic": False,
        "matmul precision": "highest",
        "print.precision": 4,
        "print.threshold": 1000,
        "print.edgeitems": 3,
        "print.linewidth": 80,
        "print.sci_mode": None,
    }


def _write_torch(torch: Any, changes: Changes) -> None:
    setters = {
        "dtype": torch.set_default_dtype,
        "grad": torch.set_grad_enabled,
        "deterministic": torch.use_deterministic_algorithms,
        "matmul precision": torch.set_float32_matmul_precision,
    }
    for name, value in changes.items():
        if name in setters:
            setters[name](value)
    for name, value in _part("print.", changes).items():
        # Not set_printoptions, where None says "as it is".
        setattr(torch._tensor_str.PRINT_OPTS, name, value)


def _part(prefix: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): v for name, v in changes.items() if name.startswith(prefix)}


OF_LIBRARIES = (
    Provider("numpy", "numpy", _read_numpy, lambda numpy: _NUMPY_USUAL, _write_numpy),
    Provider("pandas", "pandas", _read_pandas, _usual_pandas, _write_pandas, _differ_in_common),
    Provider(
        "matplotlib", "matplotlib", _read_matplotlib, _usual_matplotlib, _write_matplotlib, _differ_in_common
    ),
    Provider(
        "matplotlib backend",
        "matplotlib",
        _read_backend,
        lambda matplotlib: {"backend": "inline", "interactive": False},
        _write_backend,
    ),
    Provider("matplotlib colormaps", "matplotlib", read_colormaps, nothing, write_colormaps),
    Provider(
        "sklearn",
        "sklearn",
        lambda sklearn: dict(sklearn.get_config()),
        lambda sklearn: dict(sklearn._config._global_config),
        _write_sklearn,
    ),
    Provider(
        "polars", "polars", _read_polars, lambda polars: _POLARS_USUAL, _write_polars, _differ_in_common
    ),
    Provider("decimal", "decimal", _read_decimal, _usual_decimal, _write_decimal),
    Provider(
        "calendar",
        "calendar",
        lambda calendar: {"first day": calendar.firstweekday()},
        lambda calendar: {"first day": 0},
        lambda calendar, changes: calendar.setfirstweekday(changes["first day"]),
    ),
    Provider("torch", "torch", _read_torch, _usual_torch, _write_torch),
    Provider("tensorflow", "tensorflow", _read_tensorflow, nothing, _write_tensorflow),
    *PLOTS,
    COLLECTOR,
    *ACCESSORS,
    DISPLAYS,
    FIGURE_FORMATS,
    INTERACTIVITY,
    FORMATTERS,
    SYMPY,
)
"""By the name of the library whose options they are."""
