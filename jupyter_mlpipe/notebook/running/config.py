"""Settings of a notebook: traitlets, as Jupyter's (``c.MLPipe.store = "…"``, ``%config MLPipe``)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from traitlets import Enum, List, TraitError, Unicode, validate
from traitlets.config import Configurable

from jupyter_mlpipe.cells.units import parse_duration
from jupyter_mlpipe.errors import UsageError, close_matches
from jupyter_mlpipe.execution.cluster.pools import Pool
from jupyter_mlpipe.notebook.running.pools import parse_pools
from jupyter_mlpipe.store.place import find_store

MODES = ("register", "run", "background")
LEVELS = ("off", "mark", "on")


def known_mode(mode: str) -> str:
    """Return it where it is a mode, else raise UsageError."""
    if mode not in MODES:
        raise UsageError(
            f"%pipeline mode takes one of {', '.join(MODES)}, but found '{mode}'.{close_matches(mode, MODES)}"
        )
    return mode


def known_level(level: str) -> str:
    """Return it where it says what becomes of stale steps, else raise UsageError."""
    if level not in LEVELS:
        raise UsageError(
            f"%pipeline auto takes one of {', '.join(LEVELS)}, but found '{level}'."
            f"{close_matches(level, LEVELS)}"
        )
    return level


def known_budget(budget: str) -> str:
    """Return it where it is a duration, else raise UsageError."""
    try:
        parse_duration(budget)
    except ValueError as error:
        raise UsageError(f"--budget {budget}: {error}.") from None
    return budget


class MLPipe(Configurable):
    """Settings of jupyter-mlpipe."""

    store = Unicode(
        "",
        help="Folder of the store, or its address: s3://bucket/prefix. Empty: MLPIPE_STORE where it is set, "
        "else `.mlpipe` beside the notebook or at the project's root.",
    ).tag(config=True)
    mode = Enum(
        MODES, default_value="run", help="What running a component's cell does: register, run or background."
    ).tag(config=True)
    cluster = Unicode(
        "",
        help="Dask cluster to run steps on: an address or a scheduler file. Empty: one is started on this "
        "machine when the first step has to run.",
    ).tag(config=True)
    late_workers = Unicode(
        "30s",
        help="How long after its last worker has come a Dask cluster that was there may still get others: "
        "until then a step that none of them can serve waits.",
    ).tag(config=True)
    auto = Enum(
        LEVELS,
        default_value="mark",
        help="What becomes of steps that are stale: off, mark (they are shown), or on (those that fit the "
        "budget run by themselves).",
    ).tag(config=True)
    auto_budget = Unicode(
        "5s", help="What may run by itself after a change takes so long at most, all steps together."
    ).tag(config=True)
    pools = List(
        Unicode(),
        help="Workers of the cluster that is started on this machine, by pool: "
        '["cpu:workers=2,cpus=1,memory=2GB", "gpu:gpus=1"]. Empty: one worker that offers it all.',
    ).tag(config=True)

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        # The notebook may change its folder later on: its store stays where it is.
        self._folder = Path.cwd()

    @validate("pools")
    def _check_pools(self, proposal: Any) -> list[str]:
        try:
            parse_pools(proposal["value"])
        except UsageError as error:
            raise TraitError(f"c.MLPipe.pools: {error}") from None
        return list(proposal["value"])

    @validate("auto_budget", "late_workers")
    def _check_duration(self, proposal: Any) -> str:
        try:
            parse_duration(proposal["value"])
        except ValueError as error:
            raise TraitError(f"c.MLPipe.{proposal['trait'].name}: {error}") from None
        return str(proposal["value"])

    def settles_s(self) -> float:
        """Return how long after its last worker a cluster that was there may still get others."""
        return parse_duration(self.late_workers)

    def local_pools(self) -> list[Pool]:
        """Return the pools of the cluster that is started on this machine."""
        return parse_pools(self.pools)

    def store_address(self) -> str:
        """Return where the store is; the environment stands above the configuration."""
        return find_store(self._folder, self.store)


def notebook_name() -> str:
    """Return what the history calls this notebook: its path where the front end tells it."""
    namespace: dict[str, Any] = getattr(__import__("__main__"), "__dict__", {})
    for given in (
        os.environ.get("MLPIPE_NOTEBOOK"),
        os.environ.get("JPY_SESSION_NAME"),
        namespace.get("__vsc_ipynb_file__"),
    ):
        if given:
            return os.path.abspath(str(given))
    return os.getcwd()
