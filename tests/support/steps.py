"""Runs specs on a real fork server and gathers what comes back."""

from __future__ import annotations

import itertools
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_mlpipe.execution.process.client import StepServer
from jupyter_mlpipe.execution.process.shown import Shown
from jupyter_mlpipe.execution.process.spec import StepSpec
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.store import Store, open_store

_numbers = itertools.count()


@dataclass
class Ended:
    """What one step gave."""

    messages: list[Any] = field(default_factory=list)

    @property
    def ended(self) -> Any:
        assert self.messages[-1]["type"] == "ended"
        return self.messages[-1]

    @property
    def error(self) -> Any:
        assert self.ended["status"] == "failed", self.ended
        return self.ended["error"]

    @property
    def record(self) -> Record:
        assert self.ended["status"] == "succeeded", self.ended
        return Record.from_json(self.ended["record"])

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """What was sent while the step ran, merged as a notebook would."""
        shown = Shown()
        for message in self.messages:
            if message["type"] == "output":
                shown.add(message["output"])
        return shown.to_list()

    @property
    def text(self) -> str:
        return "".join(output["text"] for output in self.outputs if output["output_type"] == "stream")


class Steps:
    """A fork server, a store and a folder."""

    def __init__(self, folder: Path) -> None:
        self.server = StepServer()
        self.folder = folder
        self.store: Store = open_store(folder / ".store")

    def spec(self, code: str, **options: Any) -> StepSpec:
        settled: dict[str, Any] = {
            "step": "fit",
            "key": uuid.uuid4().hex * 2,
            "title": "Cell In[5]",
            "store": str(self.store.root),
            "folder": str(self.folder),
            "sys_path": tuple(sys.path),
        }
        return StepSpec(code=code, **settled | options)

    def run(self, code: str, **options: Any) -> Ended:
        ended = Ended()
        self.server.run(f"t{next(_numbers)}", self.spec(code, **options).to_bytes(), ended.messages.append)
        return ended

    def value(self, ended: Ended, name: str) -> Any:
        return self.store.get_value(ended.record.outputs[name])

    def artifact(self, value: object) -> Artifact:
        return self.store.put_value(value)
