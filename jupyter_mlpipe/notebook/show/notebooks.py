"""Which notebook a request comes from: several may share a kernel, and copies have cells of the same ids.

Requests name the client that sends them, and not its notebook: the page says which notebook that is. Where no
page does, as without JupyterLab's extension, all clients count as one notebook.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping

_IN_NOTEBOOK = re.compile(r"(.*)@(\d+)", re.DOTALL)


def split_cell(cell_id: str) -> tuple[str, int]:
    """Return what a cell's notebook calls it, and the number of the notebook."""
    found = _IN_NOTEBOOK.fullmatch(cell_id)
    return (found[1], int(found[2])) if found is not None else (cell_id, 0)


class Notebooks:
    """Numbers the notebooks of a kernel, the first 0. Used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}  # client -> notebook
        self._by_path: dict[str, int] = {}
        self._has_run: set[str] = set()  # clients

    def run_cell(self, client: str, cell_id: str) -> str:
        """Return what the kernel calls a cell that a client runs."""
        with self._lock:
            self._has_run.add(client)
            return _joined(cell_id, self._numbers.get(client, 0))

    def cell(self, client: str, cell_id: str) -> str:
        """Return what the kernel calls a cell of a client's notebook."""
        return _joined(cell_id, self._numbers.get(client, 0))

    def shown_to(self, client: str, cell_id: str | None) -> str:
        """Return what a client's notebook calls a cell; empty where it is one of another notebook."""
        own, number = split_cell(cell_id or "")
        return own if number == self._numbers.get(client, 0) else ""

    def meet(self, client: str, path: str) -> None:
        """Take note of the notebook that a client shows, from now on."""
        with self._lock:
            number = self._by_path.get(path)
            if number is None:
                number = self._numbers.get(client)
                # It was renamed.
                self._by_path = {known: n for known, n in self._by_path.items() if n != number}
            if number is None:
                # What has run before anybody said where is of the first notebook.
                is_first = client in self._has_run or not self._has_run
                is_free = 0 not in self._by_path.values()
                number = 0 if is_first and is_free else max([0, *self._by_path.values()]) + 1
            self._numbers[client] = self._by_path[path] = number

    @property
    def by_client(self) -> Mapping[str, int]:
        """The number of the notebook of each client that has said which it shows."""
        with self._lock:
            return dict(self._numbers)


def _joined(cell_id: str, number: int) -> str:
    return f"{cell_id}@{number}" if number else cell_id
