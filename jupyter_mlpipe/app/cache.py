"""``jupyter mlpipe cache``: looks after a store; starts no kernel."""

from __future__ import annotations

import argparse

from rich.console import Console

from jupyter_mlpipe.app.report import print_answer
from jupyter_mlpipe.app.stores import add_store, open_asked
from jupyter_mlpipe.cells.cache_words import add_cache_words, cache_arguments
from jupyter_mlpipe.store.cache import Cache
from jupyter_mlpipe.store.tables import ask_cache


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the words of ``cache`` to the command line."""
    common = argparse.ArgumentParser(add_help=False)
    add_store(common)
    add_cache_words(parser, common)
    parser.set_defaults(command=tend_store)


def tend_store(asked: argparse.Namespace, console: Console) -> int:
    """Do what is asked, and print what comes of it."""
    answer = ask_cache(Cache(open_asked(asked)), asked.what, **cache_arguments(asked))
    print_answer(answer, is_json=asked.json)
    return 0 if answer.is_well else 1
