"""What the browser asks of a graph: the state, a step's details, to stop, to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.model import graph as pipeline
from jupyter_mlpipe.notebook.page.comparing import compared_facts, past_facts, runs_facts
from jupyter_mlpipe.notebook.page.stepview import step_detail
from jupyter_mlpipe.notebook.show.live import LiveGraph

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

_HOWS = ("all", "only", "to", "from", "force", "stale")


class Asks:
    """Answers from whatever thread hears it: the kernel may be busy."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def answer(self, graph: LiveGraph, asked: Mapping[str, Any]) -> None:
        """Do what is asked; what is not known is left alone, for the page may be of another version."""
        what = asked.get("do")
        if what == "hello":
            graph.tell_all()
        elif what == "drawing":
            graph.send({"drawing": graph.drawing()})
        elif what == "stop":
            if not self._session.runs.cancel():
                graph.say("Nothing is running")
        elif what == "step":
            name = str(asked.get("step"))
            try:
                graph.send({"step": name, "detail": step_detail(self._session, graph, name)})
            except MLPipeError as error:
                graph.say(str(error))
        elif what == "close":
            graph.watch(None)
        elif what == "cancel":
            name = str(asked.get("step"))
            if not self._session.runs.cancel(name):
                graph.say(f"Nothing runs '{name}'")
        elif what == "fold":
            graph.fold(str(group) for group in asked.get("groups") or ())
        elif what == "runs":
            graph.send({"runs": runs_facts(self._session.backend.store, self._session.name)})
        elif what == "past":
            self._show_run(graph, str(asked.get("run")))
        elif what == "compare":
            self._compare(graph, asked.get("runs"))
        elif what == "run" and asked.get("how") in _HOWS:
            # Heard in whatever thread, it starts in the main one, between cells.
            loop = self._session.shell.kernel.io_loop
            loop.add_callback(self._run, graph, str(asked.get("how")), asked.get("step"))

    def _show_run(self, graph: LiveGraph, run: str) -> None:
        try:
            graph.send({"past": past_facts(self._session.backend.store, run)})
        except MLPipeError as error:
            graph.say(str(error))

    def _compare(self, graph: LiveGraph, runs: object) -> None:
        try:
            before, now = runs if isinstance(runs, list) and len(runs) == 2 else ("", "")
            graph.send({"compared": compared_facts(self._session.backend.store, str(before), str(now))})
        except MLPipeError as error:
            graph.say(str(error))

    def _run(self, graph: LiveGraph, how: str, step: object) -> None:
        """Start a run, and show it in the graph that it was asked for in."""
        session = self._session
        try:
            targets, force = choose(session, how, step)
            with session.here.aside():
                session.start(
                    targets,
                    force=force,
                    begin=lambda run: session.background.add(graph.follow(run)),
                    as_made=how == "stale",
                )
            graph.say("")
        except MLPipeError as error:
            graph.say(str(error))


def choose(session: Session, how: str, step: object) -> tuple[list[str] | None, list[str]]:
    """Return what to run, None for all, and what of it to force."""
    if how == "all":
        return None, []
    if how == "stale":
        return session.standing.stale_steps(), []
    name = str(step)
    session.registry.check(name)
    targets = [name]
    if how == "only":
        session.standing.check_only(name)
    if how == "from":
        targets = pipeline.descendants(session.registry.upstream(), targets)
    return targets, targets if how == "force" else []
