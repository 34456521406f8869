"""Pools as people type them: ``cpu:workers=2,cpus=1,memory=2GB``, ``gpu:gpus=1,licence=2``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any

from jupyter_mlpipe.cells.units import parse_count, parse_number, parse_size
from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.cluster.pools import Pool
from jupyter_mlpipe.model.resources import NAME

FORM = "NAME:workers=N,cpus=N,memory=SIZE,gpus=N, such as cpu:workers=2,cpus=1,memory=2GB"

_MEANT = {"cpu": "cpus", "core": "cpus", "cores": "cpus", "gpu": "gpus", "mem": "memory", "ram": "memory"}


def parse_pools(texts: Iterable[str]) -> list[Pool]:
    """Return the pools that the texts describe.

    Raises
    ------
    UsageError
        A text cannot be understood, or two are of one name.
    """
    pools: dict[str, Pool] = {}
    for text in texts:
        pool = _parse_pool(text)
        if pool.name in pools:
            raise UsageError(f"Pool '{pool.name}' is given twice. Give each a name of its own.")
        pools[pool.name] = pool
    return list(pools.values())


def _parse_pool(text: str) -> Pool:
    name, colon, amounts_text = text.partition(":")
    if not re.fullmatch(NAME, name.strip()):
        raise UsageError(f"Pool '{text}': expected a name first. Write {FORM}.")
    if not colon or not amounts_text.strip():
        raise UsageError(f"Pool '{text}' does not say what its workers offer. Write {FORM}.")
    values: dict[str, Any] = {}
    custom: dict[str, float] = {}
    for part in amounts_text.split(","):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not equals or not value or not re.fullmatch(NAME, key):
            raise UsageError(f"Pool '{text}': expected NAME=AMOUNT, found '{part.strip()}'. Write {FORM}.")
        if key in values or key in custom:
            raise UsageError(f"Pool '{text}': '{key}' is given twice. Keep one of them.")
        if key not in _KNOWN and (meant := _meant(key)):
            raise UsageError(f"Pool '{text}': write {meant}={value}, not {part.strip()}.")
        parse, example = _KNOWN.get(key, (_parse_amount, "1"))
        try:
            (values if key in _KNOWN else custom)[key] = parse(value)
        except ValueError as problem:
            raise UsageError(
                f"Pool '{text}': {key}={value}: {problem}. Write, for example, {key}={example}. "
                f"A pool has {', '.join(_KNOWN)}, and amounts of your own."
            ) from None
    return Pool(
        name.strip(),
        n_workers=values.get("workers", 1),
        cpus=values.get("cpus"),
        memory_bytes=values.get("memory"),
        gpus=values.get("gpus", 0),
        custom=tuple(sorted(custom.items())),
    )


def _meant(key: str) -> str | None:
    """Return the name that was meant, where another one is taken for an amount of the user's own."""
    lower = key.lower()
    close = difflib.get_close_matches(lower, _KNOWN, n=1, cutoff=0.8)
    return _MEANT.get(lower) or (close[0] if close else None)


def _parse_amount(text: str) -> float:
    amount = parse_number(text)
    if amount <= 0:
        raise ValueError("must be more than zero")
    return amount


def _parse_workers(text: str) -> int:
    n_workers = parse_count(text)
    if n_workers < 1:
        raise ValueError("must be at least 1")
    return n_workers


_KNOWN: dict[str, tuple[Callable[[str], float], str]] = {
    "workers": (_parse_workers, "2"),
    "cpus": (_parse_amount, "2"),
    "memory": (parse_size, "4GB"),
    "gpus": (parse_count, "1"),
}
