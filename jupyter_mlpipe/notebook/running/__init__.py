"""Where and how steps run: clusters, runs, cells in the background and in the kernel."""
