"""What a step logs for handlers that only the notebook has: these get its records when the step has ended."""

from __future__ import annotations

import logging
from typing import Any

Relayed = tuple[tuple[str, dict[str, Any]], ...]
"""Names of loggers, each with the fields of a record."""

_PLAIN = frozenset({str, bytes, int, float, complex, bool, type(None)})


class Relay(logging.Handler):
    """Stands in a step's process for handlers of a logger.

    Parameters
    ----------
    kind
        What describes the handler.
    """

    def __init__(self, logger: str, kind: str) -> None:
        super().__init__()
        self.logger = logger
        self.kind = kind

    def emit(self, record: logging.LogRecord) -> None:
        # Where a logger has several, each gets the record in turn: the first that takes it stands for all.
        takers = (
            handler
            for handler in logging.getLogger(self.logger).handlers
            if isinstance(handler, Relay) and record.levelno >= handler.level
        )
        if next(takers, self) is not self:
            return
        try:
            # At once: what it is about may change before the step ends.
            _records.append((self.logger, _fields(record)))
        except Exception:  # of the user's own texts: said on stderr, as other handlers do
            self.handleError(record)


_records: list[tuple[str, dict[str, Any]]] = []


def forget_relayed() -> None:
    """Forget what was logged before a step's own code runs."""
    _records.clear()


def take_relayed() -> Relayed:
    """Return what a step has logged for handlers of the notebook."""
    found = tuple(_records)
    _records.clear()
    return found


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record as plain values: objects as text, an error as its traceback."""
    given = record.args.values() if isinstance(record.args, dict) else record.args or ()
    is_plain = type(record.msg) is str and all(type(value) in _PLAIN for value in given)
    fields = {
        name: value if type(value) in _PLAIN else str(value)
        for name, value in vars(record).items()
        if name not in ("msg", "args", "exc_info")
    }
    fields["msg"], fields["args"] = (record.msg, record.args) if is_plain else (record.getMessage(), None)
    if record.exc_info:
        fields["exc_text"] = record.exc_text or logging.Formatter().formatException(record.exc_info)
    return fields
