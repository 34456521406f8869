"""Figures of plotly and their parts, as they are held.

By their own pickles the properties of a figure come back sorted, which its HTML shows, and arrays as texts
in base64. Plotly is looked at, never imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_mlpipe.keys.imported import imported

Reduced = tuple[Any, ...]


def find_chart(kind: type) -> Callable[[Any], Reduced] | None:
    """Return what reduces the objects of a type of plotly that is pickled as plotly has it."""
    plotly: Any = imported("plotly.basedatatypes")
    if plotly is None:
        return None
    if issubclass(kind, plotly.BaseFigure):
        return _reduce_figure if kind.__reduce__ is plotly.BaseFigure.__reduce__ else None
    if issubclass(kind, plotly.BasePlotlyType):
        return _reduce_part if kind.__reduce__ is plotly.BasePlotlyType.__reduce__ else None
    return None


def _reduce_figure(figure: Any) -> Reduced:
    held = {"data": figure._data, "layout": figure._layout}
    if figure._frame_objs:
        held["frames"] = [frame._props for frame in figure._frame_objs]
    return make_figure, (type(figure), {**held, "_grid_str": figure._grid_str, "_grid_ref": figure._grid_ref})


def _reduce_part(part: Any) -> Reduced:
    return make_part, (type(part), part._props or {})


# Named in pickles: renaming it makes stored artifacts unreadable.
def make_figure(kind: Any, held: dict[str, Any]) -> Any:
    """Make a figure that holds these properties, which it would put in another order."""
    figure = kind(held)
    figure._data, figure._layout = held["data"], held["layout"]
    for frame, props in zip(figure._frame_objs, held.get("frames", ()), strict=True):
        frame._orphan_props = props
    return figure


# Named in pickles: renaming it makes stored artifacts unreadable.
def make_part(kind: Any, props: dict[str, Any]) -> Any:
    """Make a trace, a layout or any part of these, as by itself."""
    part = kind(props)
    part._orphan_props = props
    return part
