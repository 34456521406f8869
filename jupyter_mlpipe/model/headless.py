"""How the command line and the kernel that it starts speak to each other: names of both sides."""

VARIABLE = "MLPIPE_HEADLESS"
"""Environment variable with what is asked: JSON with ``mode``, ``parameters``, ``force`` and so on."""

COMM_TARGET = "mlpipe-headless"
"""Target of the comm over which the kernel tells of its runs."""

NOT_RUN = "StepNotRunError"
"""Name of the error of a cell that reads what a step, only registered, has never made."""
