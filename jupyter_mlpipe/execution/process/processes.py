"""The processes of a step: what memory they take, what they have read and written.

The one place that chooses between Linux and other systems. There, nothing is forked ahead and adopts what a
step starts, as Windows has no fork, and macOS none that its libraries bear: `unforked.py` serves steps.
"""

from __future__ import annotations

import sys

if sys.platform == "linux":
    from jupyter_mlpipe.execution.process.linux import (
        count_out_of_memory,
        end_here,
        end_within,
        peak_memory,
        started_ns,
        used_memory,
        used_so_far,
    )
else:
    from jupyter_mlpipe.execution.process.elsewhere import (
        count_out_of_memory,
        end_here,
        end_within,
        peak_memory,
        started_ns,
        used_memory,
        used_so_far,
    )

FORKS_AHEAD = sys.platform == "linux"

__all__ = [
    "FORKS_AHEAD",
    "count_out_of_memory",
    "end_here",
    "end_within",
    "peak_memory",
    "started_ns",
    "used_memory",
    "used_so_far",
]
