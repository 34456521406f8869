"""Figures that steps log, and how far they say they have come: as JSON, and as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from jupyter_mlpipe.model.status import shorten

Number = int | float


def number_to_json(value: Number) -> Number | str:
    """Return a number as JSON has it, which knows neither NaN nor infinity."""
    return value if math.isfinite(value) else repr(float(value))


def numbers_to_json(values: Mapping[str, Number]) -> dict[str, Number | str]:
    return {name: number_to_json(value) for name, value in values.items()}


def numbers_from_json(values: Mapping[str, Number | str]) -> dict[str, Number]:
    """Read back what `numbers_to_json` gave."""
    return {name: float(value) if isinstance(value, str) else value for name, value in values.items()}


def curves_to_json(curves: Mapping[str, Iterable[tuple[int, Number]]]) -> dict[str, list[list[Number | str]]]:
    return {name: [[step, number_to_json(value)] for step, value in curve] for name, curve in curves.items()}


def describe_metrics(metrics: Mapping[str, Number]) -> str:
    """Return metrics as people read them: ``auc 0.91, loss 0.3``."""
    return shorten([f"{name} {value:.6g}" for name, value in metrics.items()], limit=6)


def describe_progress(fraction: float | None, text: str) -> str:
    """Return how far a step has come as people read it: ``40 %, epoch 4 of 10``."""
    share = "" if fraction is None else f"{100 * fraction:.0f} %"
    return ", ".join(part for part in (share, text) if part)
