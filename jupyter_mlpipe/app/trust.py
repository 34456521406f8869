"""``jupyter mlpipe trust``: the keys that sign records of shared stores, and whose signatures count here."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from jupyter_mlpipe.app.report import print_json
from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.store.signing import Key, Keyring, export_key, import_key, write_private


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the words of ``trust`` to the command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object instead")
    commands = parser.add_subparsers(dest="what", metavar="export|import|remove")
    for name, text, given, hint in (
        ("export", "write the key that signs to a file that nobody else can read", "FILE", "- for stdout"),
        ("import", "trust the key in a file, and sign with it from now on", "FILE", "- for stdin"),
        ("remove", "trust a key no longer: what it signed counts as missing", "KEY", "or how it begins"),
    ):
        added = commands.add_parser(name, help=text, description=text, parents=[common], allow_abbrev=False)
        added.add_argument("given", metavar=given, help=hint)
        if name == "import":
            added.add_argument(
                "--no-sign", action="store_true", help="trust it, and go on signing with yours"
            )
    parser.set_defaults(command=tend_keys, json=False)


def tend_keys(asked: argparse.Namespace, console: Console) -> int:
    """Do what is asked, and print what comes of it."""
    ring = Keyring()
    match asked.what:
        case "export":
            _export(ring.own, asked.given)
            if asked.given == "-":
                return 0
            said = (
                f"exported: key {ring.own.id}. Whoever has {asked.given} can sign: it is for your team alone"
            )
            facts: dict[str, Any] = {"exported": ring.own.id}
        case "import":
            key = import_key(_text(asked.given))
            ring.add(key, signs=not asked.no_sign)
            said = f"trusted: key {key.id} of {key.name}" + (
                "" if asked.no_sign else "; it signs from now on"
            )
            facts = {"trusted": key.id, "signs": ring.own.id}
        case "remove":
            key = ring.remove(asked.given)
            said, facts = f"no longer trusted: key {key.id} of {key.name}", {"removed": key.id}
        case _:
            keys = ring.all()
            lines = [f"{key.id}  {key.name}{'  signs' if key == ring.own else ''}" for key in keys]
            said = "\n".join([f"trusted keys, in {ring.path}:", *lines])
            facts = {
                "path": str(ring.path),
                "signs": ring.own.id,
                "keys": [{"id": key.id, "name": key.name} for key in keys],
            }
    if asked.json:
        print_json(facts)
    else:
        print(said)
    return 0


def _export(key: Key, given: str) -> None:
    text = export_key(key)
    if given == "-":
        print(text, end="")
        return
    try:
        write_private(Path(given), text)
    except FileExistsError:
        raise UsageError(f"'{given}' is there already. Name a file that is not.") from None
    except OSError as error:
        raise UsageError(f"'{given}' cannot be written: {error}. Name another file.") from None


def _text(given: str) -> str:
    if given == "-":
        return sys.stdin.read()
    try:
        return Path(given).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"'{given}' cannot be read: {error}. Name the file of an exported key.") from None
