"""The fleet on Dask: the one package that imports distributed, and makes whoever imports it do so, too."""

from jupyter_mlpipe.execution.cluster.dask.client import reach
from jupyter_mlpipe.execution.cluster.dask.executor import DaskExecutor
from jupyter_mlpipe.execution.cluster.dask.ours import this_machine

__all__ = ["DaskExecutor", "reach", "this_machine"]
