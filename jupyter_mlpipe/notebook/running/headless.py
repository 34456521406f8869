"""Running without a front end: what the command line asks of the kernel, and what it is told."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.model.headless import COMM_TARGET, VARIABLE
from jupyter_mlpipe.notebook.steps.parameters import Text

if TYPE_CHECKING:
    from jupyter_mlpipe.execution.runs.run import Run


@dataclass(slots=True)
class Headless:
    """What `VARIABLE` asks for, as JSON.

    Parameters
    ----------
    runs_on_read
        Reading an output of a step that was only registered runs that step.
    targets
        Steps that run in the background whatever the mode: those that the user wants.
    """

    active: bool = False
    mode: str = ""
    parameters: dict[str, Text] = field(default_factory=dict)
    force: set[str] = field(default_factory=set)
    runs_on_read: bool = False
    targets: frozenset[str] = frozenset()
    _comm: Any = None

    @classmethod
    def from_environment(cls) -> Headless:
        """Return what the environment asks for; nothing in an ordinary notebook."""
        given = os.environ.get(VARIABLE)
        if not given:
            return cls()
        asked = json.loads(given)
        return cls(
            active=True,
            mode=asked.get("mode", ""),
            parameters={name: Text(value) for name, value in asked.get("parameters", {}).items()},
            force=set(asked.get("force", ())),
            runs_on_read=bool(asked.get("runs_on_read")),
            targets=frozenset(asked.get("targets", ())),
        )

    def watch(self, run: Run) -> None:
        """Tell the command line of each change of a run."""
        if not self.active:
            return

        def tell(kind: str, step: str, payload: Any) -> None:
            if kind != "output":
                self._send({"kind": "run", "run": run.id, "snapshot": run.snapshot().to_json()})

        run.subscribe(tell)
        tell("status", "", None)

    def _send(self, message: dict[str, Any]) -> None:
        if self._comm is None:
            from comm import create_comm

            self._comm = create_comm(target_name=COMM_TARGET, data={})
        self._comm.send(message)
