"""Plans, runs and their account: what is decided, in which order, by whom it is followed."""
