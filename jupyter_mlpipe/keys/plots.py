"""How plotly, Altair and xarray show things: themes, renderers, templates of the notebook's own."""

from __future__ import annotations

import copy
import importlib
import sys
from typing import Any

from jupyter_mlpipe.keys.providers import Changes, Provider, State

# Plotly


_THEME, _RENDERER, _TEMPLATE, _EXPRESS = "theme", "renderer", "template ", "express "
_PLOTLY_USUAL: State = {_THEME: "plotly", _RENDERER: None}
_EXPRESS_MODULE = "plotly.express._core"
_PLOTLYS_TEMPLATES = frozenset(
    [
        "ggplot2",
        "seaborn",
        "simple_white",
        "plotly",
        "plotly_white",
        "plotly_dark",
        "presentation",
        "xgridoff",
        "ygridoff",
        "gridon",
        "none",
    ]
)


def _read_plotly(_plotly: Any) -> State:
    # plotly loads either when it is first used.
    themes, shows = sys.modules.get("plotly.io._templates"), sys.modules.get("plotly.io._renderers")
    state = dict(_PLOTLY_USUAL)
    if themes is not None:
        own = [name for name in themes.templates if name not in _PLOTLYS_TEMPLATES]
        state[_THEME] = themes.templates.default
        state |= {_TEMPLATE + name: themes.templates[name].to_plotly_json() for name in own}
    if shows is not None and (renderer := shows.renderers.default) != shows.default_renderer:
        # Which one is usual depends on who shows it: a step's is not the notebook's.
        state[_RENDERER] = renderer
    if (express := sys.modules.get(_EXPRESS_MODULE)) is not None:
        state |= _of_express(express.defaults)
    return state


def _usual_plotly(_plotly: Any) -> State:
    express = sys.modules.get(_EXPRESS_MODULE)
    return {**_PLOTLY_USUAL, **(_of_express(type(express.defaults)()) if express is not None else {})}


def _of_express(defaults: Any) -> State:
    return {_EXPRESS + name: copy.copy(getattr(defaults, name)) for name in type(defaults).__slots__}


def _write_plotly(_plotly: Any, changes: Changes) -> None:
    io: Any = importlib.import_module("plotly.io")
    for name, value in changes.items():
        template = name.partition(_TEMPLATE)[2]
        if template and value is not None:
            io.templates[template] = value
        elif template and template in io.templates:
            del io.templates[template]
        elif default := name.partition(_EXPRESS)[2]:
            setattr(importlib.import_module(_EXPRESS_MODULE).defaults, default, value)
    if _THEME in changes:
        io.templates.default = changes[_THEME]
    if _RENDERER in changes:
        renderers = io.renderers  # which loads the module below
        renderers.default = changes[_RENDERER] or sys.modules["plotly.io._renderers"].default_renderer


# Altair


_ALTAIR_USUAL: State = dict.fromkeys(("data_transformers", "renderers", "theme"), ("default", {}))


def _read_altair(altair: Any) -> State:
    found = {name: getattr(altair, name) for name in _ALTAIR_USUAL if hasattr(altair, name)}
    return {name: (registry.active, dict(registry.options)) for name, registry in found.items()}


def _write_altair(altair: Any, changes: Changes) -> None:
    for name, (active, options) in changes.items():
        registry = getattr(altair, name)
        registry.enable(active, **options)


# xarray


_XARRAY_USUAL: State = {
    "arithmetic_join": "inner",
    "cmap_divergent": "RdBu_r",
    "cmap_sequential": "viridis",
    "display_max_rows": 12,
    "display_style": "html",
    "display_values_threshold": 200,
    "display_width": 80,
    "keep_attrs": "default",
    **{f"display_expand_{part}": "default" for part in ("attrs", "coords", "data", "data_vars", "indexes")},
}


def _read_xarray(_xarray: Any) -> State:
    found = sys.modules["xarray.core.options"].OPTIONS
    return {name: found[name] for name in _XARRAY_USUAL if name in found}


def _write_xarray(xarray: Any, changes: Changes) -> None:
    xarray.set_options(**changes)


PLOTS = (
    Provider("plotly", "plotly", _read_plotly, _usual_plotly, _write_plotly),
    Provider("altair", "altair", _read_altair, lambda altair: _ALTAIR_USUAL, _write_altair),
    Provider("xarray", "xarray", _read_xarray, lambda xarray: _XARRAY_USUAL, _write_xarray),
)
"""Their options, beside those in `options`."""
