"""The notebooks of others: where they come from, and how to get them. None of them is in this repository.

Sources are looked for in the folder that the environment variable MLPIPE_WILD_SOURCES names
(``OWNER+NAME/repo``, bare repositories, and ``NAME-VERSION.tar.gz``, source packages), else fetched
into the cache: repositories from github.com, packages by ``pip download``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("corpus.toml")


class SourceMissingError(Exception):
    """A source is not here and could not be fetched."""


@dataclass(frozen=True)
class Extra:
    """Files of another repository, put into a folder beside."""

    name: str
    revision: str
    paths: tuple[str, ...]
    into: str


@dataclass(frozen=True)
class Entry:
    """A notebook of the corpus.

    Parameters
    ----------
    source
        ``OWNER/NAME`` on GitHub, or ``NAME==VERSION`` on PyPI.
    needs
        Paths in the source that must lie beside it, at their own places.
    put
        Files of the source, and where the notebook looks for a copy of them.
    also
        What it needs of other sources.
    environment
        Variables of the kernel; ``{root}`` stands for where all this lies.
    replace
        Words of the notebook that the libraries of today no longer know, and what they are called there.
    """

    source: str
    revision: str
    path: str
    kind: str
    needs: tuple[str, ...] = ()
    put: tuple[tuple[str, str], ...] = ()
    also: tuple[Extra, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    replace: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        short = self.source.rsplit("/", 1)[-1].split("==")[0]
        return f"{short}/{Path(self.path).name}"


def read_corpus(path: Path = LIST) -> list[Entry]:
    """Return the entries of the list."""
    found = []
    for source in tomllib.loads(path.read_text(encoding="utf-8"))["source"]:
        also = tuple(
            Extra(extra["name"], extra["revision"], tuple(extra["paths"]), extra["into"])
            for extra in source.get("also", ())
        )
        for notebook in source["notebooks"]:
            found.append(
                Entry(
                    source["name"],
                    source.get("revision", ""),
                    notebook["path"],
                    notebook["kind"],
                    (*source.get("needs", ()), *notebook.get("needs", ())),
                    tuple(source.get("put", {}).items()),
                    also,
                    tuple(source.get("environment", {}).items()),
                    tuple(source.get("replace", {}).items()),
                )
            )
    return found


def fetch(entry: Entry, into: Path) -> None:
    """Put a notebook and what it needs below a folder.

    Raises
    ------
    SourceMissingError
        A source is neither here nor to be had.
    """
    paths = (entry.path, *entry.needs, *(path for path, _ in entry.put))
    if "==" in entry.source:
        _extract_package(_package(*entry.source.split("==")), paths, into)
    else:
        _extract_revision(_repository(entry.source, entry.revision), entry.revision, paths, into)
    for path, place in entry.put:
        shutil.copyfile(into / path, into / place)
    notebook = into / entry.path
    text = notebook.read_text(encoding="utf-8")
    for before, after in entry.replace:
        text = text.replace(before, after)
    notebook.write_text(text, encoding="utf-8")
    for extra in entry.also:
        folder = _repository(extra.name, extra.revision)
        _extract_revision(folder, extra.revision, extra.paths, into / extra.into)


def _places() -> Sequence[Path]:
    given = os.environ.get("MLPIPE_WILD_SOURCES", "")
    return [*(Path(part) for part in given.split(os.pathsep) if part), _cache()]


def _cache() -> Path:
    return Path(tempfile.gettempdir()) / "mlpipe-wild" / "sources"


def _repository(name: str, revision: str) -> Path:
    for place in _places():
        for folder in (
            place / name.replace("/", "+") / "repo",
            place / name.replace("/", "+") / "repo" / ".git",
        ):
            if (folder / "HEAD").exists() and _git(
                folder, "cat-file", "-e", f"{revision}^{{commit}}"
            ).returncode == 0:
                return folder
    folder = _cache() / name.replace("/", "+") / "repo"
    folder.mkdir(parents=True, exist_ok=True)
    # One revision, not the history.
    for arguments in (
        ("init", "--bare", "-q"),
        ("fetch", "-q", "--depth=1", f"https://github.com/{name}", revision),
    ):
        done = _git(folder, *arguments)
        if done.returncode:
            raise SourceMissingError(
                f"{name} at {revision[:10]} is not in MLPIPE_WILD_SOURCES and could not be fetched: "
                f"{done.stderr.decode(errors='replace').strip()[-200:]}"
            )
    return folder


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", f"--git-dir={folder}", *arguments]
    return subprocess.run(command, capture_output=True, check=False, env=environment, timeout=600)


def _extract_revision(folder: Path, revision: str, paths: Sequence[str], into: Path) -> None:
    """Write files of a revision; large ones that a partial copy of the repository lacks are left out."""
    listed = _git(folder, "ls-tree", "-r", "-z", revision, "--", *paths).stdout.decode()
    files = [line.split("\t", 1) for line in listed.split("\0") if line]
    for path in paths:
        if not any(file == path or file.startswith(path.rstrip("/") + "/") for _, file in files):
            raise SourceMissingError(f"{folder} at {revision[:10]} has no {path}")
    for entry, file in files:
        found = _git(folder, "cat-file", "blob", entry.split()[2])
        if found.returncode == 0:
            (into / file).parent.mkdir(parents=True, exist_ok=True)
            (into / file).write_bytes(found.stdout)
    if not (into / paths[0]).exists():
        raise SourceMissingError(f"{folder} lacks the content of {paths[0]}")


def _package(name: str, version: str) -> Path:
    file = f"{name.replace('-', '_')}-{version}.tar.gz"
    for place in _places():
        if (place / file).exists():
            return place / file
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name]
    # Pip prepares what it downloads, with build tools that may be wheels. That may fail: the archive is
    # looked for all the same.
    command += ["-d", str(cache), f"{name}=={version}"]
    subprocess.run(command, capture_output=True, check=False, timeout=900)
    if not (cache / file).exists():
        raise SourceMissingError(f"{file} is not in MLPIPE_WILD_SOURCES and could not be downloaded with pip")
    return cache / file


def _extract_package(package: Path, paths: Sequence[str], into: Path) -> None:
    with tarfile.open(package) as archive:
        for member in archive:
            inside = member.name.partition("/")[2]
            if any(inside == path or inside.startswith(path.rstrip("/") + "/") for path in paths):
                member.name = inside
                archive.extract(member, into, filter="data")
    if not (into / paths[0]).exists():
        raise SourceMissingError(f"{package.name} has no {paths[0]}")
