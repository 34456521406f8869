"""How the end of a process is named, also by systems without signals."""

import pytest

from jupyter_mlpipe.execution.process.endings import describe_end


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (3, "exited", "status 3"),
        (-11, "crashed", "SIGSEGV"),
        (0xC0000005, "crashed", "access violation"),
        (-15, "signal", "SIGTERM"),
        (-9, "signal", "If that was it, ask for more with --memory"),
        (-64, "signal", "SIGRTMAX"),
        (-99, "signal", "signal 99"),
        (None, "died", "before it was done"),
    ],
)
def test_ends_are_named_by_their_exit_code(code, kind, words):
    found, why = describe_end(code, 0)
    assert found == kind
    assert words in why
    assert "0 B" not in why  # where nobody knows how much was used
