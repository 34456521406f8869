"""What a step used of what it asked for, and what it had better ask for."""

from __future__ import annotations

import math

from jupyter_mlpipe.model.resources import Resources, describe_bytes, describe_seconds

_SHORT_S = 1.0  # what is over sooner tells nothing of how many cores it wants
_ROOM = 1.3  # for a run that needs a little more
_SMALL_BYTES = 500_000_000
_LEAST_BYTES = 100_000_000  # to save less is worth no thought
_STEPS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


def use_of(
    asked: Resources, seconds: float, cpu_seconds: float | None, peak_bytes: int
) -> list[tuple[str, str, str, str]]:
    """Return, for CPU and memory, what was asked for, what was used, and what to ask for instead.

    The last is empty where it is well as it is. Rows of which nothing is known are left out.
    """
    rows = []
    if cpu_seconds is not None and seconds > 0:
        cores = cpu_seconds / seconds
        used = f"{cores:.1f} on average, {describe_seconds(cpu_seconds)} in all"
        rows.append(("CPU", f"{asked.cpus:g}", used, _cpus(asked.cpus, cores, seconds)))
    if peak_bytes:
        limit = describe_bytes(asked.memory_bytes) if asked.memory_bytes else "no limit"
        used = f"{describe_bytes(peak_bytes)} at most"
        rows.append(("memory", limit, used, _memory(asked.memory_bytes, peak_bytes)))
    return rows


def _cpus(asked: float, used: float, seconds: float) -> str:
    if seconds < _SHORT_S:
        return ""
    if asked > 1 and used < asked / 2:
        return f"--cpus {max(1, math.ceil(used)):d} would do"
    if used > 0.9 * asked and seconds > 10 * _SHORT_S:
        return f"it used all that it had: --cpus {2 * math.ceil(asked):d} may be faster"
    return ""


def _memory(asked: int, peak: int) -> str:
    offer = f"--memory {_rounded(max(peak * _ROOM, _LEAST_BYTES))}"
    if not asked:
        return f"{offer} would keep it from taking more" if peak >= _SMALL_BYTES else ""
    if peak > 0.9 * asked:
        return f"close to what it may use: {offer}"
    if asked > _SMALL_BYTES and peak < asked / 3:
        return f"{offer} would do"
    return ""


def _rounded(n_bytes: float) -> str:
    """Return a size as it is typed, not less than that: ``1.5GB``."""
    size, unit = (n_bytes / 1e9, "GB") if n_bytes >= 1e9 else (n_bytes / 1e6, "MB")
    power = 10 ** math.floor(math.log10(size))
    step = next(step for step in _STEPS if step * power >= size)
    return f"{step * power:g}{unit}"
