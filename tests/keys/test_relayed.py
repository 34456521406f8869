"""What a step logs for handlers of the notebook is what these would have been told at that moment."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from jupyter_mlpipe.keys.logs import LOGGING
from jupyter_mlpipe.keys.relayed import Relay, Relayed, forget_relayed, take_relayed


class _Unprintable:
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    forget_relayed()
    logger = logging.getLogger("a_logger_of_these_tests")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger
    logger.handlers.clear()
    logger.filters.clear()
    forget_relayed()


def relay(logger: logging.Logger, level: int = logging.NOTSET) -> Relay:
    # Pytest's own are among them, for what does not propagate; these raise what they cannot show.
    logger.handlers = [handler for handler in logger.handlers if isinstance(handler, Relay)]
    handler = Relay(logger.name, f"{len(logger.handlers)}")
    handler.setLevel(level)
    logger.addHandler(handler)
    return handler


def messages(relayed: Relayed) -> list[str]:
    return [logging.makeLogRecord(fields).getMessage() for _, fields in relayed]


def test_what_changes_later_is_told_as_it_was(log: logging.Logger) -> None:
    relay(log)
    items = [1]
    log.info("items: %s", items)
    items.append(2)
    assert messages(take_relayed()) == ["items: [1]"]


def test_what_cannot_be_told_is_said_as_logging_does_and_the_step_goes_on(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    relay(log)
    log.info("wrong: %d", [1])
    log.info("no text: %s", _Unprintable())
    log.info("right")
    assert messages(take_relayed()) == ["right"]
    told = capsys.readouterr().err
    assert told.count("--- Logging error ---") == 2
    assert "no text" in told


def test_handlers_of_one_logger_share_a_record_whatever_comes_in_between(log: logging.Logger) -> None:
    """Where a logger has several of them, each gets the record in turn."""

    class Between(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "one":
                log.info("two")

    relay(log, logging.WARNING)
    relay(log)
    log.addHandler(Between())
    log.addHandler(Relay(log.name, "behind"))
    log.info("one")
    log.warning("three")
    assert messages(take_relayed()) == ["one", "two", "three"]


def test_a_handler_with_a_filter_gets_its_records_in_the_notebook(log: logging.Logger) -> None:
    """A step's own one would let all through."""
    handler = logging.StreamHandler()
    log.addHandler(handler)
    plain = LOGGING.state()[log.name]
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    filtered = LOGGING.state()[log.name]
    assert (plain[2][0][2], filtered[2][0][2]) == ("stderr", "relay")
