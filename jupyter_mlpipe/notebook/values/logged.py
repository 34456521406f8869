"""What steps log for handlers of the notebook: these get it when their cells end, also when reused."""

from __future__ import annotations

import logging
import types
from collections.abc import Callable, Iterator

from jupyter_mlpipe.keys.logs import relayed_to
from jupyter_mlpipe.keys.relayed import Relayed


def deliver(relayed: Relayed, prepare: Callable[[str], None]) -> None:
    """Give handlers of the notebook what a step has logged for them.

    Parameters
    ----------
    prepare
        Makes names ready that stand in a text.

    Raises
    ------
    Exception
        The first that one of them has raised; all have got theirs then.
    """
    loggers = {name: logging.getLogger(name) for name, _ in relayed}
    handlers = {name: relayed_to(logger) for name, logger in loggers.items()}
    prepare(
        " ".join({name for found in handlers.values() for handler in found for name in _names_in(handler)})
    )
    failed: list[Exception] = []
    for logger, fields in relayed:
        record = logging.makeLogRecord(fields)
        for handler in handlers[logger]:
            if record.levelno >= handler.level:
                try:
                    handler.handle(record)
                except Exception as error:
                    failed.append(error)
    if failed:
        raise failed[0]


def _names_in(handler: logging.Handler) -> Iterator[str]:
    """Yield the names that a handler's own methods, and its formatter's, read."""
    for kind in (*type(handler).__mro__, *type(handler.formatter).__mro__):
        if kind.__module__ == "__main__":
            for member in vars(kind).values():
                if isinstance(member, types.FunctionType):
                    yield from member.__code__.co_names
