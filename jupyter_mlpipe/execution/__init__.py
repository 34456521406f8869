"""Plan, run machine, runner, the executor on Dask and the step process."""
