"""What a kernel knows of its own installation, and a store and cluster to try a step with."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.cluster.devices import find_devices
from jupyter_mlpipe.execution.process.opens import Opens
from jupyter_mlpipe.execution.process.processes import FORKS_AHEAD
from jupyter_mlpipe.model.checkup import Finding
from jupyter_mlpipe.model.resources import describe_amounts
from jupyter_mlpipe.notebook.running.cluster import check_pools
from jupyter_mlpipe.notebook.session import Session

_SHOWN = ("ipython", "ipykernel", "distributed", "pyarrow", "numpy", "pandas")
_WIDGETS = ("anywidget", "ipywidgets")


def check_kernel(session: Session) -> Iterator[Finding]:
    """Say what this kernel's installation can do, with the notebook's configuration."""
    yield _packages()
    yield _widgets()
    yield _drawing()
    yield _processes()
    yield _watching()
    devices = find_devices()
    yield Finding("GPUs", "ok", f"{len(devices)}: {', '.join(devices)}" if devices else "none seen")
    yield _cluster(session)


def begin_trial(session: Session, folder: str) -> None:
    """Have the steps to come run on a cluster of this machine, and be kept in a folder.

    For a kernel that ends afterwards: its notebook's store and cluster are left alone.
    """
    os.environ["MLPIPE_STORE"] = folder
    session.config.store = folder
    session.backend.use_cluster("local")


def _packages() -> Finding:
    from packaging.requirements import Requirement

    unmet = []
    for text in requires("jupyter-mlpipe") or ():
        needed = Requirement(text)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        found = _version(needed.name)
        if not found or not needed.specifier.contains(found, prereleases=True):
            unmet.append((f"{needed.name} {found or 'is missing'}", f"'{needed.name}{needed.specifier}'"))
    if unmet:
        found = ", ".join(there for there, _ in unmet)
        remedy = f"{sys.executable} -m pip install {' '.join(needed for _, needed in unmet)}"
        return Finding("packages", "wrong", f"not as needed: {found}", remedy)
    return Finding("packages", "ok", _versions(_SHOWN))


def _widgets() -> Finding:
    # JupyterLab and Notebook draw the graph without widgets.
    missing = [name for name in _WIDGETS if not _version(name)]
    if missing:
        found = f"no {' and no '.join(missing)}: VS Code and Colab show a still picture of the graph"
        remedy = f"{sys.executable} -m pip install {' '.join(missing)}"
        return Finding("widgets", "note", found, remedy)
    return Finding("widgets", "ok", _versions(_WIDGETS))


def _drawing() -> Finding:
    from jupyter_mlpipe.notebook.show.drawing import layout

    try:
        layout("digraph { a -> b }")
    except MLPipeError as error:
        return Finding("graph", "wrong", str(error), f"{sys.executable} -m pip install graphviz-pure")
    program = shutil.which("dot")
    if program is not None:
        return Finding("graph", "ok", f"laid out by {program}")
    return Finding("graph", "ok", "laid out by graphviz-pure; Graphviz' dot is not installed, and not needed")


def _processes() -> Finding:
    if FORKS_AHEAD:
        return Finding("processes", "ok", "steps are forked from a process that waits with libraries loaded")
    found = f"on {sys.platform} each step starts a new interpreter, which takes longer than a fork"
    return Finding("processes", "note", found)


def _watching() -> Finding:
    """Tell which files that a step opens are seen."""
    opens = Opens()
    opens.watch([os.getcwd()])
    python = "what Python opens is seen"
    if opens.sees(os.getcwd()):
        return Finding(
            "files", "ok", f"{python}, and in the notebook's folder what other code opens (fanotify)"
        )
    found = f"{python}; what other code opens is not (no fanotify here), but where its name is in the cell"
    return Finding("files", "note", found, "Declare such files: %%component NAME(path: File).")


def _cluster(session: Session) -> Finding:
    address = session.config.cluster
    if not address:
        return _own_cluster(session)
    try:
        session.backend.use_cluster(address)
    except MLPipeError as error:
        remedy = "Start it or correct c.MLPipe.cluster; without one, steps run on this machine."
        return Finding("cluster", "wrong", str(error), remedy)
    account = session.backend.account()
    workers = [f"{use.name} ({describe_amounts(use.offer.amounts)})" for use in account.workers]
    found = f"{address}: {len(workers)} workers can run steps"
    if workers:
        found += f": {', '.join(workers)}"
    if account.left_out:
        found += "\n" + "\n".join(f"left out: {name} {why}" for name, why in account.left_out.items())
    if not workers:
        return Finding("cluster", "wrong", found, "Start workers in an environment with jupyter-mlpipe.")
    return Finding("cluster", "note" if account.left_out else "ok", found)


def _own_cluster(session: Session) -> Finding:
    try:
        shares, excess = check_pools(session.config.local_pools())
    except MLPipeError as error:
        return Finding("cluster", "wrong", str(error), "Correct c.MLPipe.pools.")
    offers = "; ".join(f"{name} ({describe_amounts(share.offer.amounts)})" for name, share in shares.items())
    return Finding("cluster", "note" if excess else "ok", f"this machine: {offers}", excess)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _versions(packages: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {found}" for name in packages if (found := _version(name)))


def facts(session: Session) -> dict[str, Any]:
    """Return what the command line asks a kernel: where its store is, and its findings."""
    return {
        "store": session.config.store_address(),
        "findings": [finding.to_json() for finding in check_kernel(session)],
    }
