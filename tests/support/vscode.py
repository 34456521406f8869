"""What VS Code makes of a kernel's messages, as far as displays go: the outputs that it saves.

After `cellExecutionMessageHandler.ts`, `cellDisplayIdTracker.ts` and `cellExecutionCreator.ts` in
`src/kernels/execution` of vscode-jupyter 2026.6.1 (https://github.com/microsoft/vscode-jupyter, MIT licence).
What these tell the editor is applied in order; that a cell was cleared they may hear at any time after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Message = Mapping[str, Any]

_OUTPUTS = ("stream", "error", "display_data", "execute_result")


@dataclass(eq=False)
class _Output:
    data: Mapping[str, Any]


@dataclass
class VSCodeCell:
    """A cell: the outputs that the editor has, and the displays that the extension knows it by."""

    outputs: list[_Output] = field(default_factory=list)
    _tracked: dict[str, _Output] = field(default_factory=dict)
    _last: str | None = None
    _clears_next: bool = False

    @property
    def saved(self) -> list[Mapping[str, Any]]:
        return [output.data for output in self.outputs]

    def run(self, messages: Iterable[Message]) -> None:
        """Take what one execution sends, where the extension has heard in time that the cell was cleared."""
        self.begin()
        self.hear_of_clear()
        for message in messages:
            self.take(message)

    def begin(self) -> None:
        """Clear the cell, on the first message of an execution (`NotebookCellExecutionWrapper.start`)."""
        self.outputs, self._clears_next = [], False

    def hear_of_clear(self) -> None:
        """Hear that the cell was cleared (`CellOutputDisplayIdTracker.activate`)."""
        if self._last is not None:
            self._tracked.pop(self._last, None)
            self._last = None

    def take(self, message: Message) -> None:
        kind, content = message["header"]["msg_type"], message["content"]
        display = content.get("transient", {}).get("display_id")
        if kind in _OUTPUTS:
            output = _Output(content.get("data", content))
            # What is cleared for an output is cleared with it: the editor tells of one change only.
            self.outputs = [output] if self._clears_next else [*self.outputs, output]
            self._clears_next = False
            if display:
                self._track(display, output)
        elif kind == "update_display_data" and display in self._tracked:
            output = self._tracked[display]
            if output.data != content["data"]:
                output.data = content["data"]  # seen only where the editor still has it
                self._track(display, output)
        elif kind == "clear_output":
            assert content["wait"], "not known here"
            self._clears_next = True

    def _track(self, display: str, output: _Output) -> None:
        self._tracked[display] = output
        self._last = display


def turns(messages: Iterable[Message]) -> list[list[Message]]:
    """Return the messages of displays in groups between which the editor can be heard.

    What has come together is taken without a pause (`rawSocket.node.ts`), as are a word on a display and one
    on another right behind it.
    """
    taken: list[list[Message]] = []
    for message in messages:
        kind, content = message["header"]["msg_type"], message["content"]
        if kind not in (*_OUTPUTS, "update_display_data", "clear_output"):
            continue
        display = content.get("transient", {}).get("display_id")
        before = taken[-1][-1]["content"].get("transient", {}).get("display_id") if taken else None
        if kind == "update_display_data" and before not in (None, display) and len(taken[-1]) == 1:
            taken[-1].append(message)
        else:
            taken.append([message])
    return taken
