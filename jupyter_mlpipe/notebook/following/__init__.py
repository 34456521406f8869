"""What follows an edit: which steps are stale, those that run by themselves, widgets bound to parameters."""
