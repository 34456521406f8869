"""The history of runs, for people to look at. Reuse never depends on it."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)
_BUSY_SECONDS = 10.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS steps (
    pipeline TEXT NOT NULL, step TEXT NOT NULL, key TEXT NOT NULL, status TEXT NOT NULL,
    seconds REAL, at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS steps_by_name ON steps (pipeline, step, at);
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, status TEXT NOT NULL, started_at REAL NOT NULL,
    seconds REAL, details TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_by_time ON runs (started_at);
PRAGMA user_version = 1;
"""
_HAS_RECORD = ("succeeded", "reused")
HAS_RUN = ("succeeded", "failed")
"""States of a step that ran, whatever came of it."""


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run that ended, or is under way.

    Parameters
    ----------
    details
        Plain JSON: parameters, and status, key and seconds of each step.
    """

    id: str
    pipeline: str
    status: str
    started_at: float
    seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class History:
    """``history.db``. What it cannot write is logged and forgotten: a run never fails for it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._warned = False  # once is enough: a store that cannot be written stays so

    def remember(self, pipeline: str, step: str, key: str, status: str, seconds: float | None = None) -> None:
        """Note how a step ended."""
        self.remember_all(pipeline, [(step, key, seconds)], status)

    def remember_all(
        self, pipeline: str, steps: Sequence[tuple[str, str, float | None]], status: str
    ) -> None:
        """Note how steps ended, all or none: the name, key and seconds of each."""
        now = time.time()
        rows = [(pipeline, step, key, status, seconds, now) for step, key, seconds in steps]

        def write(db: sqlite3.Connection) -> None:
            # One transaction: to commit costs more than to write a row.
            db.execute("BEGIN IMMEDIATE")
            with db:
                db.executemany("INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?)", rows)

        if rows:
            self._try(write, None)

    def last_key(self, pipeline: str, step: str) -> str | None:
        """Return the key of the step's last record, whether it was made or reused."""
        row: Any = self._try(
            lambda db: db.execute(
                "SELECT key FROM steps WHERE pipeline = ? AND step = ? AND status IN (?, ?) "
                "ORDER BY at DESC, rowid DESC LIMIT 1",
                (pipeline, step, *_HAS_RECORD),
            ).fetchone(),
            None,
        )
        return None if row is None else str(row[0])

    def latest_keys(self, pipeline: str, step: str, limit: int = 20) -> list[str]:
        """Return the keys of the step's last records, the latest first."""
        rows: list[Any] = self._try(
            lambda db: db.execute(
                "SELECT key FROM steps WHERE pipeline = ? AND step = ? AND status IN (?, ?) "
                "GROUP BY key ORDER BY MAX(at) DESC LIMIT ?",
                (pipeline, step, *_HAS_RECORD, limit),
            ).fetchall(),
            [],
        )
        return [str(key) for (key,) in rows]

    def ends(self, pipeline: str, step: str, limit: int = 5) -> list[tuple[float, str, float | None]]:
        """Return how a step ended the last times, the latest first: when, its status, its seconds."""
        rows: list[Any] = self._try(
            lambda db: db.execute(
                "SELECT at, status, seconds FROM steps WHERE pipeline = ? AND step = ? "
                "ORDER BY at DESC, rowid DESC LIMIT ?",
                (pipeline, step, limit),
            ).fetchall(),
            [],
        )
        return [(float(at), str(status), seconds) for at, status, seconds in rows]

    def last_keys(self, pipeline: str) -> dict[str, str]:
        """Return `last_key` of every step of a pipeline."""
        rows: list[Any] = self._try(
            lambda db: db.execute(
                "SELECT step, key FROM steps WHERE pipeline = ? AND status IN (?, ?) ORDER BY at, rowid",
                (pipeline, *_HAS_RECORD),
            ).fetchall(),
            [],
        )
        return {str(step): str(key) for step, key in rows}

    def seconds_of(self, pipeline: str, step: str, key: str) -> float | None:
        """Return how long a step with this key took; None where nobody knows."""
        row: Any = self._try(
            lambda db: db.execute(
                "SELECT seconds FROM steps WHERE pipeline = ? AND step = ? AND key = ? AND seconds > 0 "
                "ORDER BY at DESC LIMIT 1",
                (pipeline, step, key),
            ).fetchone(),
            None,
        )
        return None if row is None else float(row[0])

    def expected_seconds(self, pipeline: str, steps: Iterable[str]) -> dict[str, float]:
        """Return what each step took the last time that it ended well; those that never did are left out."""

        def find(db: sqlite3.Connection) -> dict[str, float]:
            found = {}
            for step in steps:
                row = db.execute(
                    "SELECT seconds FROM steps WHERE pipeline = ? AND step = ? AND status IN (?, ?) "
                    "AND seconds > 0 ORDER BY at DESC LIMIT 1",
                    (pipeline, step, *_HAS_RECORD),
                ).fetchone()
                if row is not None:
                    found[step] = float(row[0])
            return found

        return self._try(find, {})

    def last_ran(self, pipeline: str, step: str) -> RunEntry | None:
        """Return the latest run in which the step ran, and was not reused."""

        def find(db: sqlite3.Connection) -> RunEntry | None:
            # Runs in which nothing ran, of which there are many, are not even parsed.
            rows = db.execute(
                "SELECT id, pipeline, status, started_at, seconds, details FROM runs "
                "WHERE pipeline = ? AND instr(details, '\"reasons\"') ORDER BY started_at DESC, rowid DESC",
                (pipeline,),
            )
            for row in rows:
                run = _entry(row)
                if run.details["steps"].get(step, {}).get("status") in HAS_RUN:
                    return run
            return None

        return self._try(find, None)

    def add_run(self, run: RunEntry) -> None:
        """Keep a run, replacing an earlier entry of the same id."""
        self._try(
            lambda db: db.execute(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?)",
                (
                    run.id,
                    run.pipeline,
                    run.status,
                    run.started_at,
                    run.seconds,
                    json.dumps(dict(run.details), default=str),
                ),
            ),
            None,
        )

    def runs(self, limit: int = 20, pipeline: str | None = None) -> list[RunEntry]:
        """Return the latest runs, newest first."""
        rows: list[Any] = self._try(
            lambda db: db.execute(
                "SELECT id, pipeline, status, started_at, seconds, details FROM runs "
                "WHERE ? IS NULL OR pipeline = ? ORDER BY started_at DESC, rowid DESC LIMIT ?",
                (pipeline, pipeline, limit),
            ).fetchall(),
            [],
        )
        return [_entry(row) for row in rows]

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _try(self, work: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        with self._lock:
            try:
                return work(self._open())
            except (sqlite3.Error, OSError, TypeError, ValueError) as error:
                if not self._warned:
                    _LOG.warning("The history of runs at %s cannot be used: %s", self.path, error)
                self._warned = True
                return otherwise

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # Each statement commits by itself; threads take turns by the lock.
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def _entry(row: tuple[Any, ...]) -> RunEntry:
    id_, pipeline, status, started_at, seconds, details = row
    return RunEntry(id_, pipeline, status, started_at, seconds, json.loads(details))


def _prepare(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError:
        # Network file systems refuse the shared memory that WAL needs. (Or another process is
        # setting it at this moment; then the mode is as that one leaves it.)
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = NORMAL")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.executescript(_SCHEMA)
