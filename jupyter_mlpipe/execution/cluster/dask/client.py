"""A client of a scheduler that tells when that is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import distributed

CLOSE_S = 10
"""How long to wait for what is closed."""


class Client(distributed.Client):  # type: ignore[misc]
    """Tells that its scheduler is gone, rather than look for one in its place, which would not know us.

    Never the default client: what users do with Dask themselves stays theirs.
    """

    def __init__(self, on_lost: Callable[[str], None], **options: Any) -> None:
        self._on_lost = on_lost
        try:
            super().__init__(**options, set_as_default=False)
        except BaseException:
            # Else it closes when it is collected, which may be when its loop has ended, and waits for that.
            with contextlib.suppress(Exception):
                self.close(timeout=CLOSE_S)
            raise

    async def _reconnect(self) -> None:
        self._on_lost("the connection was closed")
        await self._close()


def reach(address: str, security: Any) -> Any:
    """Return a `distributed.Client` of a scheduler that another process uses too."""
    return distributed.Client(address, security=security, set_as_default=False)
