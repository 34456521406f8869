"""Order among steps: algorithms over names only, where ``upstream[name]`` lists what a step reads from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from jupyter_mlpipe.errors import CycleError

Upstream = Mapping[str, Sequence[str]]


def topological_order(upstream: Upstream) -> list[str]:
    """Return the steps so that each comes after those it reads from.

    Among steps that are free to go, the order of the mapping is kept.

    Raises
    ------
    CycleError
        Names the steps of one cycle in order, and the ways out.
    """
    done: dict[str, None] = {}
    for root in upstream:
        if root in done:
            continue
        if not any(above in upstream for above in upstream[root] if above not in done):
            done[root] = None  # as most are: cells mostly stand below those that they read from
            continue
        # An explicit stack: a notebook of thousands of cells in a row must not hit the recursion limit.
        path: list[str] = []
        on_path: set[str] = set()
        stack: list[tuple[str, bool]] = [(root, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                path.pop()
                on_path.discard(name)
                done[name] = None
                continue
            if name in done:
                continue
            if name in on_path:
                raise _cycle_error([*path[path.index(name) :], name])
            path.append(name)
            on_path.add(name)
            stack.append((name, True))
            stack.extend((above, False) for above in reversed(upstream[name]) if above in upstream)
    return list(done)


def ancestors(upstream: Upstream, targets: Iterable[str]) -> list[str]:
    """Return `targets` and every step above them, in topological order."""
    wanted: set[str] = set()
    pending = list(targets)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending.extend(above for above in upstream[name] if above in upstream)
    return [name for name in topological_order(upstream) if name in wanted]


def descendants(upstream: Upstream, sources: Iterable[str]) -> list[str]:
    """Return `sources` and every step below them, in topological order."""
    reached = set(sources)
    order = topological_order(upstream)
    for name in order:
        if any(above in reached for above in upstream[name]):
            reached.add(name)
    return [name for name in order if name in reached]


def longest_paths(upstream: Upstream, lengths: Mapping[str, float]) -> dict[str, float]:
    """Return the length of the longest path from each step down to the end, its own length included."""
    order = topological_order(upstream)
    below = dict.fromkeys(order, 0.0)
    for name in reversed(order):
        for above in upstream[name]:
            below[above] = max(below[above], below[name] + lengths[name])
    return {name: below[name] + lengths[name] for name in order}


def _cycle_error(cycle: list[str]) -> CycleError:
    chain = " -> ".join(f"'{name}'" for name in reversed(cycle))
    return CycleError(
        f"These components wait for each other: {chain}. Rename an output that two of them share, "
        f"or say which producer is meant, as in '{cycle[0]}(name=producer.name)'."
    )
