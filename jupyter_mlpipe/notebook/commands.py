"""``%pipeline``: each subcommand parses its words, calls the session and shows the answer."""

from __future__ import annotations

import argparse
import codecs
import json
import shlex
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_mlpipe.cells.adopt import advise
from jupyter_mlpipe.cells.cache_words import add_cache_words, cache_arguments
from jupyter_mlpipe.errors import UsageError, close_matches
from jupyter_mlpipe.execution.process.outputs import stream_output
from jupyter_mlpipe.execution.process.shown import Shown
from jupyter_mlpipe.execution.runs.logs import save, text_of
from jupyter_mlpipe.execution.runs.past import find_entry, list_runs, tell_diff, tell_runs
from jupyter_mlpipe.notebook.accepting import accepted_facts, accepted_of, why
from jupyter_mlpipe.notebook.adoptview import adopt_bundle
from jupyter_mlpipe.notebook.commandwords import (
    OnlyReads,
    Parser,
    WordsRead,
    add_run_options,
    check_chosen,
    checked,
    overrides_of,
    step_of,
    targets_of,
)
from jupyter_mlpipe.notebook.debugging import NAME, Debugged, debug_step
from jupyter_mlpipe.notebook.logs import logs_of
from jupyter_mlpipe.notebook.page.before import changed_outputs
from jupyter_mlpipe.notebook.running.cluster import check_pools
from jupyter_mlpipe.notebook.running.config import LEVELS, MODES, known_budget, known_level, known_mode
from jupyter_mlpipe.notebook.running.pools import parse_pools
from jupyter_mlpipe.notebook.session import Session
from jupyter_mlpipe.notebook.show.clusterview import cluster_bundle, planned_bundle
from jupyter_mlpipe.notebook.show.graphfile import check_file, write_graph
from jupyter_mlpipe.notebook.show.live import LiveGraph
from jupyter_mlpipe.notebook.show.output import CellOutput
from jupyter_mlpipe.notebook.show.planview import plan_bundle, why_bundle
from jupyter_mlpipe.notebook.show.views import (
    accepted_bundle,
    said_bundle,
    status_bundle,
    table_bundle,
)
from jupyter_mlpipe.store.tables import Answer, ask_cache

HELP = {
    "show": "draw the pipeline with the state of each step",
    "plan": "say for each step whether it would run or be reused, and why",
    "run": "start a run without blocking; returns a Run",
    "status": "list the steps with their state",
    "why": "say why a step ran the last time, and whether it would run now",
    "accept": "let the kept result of a step count for its edited code: the edit changes nothing",
    "log": "print what steps printed, or write every line of it to a file: [STEP ...] [--output FILE]",
    "cancel": "cancel what runs, or a detached run",
    "attach": "find a detached run again: show it, live, and return it",
    "load": "bind outputs of steps in the notebook at once",
    "debug": "run a step's code here, on what the step saw, for %debug and breakpoint()",
    "remove": "forget a component; its results stay in the store",
    "auto": f"what becomes of stale steps: {', '.join(LEVELS)} [--budget 5s]",
    "mode": f"what running a component's cell does: {', '.join(MODES)}",
    "runs": "list the latest runs of this notebook",
    "diff": "say how two runs differ, step by step: parameters, metrics, what ran and why",
    "cache": "look after the store: ls, verify, prune, pin, unpin",
    "adopt": "say which of the cells that have run are worth a %%component line, and why",
    "cluster": "show the cluster in use, or choose one: local [--pool], an address, a scheduler file",
}


def run_command(session: Session, line: str) -> Any:
    """Do what ``%pipeline LINE`` says; returns the value of the magic.

    Raises
    ------
    UsageError
        The line cannot be understood.
    """
    command, name, words = _read(line)
    parser = Parser(prog=f"%pipeline {name}", description=HELP[name], allow_abbrev=False)
    return command(session, parser, words)


def check_command(session: Session, line: str) -> None:
    """Raise what `run_command` would, of a line that cannot be understood; nothing is done.

    Raises
    ------
    UsageError
        As `run_command` does.
    UnknownStepError, UnknownNameError, ParameterError
        It names a step, an output or a parameter that is not there, or not yet.
    """
    command, name, words = _read(line)
    with suppress(WordsRead):
        # Each of them reads its words before it does anything.
        command(session, OnlyReads(prog=f"%pipeline {name}", allow_abbrev=False), words)


def _read(line: str) -> tuple[Callable[[Session, Parser, list[str]], Any], str, list[str]]:
    """Return the subcommand of a line, its name and the words behind it."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%pipeline {line}: {error}. Close the quote.") from None
    name, *rest = words or ["show"]
    if name in ("help", "--help", "-h", "?"):
        raise UsageError(help_text())
    if name not in HELP:
        raise UsageError(f"%pipeline has no '{name}'.{close_matches(name, HELP)} It has: {', '.join(HELP)}.")
    return globals()[f"_{name}"], name, rest


def help_text() -> str:
    """Return what ``%pipeline help`` prints."""
    return "\n".join(["%pipeline", *(f"  {name:<8} {words}" for name, words in HELP.items())])


def _show(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument(
        "--output",
        type=checked(check_file),
        metavar="FILE",
        help="write a .svg, .png, .dot or .html file instead",
    )
    asked = parser.read(words)
    if not session.registry.placed:
        raise UsageError("There is no pipeline yet: put %%component NAME on top of a cell and run it.")
    snapshot = session.standing.snapshot()
    if not asked.output:
        live = _live_graph(session, follows_all=True)
        for run in session.runs.live:
            run.subscribe(live.listen)
        session.background.add(live.begin(session.runs.live, snapshot))
        return
    write_graph(snapshot, Path(asked.output))


def _plan(session: Session, parser: Parser, words: list[str]) -> Any:
    add_run_options(session, parser)
    asked = parser.read(words, check_chosen)
    session.settle()
    plan = session.standing.plan(
        targets_of(session, asked), params=overrides_of(session, asked.param), force=asked.force or ()
    )
    CellOutput(session.shell).display(plan_bundle(plan))


def _run(session: Session, parser: Parser, words: list[str]) -> Any:
    add_run_options(session, parser)
    parser.add_argument("--detach", action="store_true", help="in a process that outlives this kernel")
    asked = parser.read(words, check_chosen)
    targets = targets_of(session, asked)
    params = overrides_of(session, asked.param)
    if asked.only:
        session.standing.check_only(asked.only, params)
    live = _live_graph(session)
    with session.here.aside():
        return session.start(
            targets,
            params=params,
            force=asked.force or (),
            listener=live.listen,
            begin=lambda run: session.background.add(live.begin([run])),
            detach=asked.detach,
        )


def _attach(session: Session, parser: Parser, words: list[str]) -> Any:
    parser.add_argument("run", nargs="?", default="", metavar="RUN", help="its id, or how that begins")
    asked = parser.read(words)
    live = _live_graph(session)
    run = session.runs.attach(asked.run, live.listen)
    session.background.add(live.begin([run]))
    return run


def _live_graph(session: Session, *, follows_all: bool = False) -> LiveGraph:
    # Programs that run notebooks name no cell; a front end does, and only it can show what is live.
    cell_id = session.cell_id
    return LiveGraph(
        CellOutput(session.shell, session.decoy),
        session.link if cell_id is not None else None,
        cell_id=cell_id,
        way=session.way,
        follows_all=follows_all,
        subscribe=session.marks.subscribe if follows_all else None,
        saved=session.headless.active,
        **({"by_itself": session.runs.by_itself} if follows_all else {}),
        before=partial(changed_outputs, session) if cell_id is not None else None,
    )


def _status(session: Session, parser: Parser, words: list[str]) -> None:
    parser.read(words)
    session.settle()
    output = CellOutput(session.shell)
    output.display(status_bundle(session.standing.snapshot(plan=False)))
    for folder, text in session.runs.words_on_detached():
        output.display(said_bundle(text, {"kind": "detached", "run": folder.id}))


def _why(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument("step", type=step_of(session))
    name = parser.read(words).step
    session.settle()
    CellOutput(session.shell).display(why_bundle(why(session, name)))


def _log(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument(
        "steps", nargs="*", type=step_of(session), metavar="STEP", help="all that have run by default"
    )
    parser.add_argument("--output", metavar="FILE", help="write every line there, however many they are")
    asked = parser.read(words)
    if asked.output:
        save(logs_of(session, asked.steps), asked.output)
        return
    # Of very much a front end could not show more than the ends either.
    shown = Shown()
    for text in codecs.iterdecode(logs_of(session, asked.steps), "utf-8", "replace"):
        shown.add(stream_output("stdout", text))
    print(text_of(shown.to_list()), end="")


def _accept(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument("step", nargs="?", type=step_of(session), help="without it, list what is accepted")
    parser.add_argument("--revoke", action="store_true", help="take back what was accepted for the step")
    asked = parser.read(words, _check_revoked)
    output = CellOutput(session.shell)
    if asked.step is None:
        output.display(accepted_bundle(accepted_of(session)))
        return
    session.settle()
    facts = accepted_facts(session, asked.step, takes_back=asked.revoke)
    output.display(said_bundle(facts["text"], facts))


def _check_revoked(asked: argparse.Namespace) -> None:
    if asked.revoke and asked.step is None:
        raise UsageError("%pipeline accept --revoke: say for which STEP.")


def _cancel(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument("run", nargs="?", default="", metavar="RUN", help="a detached run by its id")
    asked = parser.read(words)
    if asked.run:
        session.runs.cancel_detached(asked.run)
    elif not session.runs.cancel():
        detached = [folder.id[:8] for folder in session.runs.detached()]
        words_on = [f" Run {run} goes on by itself: %pipeline cancel {run} ends it." for run in detached]
        raise UsageError(f"Nothing is running.{''.join(words_on)}")


def _load(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument("names", nargs="+", type=checked(session.check_outputs))
    session.load(parser.read(words).names)


def _remove(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument("step", type=step_of(session))
    session.components.remove(parser.read(words).step)


def _debug(session: Session, parser: Parser, words: list[str]) -> Debugged:
    parser.add_argument("step", type=step_of(session))
    parser.add_argument("--no-run", action="store_true", help="only bring what it reads")
    parser.add_argument("--as", dest="into", default=NAME, metavar="NAME", help=f"instead of {NAME}")
    asked = parser.read(words)
    return debug_step(session, asked.step, run=not asked.no_run, into=asked.into)


def _mode(session: Session, parser: Parser, words: list[str]) -> str | None:
    parser.add_argument("mode", nargs="?", type=known_mode)
    asked = parser.read(words).mode
    if asked is None:
        return session.mode
    session.set_mode(asked)
    return None


def _auto(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument("level", nargs="?", type=known_level, metavar="|".join(LEVELS))
    parser.add_argument(
        "--budget",
        type=known_budget,
        metavar="DURATION",
        help="what may run by itself after a change, in all",
    )
    asked = parser.read(words)
    if asked.level is not None or asked.budget is not None:
        session.auto.use(asked.level, asked.budget)
    facts = session.auto.facts()
    CellOutput(session.shell).display(said_bundle(facts["text"], facts))


def _cluster(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument("target", nargs="?", help="local, an address, a scheduler file or a Client")
    parser.add_argument(
        "--pool",
        action="append",
        metavar="NAME:AMOUNTS",
        help="with local: workers of one kind, such as cpu:workers=2,cpus=1,memory=2GB; may be repeated",
    )
    asked = parser.read(words, _check_pools_asked)
    output = CellOutput(session.shell)
    if asked.pool is not None:
        pools = parse_pools(asked.pool)
        shares, excess = check_pools(pools)
        session.backend.use_cluster("local", pools)
        output.display(planned_bundle(shares, excess))
    elif asked.target is not None:
        target = asked.target
        value = session.shell.user_ns.get(target, target) if target.isidentifier() else target
        session.backend.use_cluster(value)
        if target != "local":
            output.display(cluster_bundle(session.backend.account()))
    else:
        account, given = session.backend.account(), session.backend.pools
        excess = check_pools(given)[1] if account.workers and given else ""
        output.display(cluster_bundle(account, excess))


def _check_pools_asked(asked: argparse.Namespace) -> None:
    if asked.pool is None:
        return
    if asked.target != "local":
        raise UsageError(
            "--pool is for the cluster that we start: write %pipeline cluster local --pool "
            f"{asked.pool[0]}. Workers of a cluster that is there say of which pool they are: "
            'dask worker --resources "pool.gpu=1,GPU=1".'
        )
    parse_pools(asked.pool)


def _runs(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many; 20 by default")
    parser.add_argument("--all", action="store_true", help="of all notebooks that share the store")
    asked = parser.read(words)
    pipeline = None if asked.all else session.name
    _show_answer(session, "runs", tell_runs(list_runs(session.backend.store, pipeline, asked.limit)))


def _diff(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument("before", metavar="RUN")
    parser.add_argument("now", metavar="RUN")
    asked = parser.read(words)
    store = session.backend.store
    answer = tell_diff(find_entry(store, asked.before), find_entry(store, asked.now), store)
    _show_answer(session, "diff", answer)


def _show_answer(session: Session, kind: str, answer: Answer) -> None:
    facts = {"kind": kind, **answer.facts}
    CellOutput(session.shell).display(table_bundle(answer.head, answer.columns, answer.rows, facts))


def _cache(session: Session, parser: Parser, words: list[str]) -> None:
    add_cache_words(parser, argparse.ArgumentParser(add_help=False))
    asked = parser.read(words)
    answer = ask_cache(session.cache, asked.what, **cache_arguments(asked))
    if asked.json:
        print(json.dumps(answer.facts))
        return
    facts = {"kind": "cache", "what": asked.what, "answer": answer.facts}
    CellOutput(session.shell).display(table_bundle(answer.head, answer.columns, answer.rows, facts))


def _adopt(session: Session, parser: Parser, words: list[str]) -> None:
    parser.add_argument("--all", action="store_true", help="also cells that are quick or only show something")
    asked = parser.read(words)
    cells = session.cells_run.cells()
    if not cells:
        raise UsageError("No cell has run yet: run the notebook, then %pipeline adopt.")
    advice = advise([cell.seen for cell in cells], all_cells=asked.all, taken=tuple(session.registry.placed))
    CellOutput(session.shell).display(adopt_bundle(cells, advice))
