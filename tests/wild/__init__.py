"""Proves on whole notebooks that a cell with our line on top behaves as without it."""
