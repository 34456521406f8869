"""Notebook cells as steps of a pipeline: inferred, reused, run on Dask workers."""

__version__ = "0.1.0"
