"""Artifacts and records by content."""
