"""The words of ``%pipeline`` commands: how they are read, checked and refused. See `commands`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.notebook.session import Session
from jupyter_mlpipe.notebook.steps.parameters import check_known, parse_overrides


class Parser(argparse.ArgumentParser):
    """Raises UsageError where `argparse` would print and exit."""

    def read(self, words: list[str], *checks: Callable[[argparse.Namespace], object]) -> argparse.Namespace:
        """Read the words of a command, before it does anything; checks refuse what does not go together."""
        asked = self.parse_args(words)
        for check in checks:
            check(asked)
        return asked

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}. {self.format_usage().strip()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise UsageError((message or "").strip())

    def print_help(self, file: Any = None) -> None:
        raise UsageError(self.format_help())


class WordsRead(Exception):  # noqa: N818 - no error
    """Ends a command that only had its words read."""


class OnlyReads(Parser):
    """Raises WordsRead once the words of a command are read, before it does anything."""

    def read(self, *words: Any) -> NoReturn:
        super().read(*words)
        raise WordsRead


def checked(check: Callable[[str], object]) -> Callable[[str], str]:
    """Return what takes a word as it is, where a check does not refuse it."""

    def read(word: str) -> str:
        check(word)
        return word

    return read


def step_of(session: Session) -> Callable[[str], str]:
    """Return what takes the name of a step; UnknownStepError for another word."""
    return checked(session.registry.check)


def add_run_options(session: Session, parser: Parser) -> None:
    """Let a command take what says which steps run, with which parameters."""
    step = step_of(session)
    override = checked(lambda pair: overrides_of(session, [pair]))
    parser.add_argument(
        "targets", nargs="*", type=step, metavar="STEP", help="steps to reach; all by default"
    )
    parser.add_argument("-p", "--param", action="append", type=override, default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--force", action="append", type=step, metavar="STEP", help="run it though it could be reused"
    )
    parser.add_argument(
        "--only", type=step, metavar="STEP", help="run this step alone; those above must be reusable"
    )
    parser.add_argument(
        "--from", dest="start", type=step, metavar="STEP", help="run this step and all below it"
    )


def check_chosen(asked: argparse.Namespace) -> None:
    """Refuse ways to choose steps that do not go together."""
    if sum([bool(asked.targets), asked.only is not None, asked.start is not None]) > 1:
        raise UsageError("Give steps, --only STEP or --from STEP, not several of them.")


def targets_of(session: Session, asked: argparse.Namespace) -> list[str] | None:
    """Return the steps that were chosen; None for all."""
    if asked.only:
        return [asked.only]
    if asked.start:
        return graph.descendants(session.registry.upstream(), [asked.start])
    return asked.targets or None


def overrides_of(session: Session, pairs: list[str]) -> dict[str, Any]:
    """Return parameters from words such as ``rate=0.1``; raises for those that the notebook does not have."""
    overrides = parse_overrides(pairs)
    check_known(overrides, session.registry.parameter_names())
    return dict(overrides)
