"""GPUs by name: which step has which, on this worker and on others of the machine."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from jupyter_mlpipe.execution.cluster.devices import VISIBLE, Devices, find_devices, identify

_OTHER = """
import sys
from jupyter_mlpipe.execution.cluster.devices import Devices
with Devices(("mlpipe-test-0", "mlpipe-test-1"), shares=True).give(1) as given:
    print(*given.values(), flush=True)
    sys.stdin.readline()
"""
_BOTH = ("mlpipe-test-0", "mlpipe-test-1")


@pytest.mark.parametrize(
    ("visible", "found"), [("0, 1", ("0", "1")), ("", ()), ("-1", ()), ("GPU-3a,MIG-7", ("GPU-3a", "MIG-7"))]
)
def test_devices_are_those_that_are_visible(
    visible: str, found: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VISIBLE, visible)
    assert find_devices() == found
    assert len(set(identify(found))) == len(found)


def test_each_step_has_devices_of_its_own() -> None:
    devices = Devices(("0", "1", "2"))
    with devices.give(2) as first, devices.give(1) as second, devices.give(0) as third:
        assert [given[VISIBLE] for given in (first, second, third)] == ["0,1", "2", ""]
    with devices.give(3) as all_three:
        assert all_three[VISIBLE] == "0,1,2"


def test_more_than_there_are_is_all_there_are() -> None:
    with Devices(("0",)).give(2) as given:
        assert given[VISIBLE] == "0"


def test_nothing_is_said_where_there_are_none_or_all_are_shown() -> None:
    with Devices(()).give(1) as given:
        assert given == {}
    with Devices((), hides=True).give(0) as given:
        assert given == {VISIBLE: ""}
    with Devices(("0",)).give(None) as given:
        assert given == {}


def test_a_device_that_another_process_has_is_waited_for() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = other.stdout.readline().strip()
        [ours] = set(_BOTH) - {theirs}
        devices = Devices(_BOTH, shares=True)
        with devices.give(1) as given:
            assert given[VISIBLE] == ours
        got: list[str] = []

        def take_both() -> None:
            with devices.give(2) as given:
                got.append(given[VISIBLE])

        taking = threading.Thread(target=take_both)
        taking.start()
        assert got == []
        # Its end gives back what it had, however it ends.
        other.kill()
        taking.join(30)
        assert got == [",".join(_BOTH)]
