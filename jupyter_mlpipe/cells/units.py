"""Sizes, durations and counts as people type them. Says which units there are when one does not fit."""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SIZE = re.compile(rf"({_NUMBER.pattern})\s*([A-Za-z]*)", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]+)\s*", re.ASCII)

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SIZE_UNITS = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for letter, power in _POWERS.items() if letter},
    **{letter: 1000**power for letter, power in _POWERS.items() if letter},
    **{f"{letter}ib": 1024**power for letter, power in _POWERS.items() if letter},
}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

SIZE_FORM = "a size such as 4GB or 512MiB (units: B, kB, MB, GB, TB, PB, or KiB, MiB, GiB, TiB, PiB)"
DURATION_FORM = "a duration such as 30m, 1h30m or 90s (units: ms, s, m, h, d, w; seconds without one)"


def parse_number(text: str) -> float:
    """Return a finite number; ValueError says why it is none."""
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError("expected a number such as 2 or 0.5")
    return float(text)


def parse_count(text: str) -> int:
    """Return a whole number, 0 or more."""
    if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        raise ValueError("expected a whole number such as 1")
    if int(text) < 0:
        raise ValueError("must not be negative")
    return int(text)


def parse_size(text: str) -> int:
    """Return a size in bytes: ``4GB``, ``512MiB``, ``2e9``; case does not matter."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected {SIZE_FORM}")
    unit = match[match.re.groups]
    factor = _SIZE_UNITS.get(unit.lower())
    if factor is None:
        raise ValueError(f"unknown unit '{unit}'; expected {SIZE_FORM}")
    size = parse_number(match[1]) * factor
    if not math.isfinite(size) or size < 1:
        raise ValueError("must be at least one byte")
    return int(size)


def parse_duration(text: str) -> float:
    """Return a duration in seconds: ``30m``, ``1h30m``, ``90s``, ``90``."""
    text = text.strip()
    if text.startswith("-"):
        raise ValueError("must not be negative")
    if _NUMBER.fullmatch(text):
        seconds = parse_number(text)
    else:
        seconds, position = 0.0, 0
        while position < len(text):
            match = _DURATION_PART.match(text, position)
            if match is None:
                raise ValueError(f"expected {DURATION_FORM}")
            if match[2].lower() not in _SECONDS:
                raise ValueError(f"unknown unit '{match[2]}'; expected {DURATION_FORM}")
            seconds += float(match[1]) * _SECONDS[match[2].lower()]
            position = match.end()
    if not seconds > 0:
        raise ValueError("must be more than zero")
    return seconds
