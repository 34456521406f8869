"""Identity: canonical encoding, digests, what a step reaches, and its key."""
