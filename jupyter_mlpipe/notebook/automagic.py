"""A line such as ``hist(prices)`` is a magic only where no component's cell has defined `hist`.

IPython asks its namespace, where names of components come when a cell reads them: later than it asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from IPython.core.prefilter import PrefilterChecker


class KnownNameChecker(PrefilterChecker):
    """Has lines that begin with a known name taken as they are, before IPython looks for a magic.

    Parameters
    ----------
    is_known
        Tells whether a component's cell binds a name.
    """

    def __init__(self, shell: Any, is_known: Callable[[str], bool]) -> None:
        # Below 700, IPython's own look for magics; above 100, what users asked for with a character.
        super().__init__(  # type: ignore[no-untyped-call]
            shell=shell, prefilter_manager=shell.prefilter_manager, priority=650
        )
        self._is_known = is_known

    def check(self, line_info: Any) -> Any:
        """Return the handler of plain lines for one that begins with a known name."""
        head = line_info.ifun.partition(".")[0]
        manager: Any = self.prefilter_manager
        return manager.get_handler_by_name("normal") if self._is_known(head) else None
