"""Where a notebook's steps run, and where what they give is stored: opened when first needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_mlpipe.execution.cluster.pools import Pool
from jupyter_mlpipe.execution.runs.local import Work
from jupyter_mlpipe.execution.runs.offers import Account
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.notebook.running.cluster import MakeExecutor
from jupyter_mlpipe.notebook.running.config import MLPipe
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.place import local_folder
from jupyter_mlpipe.store.store import Store, open_store


class Backend:
    """The store and the runner of the moment; another is opened where the user asks for one.

    Parameters
    ----------
    in_process
        As in `Runner`.
    """

    def __init__(self, config: MLPipe, in_process: Work) -> None:
        self._config = config
        self._in_process = in_process
        self._config.observe(lambda change: self._reopen(), "store")
        self._config.observe(lambda change: self._reshape(), "pools")
        self._cluster: Any = config.cluster
        self._pools: Sequence[Pool] = ()
        self._store: Store | None = None
        self._runner: Runner | None = None

    @property
    def store(self) -> Store:
        """The store; opened when first needed."""
        if self._store is None:
            self._store = open_store(self._config.store_address())
        return self._store

    def open(self) -> None:
        """Open the store: digests of files that are known are kept beside it."""
        _ = self.store

    @property
    def root(self) -> Path:
        """The store's folder on this machine, which may not be there yet."""
        return local_folder(self._config.store_address())

    @property
    def runner(self) -> Runner:
        """The runner; its cluster starts when the first step has to run."""
        if self._runner is None:
            self._runner = self._make_runner(self._cluster)
        return self._runner

    def _make_runner(self, cluster: Any) -> Runner:
        store = self.store
        return Runner(
            store,
            MakeExecutor(cluster, store.address, lambda: self.pools, self._config.settles_s()),
            History(store.root / "history.db"),
            self._in_process,
            attaches=bool(cluster),
        )

    @property
    def pools(self) -> Sequence[Pool]:
        """The pools of a cluster of our own; none where steps run on another one."""
        return () if self._cluster else self._pools or self._config.local_pools()

    def account(self) -> Account:
        """Return what each worker offers, what is in use and what waits; nothing before it starts."""
        return self._runner.account() if self._runner is not None else Account()

    def use_cluster(self, target: Any, pools: Sequence[Pool] = ()) -> None:
        """Run the steps to come on another cluster: an address, a scheduler file, a Client, or "local".

        Parameters
        ----------
        pools
            The workers of a local one; those of the configuration by default.

        Raises
        ------
        ClusterError
            It cannot be reached, or none of its workers can run steps. The one in use stays.
        """
        cluster = "" if isinstance(target, str) and target == "local" else target
        runner = None
        if cluster:
            runner = self._make_runner(cluster)
            try:
                runner.attach()
            except BaseException:
                runner.close()
                raise
        self.close()
        self._cluster, self._pools, self._runner = cluster, pools, runner

    def close(self) -> None:
        """Cancel what runs and close the cluster; what is done is in the store."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def _reshape(self) -> None:
        """Have a cluster of our own start anew, with the pools of the configuration."""
        if not self._cluster:
            self.use_cluster("local")

    def _reopen(self) -> None:
        """Go on with another store: what runs is cancelled, what is in the old one stays there."""
        self.close()
        self._store = None
