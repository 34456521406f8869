"""The words of ``cache``, the same behind ``%pipeline`` and behind ``jupyter mlpipe``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from jupyter_mlpipe.cells.units import parse_duration, parse_size

CACHE_WORDS = ("ls", "verify", "prune", "pin", "unpin")


def add_cache_words(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add what may follow ``cache``; it is found as `asked.what`.

    Parameters
    ----------
    common
        Options that each of them takes beside its own.
    """
    commands = parser.add_subparsers(dest="what", required=True, metavar="|".join(CACHE_WORDS))

    def add(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, parents=[common], allow_abbrev=False)
        added.add_argument("--json", action="store_true", help="print one JSON object instead")
        return added

    add("ls", "show by step what the store holds, its size, and what computing it again takes")
    add("verify", "read every object and record; what is damaged is moved aside and made again when needed")
    prune = add(
        "prune",
        "remove what nothing can use any more and, within limits that are given, what is worth least; "
        "never what a live run or a pin needs",
    )
    prune.add_argument(
        "--max-size",
        dest="max_size_bytes",
        type=_read(_parse_limit),
        metavar="SIZE",
        help="what the store may take, such as 20GB; 0 for no more than must stay",
    )
    prune.add_argument(
        "--older-than",
        dest="older_than_s",
        type=_read(parse_duration),
        metavar="DURATION",
        help="remove what was not used for so long, such as 30d",
    )
    prune.add_argument("--dry-run", action="store_true", help="say what would go, and remove nothing")
    for name, text in (
        ("pin", "keep what a step gave last, and what reusing it needs"),
        ("unpin", "let pruning remove what was pinned"),
    ):
        add(name, text).add_argument(
            "record", metavar="STEP|KEY", help="a step, or how a record's key begins"
        )


def cache_arguments(asked: argparse.Namespace) -> dict[str, Any]:
    """Return what was typed beside the first word, by name."""
    names = ("record", "max_size_bytes", "older_than_s", "dry_run")
    return {name: value for name, value in vars(asked).items() if name in names}


def _parse_limit(text: str) -> int:
    return 0 if text.strip() == "0" else parse_size(text)


def _read(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as problem:
            raise argparse.ArgumentTypeError(f"'{text}': {problem}") from None

    return read
