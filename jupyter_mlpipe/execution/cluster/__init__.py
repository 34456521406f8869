"""Workers: pools of our own on Dask, clusters that exist, and which packages they have."""
