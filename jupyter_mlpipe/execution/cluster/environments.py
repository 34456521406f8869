"""The packages that a step will find where it runs, on a cluster whose workers have their own.

Their versions are part of its key, and it runs only on workers that have these. Where those that could
serve it differ in a package that it reaches, the notebook's own versions are chosen if some have them,
else what most have.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from jupyter_mlpipe.errors import ClusterError
from jupyter_mlpipe.keys.environment import NOT_THERE, Report, look_up, mark_of
from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.model.resources import Offer, Resources
from jupyter_mlpipe.model.status import Ingredient, Reason, enumerate_words

_NO_WORKER = "the cluster has no worker at the moment"
_OF_NO_WORKER = frozenset({""})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reported:
    """A worker: what it offers, and what it has of the modules that were asked for."""

    offer: Offer
    report: Report


Ask = Callable[[frozenset[str]], Mapping[str, Reported]]


@dataclass(frozen=True, slots=True)
class Found:
    """What of the packages on workers is part of a step's key.

    Parameters
    ----------
    ingredients
        In place of the notebook's own of kind ``package``.
    problems
        Why it has no key that could come again.
    marks
        What a worker must have for the step to run there; see `jupyter_mlpipe.keys.environment.mark_of`.
    unknown
        Why it is not known yet. There is no key then, and the marks are those of no worker.
    """

    ingredients: tuple[Ingredient, ...]
    problems: tuple[Reason, ...] = ()
    marks: frozenset[str] = frozenset()
    unknown: str = ""


class Environments:
    """What the workers of an attached cluster have.

    Parameters
    ----------
    ask
        Gives, for top-level modules, what each worker has of them. Raises `ClusterError` where there is no
        cluster.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._said: set[str] = set()

    def prepare(self, tops: Iterable[str]) -> None:
        """Ask for many modules at once, ahead of `find`, which says what is wrong."""
        with contextlib.suppress(ClusterError):
            self._ask(frozenset(tops))

    def find(
        self,
        resources: Resources,
        tops: Collection[str],
        given: Collection[str] = (),
        pool: str | None = None,
    ) -> Found:
        """Return what counts for a step that asks for these resources, in this pool.

        Parameters
        ----------
        tops
            Modules of packages that its code reaches.
        given
            Those whose objects it is given.
        """
        wanted = frozenset((*tops, *given))
        if not wanted:
            return Found(())
        try:
            workers = self._ask(wanted)
        except ClusterError as error:
            return _unknown(str(error))
        able = {n: w for n, w in workers.items() if w.offer.serves(resources.amounts(), pool)}
        if not able:
            return _unknown("no worker is there that could serve the step" if workers else _NO_WORKER)
        groups: dict[frozenset[str], list[str]] = {}
        for name in sorted(able):
            groups.setdefault(_marks(able[name].report, wanted), []).append(name)
        own = _marks(look_up(wanted, _own_modules()), wanted) if len(groups) > 1 else frozenset()
        chosen = min(groups, key=lambda marks: (marks != own, -len(groups[marks]), groups[marks]))
        for marks in groups.keys() - {chosen}:
            self._say(able, groups[chosen], groups[marks], wanted)
        return _found({top: able[groups[chosen][0]].report[top] for top in wanted}, tops)

    def _say(
        self, able: Mapping[str, Reported], chosen: list[str], others: list[str], wanted: frozenset[str]
    ) -> None:
        """Say once that workers differ: whoever wonders why some of them stay idle finds it here."""
        differs = differing(able[chosen[0]].report, able[others[0]].report, wanted)
        said = (
            f"Workers differ: {enumerate_words(others)} {_have(others)} {enumerate_words(differs)} as on "
            f"{enumerate_words(chosen)}. Steps that reach this run on the latter only."
        )
        if said not in self._said:
            self._said.add(said)
            _log.warning(said)


def differing(ours: Report, theirs: Report, tops: Iterable[str]) -> list[str]:
    """Return the packages in which two workers differ, with both versions: ``pandas 3.1.1, not 3.1.0``."""
    there = {part.name: part for top in tops for part in theirs[top]}
    here = {part.name: part for top in tops for part in ours[top]}
    return [
        f"{name} {_version(there.get(name))}, not {_version(here.get(name))}"
        for name in sorted(here.keys() | there.keys())
        if here.get(name) != there.get(name)
    ]


def _have(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _version(part: Ingredient | None) -> str:
    return "none" if part is None else "loose code" if part.kind == "unhashable" else part.detail


def _found(report: Report, tops: Collection[str]) -> Found:
    parts: dict[str, Ingredient] = {}
    problems = []
    for top in sorted(report):
        # Of a module whose objects it is only given, it need not know.
        counted = [i for i in report[top] if top in tops or _is_there(i)]
        parts.update((part.name, part) for part in counted if part.kind == "package")
        problems += [
            Reason("unhashable", part.name, part.detail) for part in counted if part.kind != "package"
        ]
    return Found(tuple(parts.values()), tuple(problems), _marks(report, report))


def _unknown(why: str) -> Found:
    return Found((), marks=_OF_NO_WORKER, unknown=why)


def _is_there(part: Ingredient) -> bool:
    return part.kind == "package" and part.detail != NOT_THERE


def _marks(report: Report, tops: Iterable[str]) -> frozenset[str]:
    return frozenset(mark_of(top, report[top]) for top in tops)


@functools.cache
def _own_modules() -> LocalModules:
    return LocalModules()
