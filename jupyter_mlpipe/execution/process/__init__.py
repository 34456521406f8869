"""One step in a process of its own: the fork server, the code that runs there, and what is told of it."""
