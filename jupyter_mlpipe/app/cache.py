"""``jupyter mlpipe cache``: looks after a store; starts no kernel."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jupyter_mlpipe.app.report import print_json, print_table
from jupyter_mlpipe.cells.cache_words import add_cache_words, cache_arguments
from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.store.cache import Cache
from jupyter_mlpipe.store.place import find_store, is_remote
from jupyter_mlpipe.store.store import open_store
from jupyter_mlpipe.store.tables import ask_cache


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the words of ``cache`` to the command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--store",
        metavar="FOLDER|ADDRESS",
        help="the store; MLPIPE_STORE without it, else the .mlpipe of this folder or of those above it",
    )
    add_cache_words(parser, common)
    parser.set_defaults(command=tend_store)


def tend_store(asked: argparse.Namespace, console: Console) -> int:
    """Do what is asked, and print what comes of it."""
    address = asked.store or find_store(Path.cwd())
    if not is_remote(address) and not Path(address).expanduser().is_dir():
        raise UsageError(
            f"There is no store at '{address}'. Name it with --store or MLPIPE_STORE, or go to the "
            "notebook's folder."
        )
    answer = ask_cache(Cache(open_store(address)), asked.what, **cache_arguments(asked))
    if asked.json:
        print_json(answer.facts)
    else:
        print(answer.head)
        if answer.rows:
            table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
            for column in answer.columns:
                table.add_column(column, no_wrap=True)
            for row in answer.rows:
                table.add_row(*map(Text, row))
            print_table(table)
    return 0 if answer.is_well else 1
