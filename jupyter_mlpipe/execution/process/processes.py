"""The processes of a step: what memory they take, what they have read and written.

The one place that chooses between Linux and other systems. There, nothing is forked ahead and adopts what a
step starts, as Windows has no fork, and macOS none that its libraries bear: `unforked.py` serves steps.
"""

from __future__ import annotations

import sys

if sys.platform == "linux":
    from jupyter_mlpipe.execution.process import linux as system
else:
    from jupyter_mlpipe.execution.process import elsewhere as system

FORKS_AHEAD = sys.platform == "linux"

count_out_of_memory = system.count_out_of_memory
end_here = system.end_here
end_within = system.end_within
peak_memory = system.peak_memory
started_ns = system.started_ns
used_memory = system.used_memory
used_so_far = system.used_so_far
