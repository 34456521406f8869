"""Steps that run by themselves when something has changed: ``%pipeline auto on``.

Such a run changes nothing in the notebook before it has ended. Then its results are bound all together,
between two cells, and only if nothing that they were made of has changed meanwhile: a cell never sees names
of two states of the pipeline, and no name changes while a cell runs. One that is dropped leaves what it
finished in the store, where the next one finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.cells.units import parse_duration
from jupyter_mlpipe.errors import MLPipeError, StepError, UsageError
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.notebook.following.fitting import Choice, choose
from jupyter_mlpipe.notebook.following.marks import io_loop
from jupyter_mlpipe.notebook.running.config import known_budget, known_level
from jupyter_mlpipe.notebook.running.standing import Look
from jupyter_mlpipe.notebook.show.stale import stale_facts
from jupyter_mlpipe.notebook.steps.wish import is_as_it_ran, wish_of

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

_PAUSE_S = 0.2  # after a plan: what changes again meanwhile has not been run for


class Auto:
    """What becomes of stale steps; all of it in the main thread.

    Attributes
    ----------
    level
        ``off``, ``mark`` or ``on``.
    budget_s
        What runs by itself after a change takes so long at most, all steps together.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.level: str = "mark"
        self.budget_s = 5.0
        self._run: Run | None = None
        self._is_dropped = False
        self._wishes: dict[str, str] = {}  # what the steps of the run were made of when it was started
        self._seen: dict[str, str] = {}  # what all steps were made of the last time
        self._n_cells = 0
        self._spent_s = 0.0  # since something changed
        self._tried: set[str] = set()  # since something changed, or a cell was run
        self._is_stopped = False  # the user has: until something changes
        self._by_hand: list[Run] = []
        self._timer: object | None = None
        self.problem = ""

    def use(self, level: str | None = None, budget: str | None = None) -> None:
        """Choose a level, and what may run by itself.

        Raises
        ------
        UsageError
            There is no such level, or the budget is no duration.
        """
        if level is not None:
            known_level(level)
        if level == "on" and getattr(self._session.shell, "kernel", None) is None:
            raise UsageError("Steps run by themselves in a Jupyter kernel only: between two cells.")
        if budget is not None:
            self.budget_s = parse_duration(known_budget(budget))
        # On the command line nobody moves anything: cells run, and that is all.
        self.level = level or self.level if not self._session.headless.active else "off"
        self._spent_s = 0.0
        if self.level != "on":
            self._drop()
        self._by_hand = [run for run in self._session.runs.live if run.status == "running"]
        self._session.marks.act(self._act if self.level == "on" else None)

    def close(self) -> None:
        """Run nothing any more."""
        self.level = "off"
        self._drop()

    def note_launch(self, run: Run) -> None:
        """Note that a run was started by hand: it goes first."""
        if run.status != "running":
            return
        # Nobody else may look for hours, and what has ended must not be kept until then.
        self._by_hand = [other for other in self._by_hand if other.status == "running"]
        self._by_hand.append(run)
        run.subscribe(lambda kind, step, payload: self._session.marks.request() if kind == "end" else None)
        if self._run is not None and self._run.status == "running":
            known = {name: wish_of(step.task) for name, step in run.steps.items()}
            if not known.items() <= self._wishes.items():
                self._drop()  # else it only waits for what is on its way

    def choose(self, look: Look, *, is_new: bool = False) -> Choice:
        """Say what of a plan would run by itself.

        Parameters
        ----------
        is_new
            Whether to take it as the first plan since something changed.
        """
        if look.plan is None:
            return Choice()
        plan, states = look.plan, self._session.states

        def refuses(name: str) -> str:
            if name in self._tried and not is_new:
                return "has run by itself, and is stale again"
            run = states.run_of(name)
            if run is None or run.steps[name].status not in ("failed", "cancelled"):
                return ""
            then = {n: step.task for n, step in run.steps.items()}
            return f"{run.steps[name].status}, as it is" if is_as_it_ran(name, plan.tasks, then) else ""

        left_s = self.budget_s - (0.0 if is_new else self._spent_s)
        return choose(look.snapshot.steps, plan.tasks, left_s, refuses)

    def facts(self) -> dict[str, Any]:
        """Say the level, the budget, what is stale, and what of that runs by itself; makes a plan."""
        self._session.collect()
        look = self._session.standing.look()
        choice = self.choose(look, is_new=True)
        stale = stale_facts(look.snapshot)
        budget = describe_seconds(self.budget_s)
        parts = [f"auto {self.level}" + (f", budget {budget}" if self.level == "on" else "")]
        parts.append(stale["text"] or "nothing is stale")
        if choice.steps:
            would = "runs by itself" if self.level == "on" else f"with on (budget {budget}), runs by itself"
            parts.append(f"{would}: {', '.join(choice.steps)}, about {describe_seconds(choice.seconds)}")
        parts += [f"not by itself: {name} ({why})" for name, why in choice.left.items()]
        if self.problem:
            parts.append(f"the last time: {self.problem}")
        return {
            "kind": "auto",
            "level": self.level,
            "budget_s": self.budget_s,
            "stale": stale,
            "runs": list(choice.steps),
            "left": dict(choice.left),
            "text": "\n".join(parts),
        }

    # -- between cells ---------------------------------------------------------------------------

    def _act(self, look: Look) -> None:
        """Do what a plan asks for: drop what nobody wants now, bind what has ended, start what is stale."""
        self._stop_timer()
        if look.plan is None:
            return
        marks = self._session.marks
        wishes = {name: wish_of(task) for name, task in look.plan.tasks.items()}
        run = self._run
        if run is not None:
            is_as_begun = self._wishes.items() <= wishes.items()
            if run.status == "running":
                if not is_as_begun:
                    self._drop()
                return
            self._run = None
            if self._is_wanted(run) and is_as_begun:
                self._spent_s += sum(s.seconds or 0.0 for s in run.steps.values() if s.status == "succeeded")
                self._session.bind_by_itself(run)
                marks.request()
                return
            self._is_stopped = run.status == "cancelled" and not self._is_dropped
        if wishes != self._seen:
            self._seen, self._spent_s, self._is_stopped = wishes, 0.0, False
            self._tried.clear()
        elif marks.n_cells != self._n_cells:
            self._tried.clear()
        self._n_cells = marks.n_cells
        self._by_hand = [other for other in self._by_hand if other.status == "running"]
        if self._is_stopped or any(not other.is_detached for other in self._by_hand):
            return
        choice = self.choose(look)
        if choice.steps:
            loop = io_loop(self._session.shell)
            self._timer = loop.call_later(_PAUSE_S, self._start, choice.steps, marks.n_cells)

    def _start(self, steps: tuple[str, ...], n_cells: int) -> None:
        self._timer = None
        session = self._session
        if session.marks.is_busy or session.marks.n_cells != n_cells or self.level != "on":
            return  # the plan that follows says what to do
        self._tried.update(steps)
        self._is_dropped = False
        self.problem = ""
        try:
            with session.shell.builtin_trap:
                self._run = session.launch_by_itself(steps)
        except MLPipeError as error:
            self.problem = str(error)
            return
        self._wishes = {name: wish_of(step.task) for name, step in self._run.steps.items()}
        session.marks.follow(self._run, is_bound=False)

    def _is_wanted(self, run: Run) -> bool:
        """Tell whether what a run gave is the notebook's; what no step has to answer for is not."""
        errors = [step.error for step in run.steps.values() if step.error is not None]
        self.problem = next((str(error) for error in errors if not isinstance(error, StepError)), "")
        return run.status in ("succeeded", "failed") and not self._is_dropped and not self.problem

    def _drop(self) -> None:
        """End the run that nobody wants any more; what it has finished stays in the store."""
        self._stop_timer()
        if self._run is not None and self._run.status == "running":
            self._is_dropped = True
            self._run.cancel()
        # It is looked at once more when it has ended, if anything may still run by itself.
        if self.level != "on":
            self._run = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            io_loop(self._session.shell).remove_timeout(self._timer)
            self._timer = None
