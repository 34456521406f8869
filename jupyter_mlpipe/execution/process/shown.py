"""The outputs of a cell, kept as a notebook would hold them; of very long texts, beginning and end."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator

from jupyter_mlpipe.execution.process.outputs import Output, stream_output

HEAD_CHARS = TAIL_CHARS = 4_000_000
"""How much text is kept from the beginning and from the end."""
_PIECE_CHARS = 1024
OUTPUT_CHARS = 500
"""How much an output counts beside its text."""
_LEFT_OUT = "\n[{:,} characters are left out here]\n"

_NOTHING: Output = {"output_type": "", "name": ""}


class Shown:
    """The outputs as a notebook would hold them: streams merged, clears and updates applied.

    Of text, the first `HEAD_CHARS` and about as much of the last are kept, and a word on what is not.
    """

    def __init__(self) -> None:
        # By number, in order: so that one can be taken out of the middle.
        self._outputs: dict[int, Output] = {}
        self._numbers = itertools.count()
        self._clear_waits = False
        self._forget_text()

    def _forget_text(self) -> None:
        self._head = self._tail = 0  # how much is kept of each, in characters
        self._n_left_out = 0
        self._may_go: deque[tuple[int, str, int]] = deque()  # of which output, the text, how much it counts

    @property
    def is_short(self) -> bool:
        """Whether it is the whole text, and has been shown as a whole as it came."""
        return self._head < HEAD_CHARS

    def __bool__(self) -> bool:
        return bool(self._outputs)

    def add(self, output: Output) -> None:
        kind = output["output_type"]
        if kind == "clear_output":
            if output.get("wait"):
                self._clear_waits = True
            else:
                self._clear()
            return
        if kind == "update_display_data":
            self._update(output)
            return
        if self._clear_waits:
            self._clear()
            self._clear_waits = False
        if kind != "stream":
            self._outputs[next(self._numbers)] = dict(output)
        else:
            self._add_text(output["name"], output["text"])

    def _clear(self) -> None:
        self._outputs.clear()
        self._forget_text()

    def _add_text(self, name: str, text: str) -> None:
        in_head = self._head < HEAD_CHARS
        if in_head and len(text) > (room := HEAD_CHARS - self._head):
            self._add_text(name, text[:room])
            self._add_text(name, text[room:])
            return
        if not in_head and not self._may_go and not self._n_left_out:
            # The word on what is left out stands here.
            self._outputs[next(self._numbers)] = {"output_type": "stream", "name": name, "pieces": None}
        number, last = next(reversed(self._outputs.items()), (0, _NOTHING))
        weight = len(text)
        if last["output_type"] != "stream" or last["name"] != name or last["pieces"] is None:
            number = next(self._numbers)
            last = self._outputs[number] = {"output_type": "stream", "name": name, "pieces": deque()}
            weight += OUTPUT_CHARS
        pieces = last["pieces"]
        # Few pieces rather than many small ones.
        grows = bool(pieces) and len(pieces[-1]) < _PIECE_CHARS and (in_head or bool(self._may_go))
        if grows:
            pieces[-1] += text
        else:
            pieces.append(text)
        if in_head:
            self._head += weight
            return
        self._tail += weight
        if grows:
            _, _, before = self._may_go.pop()
            weight += before
        self._may_go.append((number, pieces[-1], weight))
        while self._tail - self._may_go[0][2] >= TAIL_CHARS:
            self._leave_out(*self._may_go.popleft())

    def _leave_out(self, number: int, text: str, weight: int) -> None:
        self._tail -= weight
        self._n_left_out += len(text)
        pieces = self._outputs[number]["pieces"]
        pieces.popleft()
        if not pieces:
            del self._outputs[number]

    def _update(self, output: Output) -> None:
        display_id = output.get("transient", {}).get("display_id")
        for shown in self._outputs.values():
            if display_id is not None and shown.get("transient", {}).get("display_id") == display_id:
                shown["data"], shown["metadata"] = output["data"], output["metadata"]

    def to_list(self) -> list[Output]:
        """Return outputs as nbformat has them, with the ids by which later cells may update them."""
        outputs: list[Output] = []
        for output in list(self._outputs.values()):
            if output["output_type"] != "stream":
                outputs.append(dict(output))
                continue
            pieces = output["pieces"]
            if pieces is None and not self._n_left_out:
                continue
            text = _LEFT_OUT.format(self._n_left_out) if pieces is None else "".join(list(pieces))
            last = outputs[-1] if outputs else {}
            if last.get("output_type") == "stream" and last["name"] == output["name"]:
                last["text"] += text
            else:
                outputs.append(stream_output(output["name"], text))
        return outputs

    def texts(self) -> Iterator[str]:
        """Give the text that is kept."""
        for output in self._outputs.values():
            if output["output_type"] == "stream":
                yield from output["pieces"] or ()
