"""``%pipeline``: each subcommand parses its words, calls the session and shows the answer."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from jupyter_mlpipe.cells.adopt import advise
from jupyter_mlpipe.cells.cache_words import add_cache_words, cache_arguments
from jupyter_mlpipe.errors import UsageError, close_matches
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.model.resources import describe_amounts
from jupyter_mlpipe.notebook.accepting import accepted_facts, accepted_of, why
from jupyter_mlpipe.notebook.config import MODES
from jupyter_mlpipe.notebook.graphfile import write_graph
from jupyter_mlpipe.notebook.live import LiveGraph
from jupyter_mlpipe.notebook.output import MIME, CellOutput
from jupyter_mlpipe.notebook.parameters import check_known, parse_overrides
from jupyter_mlpipe.notebook.planview import plan_bundle, why_bundle
from jupyter_mlpipe.notebook.session import Session
from jupyter_mlpipe.notebook.views import (
    accepted_bundle,
    adopt_bundle,
    said_bundle,
    status_bundle,
    table_bundle,
)
from jupyter_mlpipe.store.tables import ask_cache

HELP = {
    "show": "draw the pipeline with the state of each step",
    "plan": "say for each step whether it would run or be reused, and why",
    "run": "start a run without blocking; returns a Run",
    "status": "list the steps with their state",
    "why": "say why a step ran the last time, and whether it would run now",
    "accept": "let the kept result of a step count for its edited code: the edit changes nothing",
    "cancel": "cancel what runs",
    "load": "bind outputs of steps in the notebook at once",
    "remove": "forget a component; its results stay in the store",
    "mode": f"what running a component's cell does: {', '.join(MODES)}",
    "cache": "look after the store: ls, verify, prune, pin, unpin",
    "adopt": "say which of the cells that have run are worth a %%component line, and why",
    "cluster": "show the cluster, or choose another: local, an address, a scheduler file",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}. {self.format_usage().strip()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise UsageError((message or "").strip())

    def print_help(self, file: Any = None) -> None:
        raise UsageError(self.format_help())


def run_command(session: Session, line: str) -> Any:
    """Do what ``%pipeline LINE`` says; returns the value of the magic.

    Raises
    ------
    UsageError
        The line cannot be understood.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%pipeline {line}: {error}. Close the quote.") from None
    name, *rest = words or ["show"]
    if name in ("help", "--help", "-h", "?"):
        raise UsageError(help_text())
    if name not in HELP:
        raise UsageError(f"%pipeline has no '{name}'.{close_matches(name, HELP)} It has: {', '.join(HELP)}.")
    parser = _Parser(prog=f"%pipeline {name}", description=HELP[name], allow_abbrev=False)
    command: Callable[[Session, _Parser, list[str]], Any] = globals()[f"_{name}"]
    return command(session, parser, rest)


def help_text() -> str:
    """Return what ``%pipeline help`` prints."""
    return "\n".join(["%pipeline", *(f"  {name:<8} {words}" for name, words in HELP.items())])


def _show(session: Session, parser: _Parser, words: list[str]) -> None:
    parser.add_argument("--output", metavar="FILE", help="write a .svg, .png, .dot or .html file instead")
    asked = parser.parse_args(words)
    if not session.registry.placed:
        raise UsageError("There is no pipeline yet: put %%component NAME on top of a cell and run it.")
    snapshot = session.snapshot()
    if not asked.output:
        live = _live_graph(session, follows_all=True)
        for run in session.runs.live:
            run.subscribe(live.listen)
        session.background.add(live.begin(session.runs.live, snapshot))
        return
    write_graph(snapshot, Path(asked.output))


def _plan(session: Session, parser: _Parser, words: list[str]) -> Any:
    _add_run_options(parser)
    asked = parser.parse_args(words)
    session.settle()
    plan = session.plan(
        _targets(session, asked), params=_overrides(session, asked.param), force=asked.force or ()
    )
    CellOutput(session.shell).display(plan_bundle(plan))


def _run(session: Session, parser: _Parser, words: list[str]) -> Any:
    _add_run_options(parser)
    asked = parser.parse_args(words)
    targets = _targets(session, asked)
    params = _overrides(session, asked.param)
    if asked.only:
        _check_only(session, asked.only, params)
    live = _live_graph(session)
    with session.here.aside():
        return session.start(
            targets,
            params=params,
            force=asked.force or (),
            listener=live.listen,
            begin=lambda run: session.background.add(live.begin([run])),
        )


def _live_graph(session: Session, *, follows_all: bool = False) -> LiveGraph:
    # Programs that run notebooks name no cell; a front end does, and only it can show what is live.
    cell_id = session.cell_id
    return LiveGraph(
        CellOutput(session.shell),
        session.link if cell_id is not None else None,
        cell_id=cell_id,
        follows_all=follows_all,
        saved=session.headless.active,
    )


def _status(session: Session, parser: _Parser, words: list[str]) -> None:
    parser.parse_args(words)
    session.settle()
    CellOutput(session.shell).display(status_bundle(session.snapshot(plan=False)))


def _why(session: Session, parser: _Parser, words: list[str]) -> None:
    parser.add_argument("step")
    name = parser.parse_args(words).step
    session.registry.check(name)
    session.settle()
    CellOutput(session.shell).display(why_bundle(why(session, name)))


def _accept(session: Session, parser: _Parser, words: list[str]) -> None:
    parser.add_argument("step", nargs="?", help="without it, list what is accepted")
    parser.add_argument("--revoke", action="store_true", help="take back what was accepted for the step")
    asked = parser.parse_args(words)
    output = CellOutput(session.shell)
    if asked.step is None:
        if asked.revoke:
            raise UsageError("%pipeline accept --revoke: say for which STEP.")
        output.display(accepted_bundle(accepted_of(session)))
        return
    session.settle()
    facts = accepted_facts(session, asked.step, takes_back=asked.revoke)
    output.display(said_bundle(facts["text"], facts))


def _cancel(session: Session, parser: _Parser, words: list[str]) -> None:
    parser.parse_args(words)
    if not session.runs.cancel():
        raise UsageError("Nothing is running.")


def _load(session: Session, parser: _Parser, words: list[str]) -> None:
    parser.add_argument("names", nargs="+")
    session.load(parser.parse_args(words).names)


def _remove(session: Session, parser: _Parser, words: list[str]) -> None:
    parser.add_argument("step")
    session.remove(parser.parse_args(words).step)


def _mode(session: Session, parser: _Parser, words: list[str]) -> str | None:
    parser.add_argument("mode", nargs="?")
    asked = parser.parse_args(words).mode
    if asked is None:
        return session.mode
    session.set_mode(asked)
    return None


def _cluster(session: Session, parser: _Parser, words: list[str]) -> None:
    parser.add_argument("target", nargs="?")
    asked = parser.parse_args(words).target
    if asked is not None:
        value = session.shell.user_ns.get(asked, asked) if asked.isidentifier() else asked
        session.backend.use_cluster(value)
        return
    workers = session.backend.workers
    rows = [(name, describe_amounts(amounts)) for name, amounts in workers.items()]
    head = f"cluster: {len(rows)} workers" if rows else "no cluster yet: one starts when a step has to run"
    facts = {"kind": "cluster", "workers": {name: dict(amounts) for name, amounts in workers.items()}}
    CellOutput(session.shell).display(table_bundle(head, ("worker", "offers"), rows, facts))


def _cache(session: Session, parser: _Parser, words: list[str]) -> None:
    add_cache_words(parser, argparse.ArgumentParser(add_help=False))
    asked = parser.parse_args(words)
    answer = ask_cache(session.cache, asked.what, **cache_arguments(asked))
    if asked.json:
        print(json.dumps(answer.facts))
        return
    facts = {"kind": "cache", "what": asked.what, "answer": answer.facts}
    CellOutput(session.shell).display(table_bundle(answer.head, answer.columns, answer.rows, facts))


def _adopt(session: Session, parser: _Parser, words: list[str]) -> None:
    parser.add_argument("--all", action="store_true", help="also cells that are quick or only show something")
    asked = parser.parse_args(words)
    cells = session.cells_run.cells()
    if not cells:
        raise UsageError("No cell has run yet: run the notebook, then %pipeline adopt.")
    advice = advise([cell.seen for cell in cells], all_cells=asked.all, taken=tuple(session.registry.placed))
    CellOutput(session.shell).display(adopt_bundle(cells, advice))


def _add_run_options(parser: _Parser) -> None:
    parser.add_argument("targets", nargs="*", metavar="STEP", help="steps to reach; all by default")
    parser.add_argument("-p", "--param", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--force", action="append", metavar="STEP", help="run it though it could be reused")
    parser.add_argument("--only", metavar="STEP", help="run this step alone; those above must be reusable")
    parser.add_argument("--from", dest="start", metavar="STEP", help="run this step and all below it")


def _targets(session: Session, asked: argparse.Namespace) -> list[str] | None:
    chosen = [bool(asked.targets), asked.only is not None, asked.start is not None]
    if sum(chosen) > 1:
        raise UsageError("Give steps, --only STEP or --from STEP, not several of them.")
    if asked.only:
        session.registry.check(asked.only)
        return [asked.only]
    if asked.start:
        session.registry.check(asked.start)
        return graph.descendants(session.registry.upstream(), [asked.start])
    return asked.targets or None


def _check_only(session: Session, only: str, params: dict[str, Any]) -> None:
    stale = [
        step.step
        for step in session.plan([only], params=params).values()
        if step.step != only and step.decision != "reuse"
    ]
    if stale:
        raise UsageError(
            f"--only {only}: above it, {', '.join(stale)} would have to run first. "
            f"Run them too: %pipeline run {only}"
        )


def _overrides(session: Session, pairs: list[str]) -> dict[str, Any]:
    overrides = parse_overrides(pairs)
    check_known(overrides, session.registry.parameter_names())
    return dict(overrides)


__all__ = ["HELP", "MIME", "help_text", "run_command"]
