"""Tries one notebook: plain twice, with our line in a fresh store, and again on that store.

If asked, once more on that store with one cell edited.
"""

from __future__ import annotations

import hashlib
import pickle
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tests.wild import runs as running
from tests.wild.compare import Comparison, compare
from tests.wild.notebook import Cell, choose, edit_one, read_cells
from tests.wild.runs import NotebookRun, Place, run_notebook

_OTHER_SEED = "1"


class Trial:
    """A notebook and its plain runs.

    Parameters
    ----------
    name
        What to call it in reports.
    source, notebook
        A folder with all that it needs, and its path in there.
    environment
        Variables of the kernel; ``{root}`` stands for the copy of `source`.
    timeout
        Seconds that a cell may take.
    kept
        A folder to keep plain runs in: they do not depend on what is tested.
    """

    def __init__(
        self,
        name: str,
        source: Path,
        notebook: str,
        *,
        environment: Iterable[tuple[str, str]] = (),
        timeout: float = 120,
        kept: Path | None = None,
    ) -> None:
        self.name = name
        self.cells = read_cells(source / notebook)
        self._timeout = timeout
        self._scratch = _make_scratch(name if kept is not None else None)
        self._place = Place(source, self._scratch, str(Path(notebook).parent), tuple(environment))
        self._plain = self._run_plain(
            kept / f"{self._fingerprint(source / notebook)}.pickle" if kept else None
        )

    def run(self, choice: str, *, edited: bool = False) -> tuple[Comparison, dict[str, NotebookRun]]:
        """Run with our line on the cells of a choice, twice, and compare.

        Parameters
        ----------
        edited
            Run a third time, with one of these cells edited so that it does the same.
        """
        with_line = choose(self.cells, choice)
        store = self._scratch / "store"
        shutil.rmtree(store, ignore_errors=True)
        runs = {run: self._run_with_line(self.cells, with_line, store) for run in ("first", "reused")}
        number = 0
        if edited:
            failed = {cell.number for cell in self._plain[0].cells if cell.error}
            cells, number = edit_one(self.cells, with_line - failed)
            if number:
                runs["edited"] = self._run_with_line(cells, with_line, store)
        found = compare(self.name, choice, self.cells, with_line, self._plain, runs)
        if any(difference.cell and not difference.told for difference in found.differences):
            # Plain runs of what nobody seeded may come out the same by chance, two labels every other time.
            more = [run_notebook(self.cells, self._place, timeout=self._timeout) for _ in range(4)]
            found = compare(self.name, choice, self.cells, with_line, (*self._plain, *more), runs)
        found.edited = number
        return found, {"plain": self._plain[0], **runs}

    def _run_with_line(self, cells: list[Cell], with_line: set[int], store: Path) -> NotebookRun:
        return run_notebook(
            cells,
            self._place,
            with_line=with_line,
            store=store,
            timeout=self._timeout + 60,
            names=tuple(self._plain[0].names),
        )

    @property
    def plain_seconds(self) -> float:
        """What the quicker of the plain runs took."""
        return min(run.seconds for run in self._plain)

    def close(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _run_plain(self, aside: Path | None) -> tuple[NotebookRun, NotebookRun]:
        if aside is not None and aside.exists():
            one, other = pickle.loads(aside.read_bytes())
            return one, other
        # What only hangs on the order of sets of texts is another thing in each process.
        elsewhere = replace(
            self._place, environment=(*self._place.environment, ("PYTHONHASHSEED", _OTHER_SEED))
        )
        one, other = (
            run_notebook(self.cells, place, timeout=self._timeout) for place in (self._place, elsewhere)
        )
        if aside is not None:
            aside.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(pickle.dumps((one, other)))
        return one, other

    def _fingerprint(self, notebook: Path) -> str:
        """Digest what a plain run depends on, as far as it is in these files."""
        parts = (self.name.encode(), notebook.read_bytes())
        parts += (Path(running.__file__).read_bytes(), running.PROBE.read_bytes())
        return hashlib.sha1(b"|".join(parts)).hexdigest()[:16]


def _make_scratch(name: str | None) -> Path:
    """Make a folder; for a name always at the same path, which its kept plain runs have printed."""
    if name is None:
        return Path(tempfile.mkdtemp(prefix="wild-"))
    folder = Path(tempfile.gettempdir()) / f"wild-{hashlib.sha1(f'{name}|'.encode()).hexdigest()[:10]}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
