"""What a scheduler that was there tells, as events of topics: what steps say, which workers come and go."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_mlpipe.execution.cluster.attached import AttachedWorkers
from jupyter_mlpipe.execution.process.messages import Message

_WORKERS = "all"  # Dask's own topic
_HEARD, _HEARD_AGAIN_S = "mlpipe-heard", 0.1


class Topics:
    """The topics that concern us. What comes is acted on in the client's event loop.

    Parameters
    ----------
    client
        A `distributed.Client`; messages of steps go under its name.
    on_message
        Called with the token of a step and what it says.
    on_lost
        Called with the reason when the scheduler does not say any more which workers there are.
    """

    def __init__(
        self,
        client: Any,
        workers: AttachedWorkers,
        on_message: Callable[[str, Message], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._client = client
        self._workers = workers
        self._on_message = on_message
        self._on_lost = on_lost
        self._hears = asyncio.Event()

    def subscribe(self) -> None:
        """Have events come."""
        # Of a client that has left, the scheduler lets go of what it keeps under its name, in an hour.
        for topic in (self._client.id, _WORKERS):
            self._client.subscribe_topic(topic, self._on_event)

    def unsubscribe(self) -> None:
        """Have no more come: a scheduler that does not answer has forgotten us, or will."""
        for topic in (self._client.id, _WORKERS):
            with contextlib.suppress(Exception):
                self._client.unsubscribe_topic(topic)

    async def be_heard(self) -> None:
        """Wait until events come: subscriptions take their own way, and a worker may join before that."""
        while not self._hears.is_set():
            await self._client.scheduler.log_event(topic=self._client.id, msg={"action": _HEARD})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hears.wait(), _HEARD_AGAIN_S)

    async def _on_event(self, event: tuple[float, Mapping[str, Any]]) -> None:
        _, content = event
        if "token" in content:
            self._on_message(content["token"], json.loads(content["message"]))
        elif content.get("action") == _HEARD:
            self._hears.set()
        elif content.get("action") in ("add-worker", "remove-worker"):
            if content["action"] == "remove-worker":
                self._workers.forget(content["worker"])
            try:
                await self._workers.look()
            except Exception as error:  # whatever the scheduler answers with, or that it does not
                self._on_lost(f"{type(error).__name__}: {error}")
