"""What steps log reaches every handler of the notebook, also where one of them fails."""

from __future__ import annotations

import logging

import pytest

from jupyter_mlpipe.notebook.values.logged import deliver


class Fails(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise ValueError(record.getMessage())


class Keeps(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record.getMessage())


def test_a_handler_that_fails_keeps_nothing_from_the_others() -> None:
    log, keeps = logging.getLogger("another_logger_of_these_tests"), Keeps()
    log.handlers = [Fails(), keeps]
    try:
        with pytest.raises(ValueError, match="one"):
            deliver(
                tuple((log.name, {"msg": text, "levelno": 30}) for text in ("one", "two")), lambda _: None
            )
    finally:
        log.handlers.clear()
    assert keeps.kept == ["one", "two"]
