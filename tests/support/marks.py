"""What a kernel's marks tell: heard by a listener in the kernel, which leaves it in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.support.kernel import Kernel

_LISTEN = """
import json as _json, os as _os
from jupyter_mlpipe.notebook.extension import current_session as _session
def _listen(snapshot):
    with open(f"marks-{_os.getpid()}.new", "w") as _file:
        _file.write(_json.dumps(snapshot.to_json()))
    _os.replace(_file.name, f"marks-{_os.getpid()}.json")
_stop = _session().marks.subscribe(_listen)
"""


class Marks:
    """The pipeline of a kernel as it was told last; to look at it runs no cell."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        kernel.run(_LISTEN).check()

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        path = self.kernel.folder / f"marks-{self.kernel.pid}.json"
        return dict(json.loads(path.read_text())["steps"]) if path.exists() else {}

    @property
    def signs(self) -> dict[str, str | None]:
        """Return for each step its status, `stale`, or `by itself` where it ran so and is not stale."""
        return {name: _sign(step) for name, step in self.steps.items()}

    @property
    def stale(self) -> set[str]:
        return {name for name, sign in self.signs.items() if sign == "stale"}

    def wait_for(self, **signs: str | None) -> None:
        """Wait until the steps named stand so."""

        def is_so() -> bool:
            found = self.signs
            return all(found.get(name) == sign for name, sign in signs.items())

        try:
            self.kernel.listen(is_so)
        except TimeoutError:
            raise AssertionError(f"expected {signs}, found {self.steps}") from None


def _sign(step: Mapping[str, Any]) -> str | None:
    if step["is_stale"]:
        return "stale"
    return "by itself" if step["by_itself"] and step["status"] == "succeeded" else step["status"]
