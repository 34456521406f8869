"""What looking after a store gives, for people: a line, and a table below it. For programs, plain JSON."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from jupyter_mlpipe.model.resources import describe_bytes, describe_seconds
from jupyter_mlpipe.store.cache import Cache, Usage, Verified
from jupyter_mlpipe.store.prune import Pruned

_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as a line and a table; `is_well` is False where something is not as it should be."""

    head: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    facts: Any = None
    is_well: bool = True


def ask_cache(
    cache: Cache,
    what: str,
    *,
    record: str = "",
    max_size_bytes: int | None = None,
    older_than_s: float | None = None,
    dry_run: bool = False,
) -> Answer:
    """Do what is asked of a store, ``ls`` or ``prune`` for example, and tell of it."""
    match what:
        case "ls":
            return _tell_usage(cache.ls())
        case "verify":
            return _tell_verified(cache.verify())
        case "prune":
            return _tell_pruned(
                cache.prune(max_size_bytes=max_size_bytes, older_than_s=older_than_s, dry_run=dry_run)
            )
        case "pin":
            key = cache.pin(record)
            return Answer(f"pinned: {key[:12]}, until cache unpin {record}", facts={"pinned": [key]})
        case "unpin":
            keys = cache.unpin(record)
            return Answer(f"unpinned: {', '.join(key[:12] for key in keys)}", facts={"unpinned": [*keys]})
    raise ValueError(f"nothing known of {what!r}")


def _tell_usage(usage: Usage) -> Answer:
    head = f"store: {usage.path}, {describe_bytes(usage.total_bytes)}"
    if usage.n_leftovers:
        head += f", {describe_bytes(usage.leftover_bytes)} of it of no use: cache prune removes it"
    rows = tuple(
        (
            step,
            str(found.n_records),
            describe_bytes(found.size),
            describe_seconds(found.seconds),
            _ago(time.time() - found.used_at),
            str(found.n_pinned or ""),
        )
        for step, found in usage.steps.items()
    )
    columns = ("step", "records", "size", "to compute again", "last used", "pinned")
    return Answer(head, columns, rows, asdict(usage))


def _tell_verified(found: Verified) -> Answer:
    n_checked = f"{found.n_objects} objects and {found.n_records} records"
    facts = {**asdict(found), "whole": found.is_whole}
    rows = [
        (key[:12], step, "signed by no key that is trusted here: counts as missing")
        for key, step in found.untrusted.items()
    ]
    if found.is_whole:
        columns = ("file", "step", "what") if rows else ()
        return Answer(f"verify: {n_checked} are whole", columns, tuple(rows), facts)
    rows += [
        (digest[:12], ", ".join(steps) or "no record", "damaged, moved aside")
        for digest, steps in found.damaged.items()
    ]
    rows += [
        (key[:12], step, "incomplete: runs again when it is needed") for key, step in found.incomplete.items()
    ]
    rows += [(path, "", "no record that can be read: cache prune removes it") for path in found.torn]
    head = f"verify: of {n_checked}, {len(found.damaged)} and {len(found.torn)} are damaged"
    return Answer(head, ("file", "step", "what"), tuple(rows), facts, is_well=False)


def _tell_pruned(pruned: Pruned) -> Answer:
    would = "would remove" if pruned.dry_run else "removed"
    head = f"prune: {would} {describe_bytes(pruned.freed_bytes)}, {describe_bytes(pruned.left_bytes)} left"
    if pruned.steps:
        head += f"; computing it again takes {describe_seconds(pruned.seconds)}"
    kept = [
        f"{n} {word}"
        for n, word in ((pruned.n_live, "that live runs need"), (pruned.n_pinned, "that pins keep"))
        if n
    ]
    if kept:
        head += f"; kept {' and '.join(kept)}"
    rows = [
        (step, str(gone.n_records), describe_bytes(gone.size), describe_seconds(gone.seconds))
        for step, gone in pruned.steps.items()
    ]
    if pruned.n_leftovers:
        rows.append(("(of no use)", str(pruned.n_leftovers), describe_bytes(pruned.leftover_bytes), ""))
    return Answer(head, ("step", "records", "size", "to compute again"), tuple(rows), asdict(pruned))


def _ago(seconds: float) -> str:
    if seconds < 2 * _DAY_S:
        return f"{describe_seconds(max(0.0, seconds))} ago"
    return f"{seconds / _DAY_S:.0f} days ago"
