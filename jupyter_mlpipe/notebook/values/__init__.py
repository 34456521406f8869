"""What steps made or set, as names and settings of the notebook."""
