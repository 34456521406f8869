"""What the page asks of the session and is told: graphs, steps, runs, and cells as they are typed."""
