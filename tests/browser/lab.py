"""A real JupyterLab, driven through Chromium as a user would."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import TimeoutError as TooLate

TOKEN = "a-token-for-tests"
_BUILT = Path(__file__).parents[2] / "labextension" / "built"
_OTHERS = ("dask-labextension",)
_START_S = 60
_END_S = 20
_WAIT_MS = 60_000
_PALETTE_MS = 10_000
_NUMBER = re.compile(r"\[\d+\]:")


def find_chromium() -> str:
    """Return where Chromium is, or fail saying how to get it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise AssertionError("Chromium is not installed. Debian: apt-get install chromium")


class Lab:
    """A JupyterLab server over one folder.

    Parameters
    ----------
    beside
        Extensions of others that are on; those that are installed for the tests are off otherwise.
    """

    def __init__(self, folder: Path, beside: Sequence[str] = ()) -> None:
        self.folder = folder
        self.port = _free_port()
        environment = {**os.environ, "MLPIPE_STORE": str(folder / ".mlpipe")}
        # No news and no questions, which would cover what a test looks at.
        self.set("apputils-extension", "notification", {"fetchNews": "false", "checkForUpdates": False})
        environment["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "lab-settings")
        off = {"disabledExtensions": {name: name not in beside for name in _OTHERS}}
        (folder / "lab-settings" / "labconfig").mkdir(parents=True)
        (folder / "lab-settings" / "labconfig" / "page_config.json").write_text(json.dumps(off))
        environment["JUPYTER_CONFIG_PATH"] = str(folder / "lab-settings")
        # As it was built, not as it was when the package was installed.
        (folder / "extensions").mkdir()
        (folder / "extensions" / "jupyter-mlpipe").symlink_to(_BUILT)
        self._log = (folder / "lab.log").open("wb")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyterlab",
                "--no-browser",
                "--ip=127.0.0.1",
                f"--port={self.port}",
                "--ServerApp.port_retries=0",
                f"--IdentityProvider.token={TOKEN}",
                f"--ServerApp.root_dir={folder}",
                f"--LabApp.extra_labextensions_path={folder / 'extensions'}",
                f"--JupyterNotebookApp.extra_labextensions_path={folder / 'extensions'}",
                "--LabApp.expose_app_in_browser=True",  # to hear which commands are executed
                "--allow-root",
            ],
            env=environment,
            cwd=folder,
            stdout=self._log,
            stderr=self._log,
        )
        self._wait()

    def write(self, name: str, cells: Sequence[str], prefix: str = "c") -> str:
        """Write a notebook, with a prefix for the ids of its cells; returns its name."""
        notebook = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        )
        notebook.cells = [nbformat.v4.new_code_cell(cell, id=f"{prefix}{i}") for i, cell in enumerate(cells)]
        nbformat.write(notebook, self.folder / name)
        return name

    def set(self, extension: str, plugin: str, settings: dict[str, Any]) -> None:
        """Choose settings of JupyterLab for the pages that are opened from now on."""
        folder = self.folder / "lab-settings" / "@jupyterlab" / extension
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{plugin}.jupyterlab-settings").write_text(json.dumps(settings))

    def wait_for_kernel(self, name: str) -> None:
        """Wait until the page is connected to the idle kernel of a notebook."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            for session in self._ask("GET", "api/sessions"):
                kernel = session["kernel"]
                ready = kernel["execution_state"] == "idle" and kernel["connections"]
                if session["path"] == name and ready:
                    return
            time.sleep(0.1)
        raise AssertionError(f"no kernel for {name} in {_START_S} s")

    def end_sessions(self) -> None:
        """End every kernel, so that the next test gets a fresh one."""
        # One at a time: those that share its kernel end with it.
        while sessions := self._ask("GET", "api/sessions"):
            self._ask("DELETE", f"api/sessions/{sessions[0]['id']}")

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            # All is closed by then: its main thread waits for one of AnyIO's that has just read a file.
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self._ask("GET", "api/status")
                return
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError((self.folder / "lab.log").read_text()) from None
                time.sleep(0.1)

    def _ask(self, method: str, path: str) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}",
            method=method,
            headers={"Authorization": f"token {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None


class Notebook:
    """One open notebook.

    Parameters
    ----------
    app
        ``lab/tree`` for JupyterLab, ``notebooks`` for Notebook.
    """

    def __init__(self, browser: Browser, lab: Lab, name: str, app: str = "lab/tree") -> None:
        self.name, self._lab = name, lab
        self._context = browser.new_context(viewport={"width": 1200, "height": 1000})
        self.page: Page = self._context.new_page()
        self.page.goto(f"http://127.0.0.1:{lab.port}/{app}/{name}?token={TOKEN}&reset")
        expect(self.page.locator(".jp-Notebook .jp-CodeCell").first).to_be_visible(timeout=_WAIT_MS)
        # The page says "idle" before the first kernel is there as well: only the server knows.
        lab.wait_for_kernel(name)
        indicator = self.page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")
        expect(indicator.first).to_be_visible(timeout=_WAIT_MS)

    def cell(self, index: int) -> Locator:
        """Return a cell of the notebook that is looked at."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell").nth(index)

    def outputs(self, index: int) -> Locator:
        return self.cell(index).locator(".jp-OutputArea-output")

    def prompt(self, index: int) -> Locator:
        return self.cell(index).locator(".jp-InputArea-prompt")

    def command(self, label: str) -> None:
        """Run a command from the palette."""
        field = self.page.locator(".lm-CommandPalette-input")
        found = self.page.locator(".lm-CommandPalette-itemLabel").get_by_text(label, exact=True)
        for last in (False, False, True):
            self.page.keyboard.press("Control+Shift+C")
            try:
                field.fill(label, timeout=_PALETTE_MS)
                found.first.click(timeout=_PALETTE_MS)
                return
            except TooLate:
                # A cell that was just clicked or run takes the keyboard once more: the palette closes.
                if last:
                    raise

    def open(self, name: str) -> None:
        """Open another notebook in the page, or look at one that is open."""
        tab = self.page.locator("#jp-main-dock-panel").get_by_role("tab", name=name, exact=True)
        in_front = tab.and_(self.page.locator(".lm-mod-current"))
        for last in (False, False, True):
            if tab.count():
                tab.click()
            else:
                self.command("Open from Path…")
                self.page.locator(".jp-Dialog input").fill(name)
                self.page.locator(".jp-Dialog button.jp-mod-accept").click()
            expect(in_front).to_be_visible(timeout=_WAIT_MS)
            expect(self.cell(0)).to_be_visible(timeout=_WAIT_MS)
            self._lab.wait_for_kernel(name)
            self.cell(0).locator(".cm-content").click()  # the file browser had come to the front
            # A page that was loaded again brings the notebook to the front that was there before, late.
            if last or in_front.is_visible():
                return

    def choose_kernel(self, label: str) -> None:
        """Give the notebook another kernel, chosen by how the dialog calls it."""
        self.command("Change Kernel…")
        kernels = self.page.locator(".jp-Dialog select")
        kernels.select_option(kernels.locator("option", has_text=label).first.get_attribute("value"))
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()

    def run_all(self) -> None:
        self.command("Run All Cells")

    def restart_and_run_all(self) -> None:
        self.command("Restart Kernel and Run All Cells…")
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()

    def wait_until_run(self, index: int) -> None:
        """Wait until a cell has ended: its prompt holds a number."""
        expect(self.prompt(index)).to_have_text(_NUMBER, timeout=_WAIT_MS)

    def receipt(self, index: int, status: str) -> Locator:
        """Wait for a cell's receipt with a status."""
        found = self.cell(index).locator(f"[data-mlpipe-step][data-mlpipe-status={status}]")
        expect(found.first).to_be_visible(timeout=_WAIT_MS)
        return found.first

    def close(self) -> None:
        self._context.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
