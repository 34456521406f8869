"""Pools of this machine: which workers they make, and what is refused or said."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.cluster.pools import Machine, Pool, Share, describe_excess, share_out
from jupyter_mlpipe.model.resources import Offer

GB = 10**9
MACHINE = Machine(8, 32 * GB, ("0", "1", "2"))


def test_without_pools_one_worker_offers_everything() -> None:
    everything = Offer({"CPU": 8.0, "MEMORY": 32.0 * GB, "GPU": 3.0})
    assert share_out((), MACHINE) == {"local": Share(everything, ("0", "1", "2"))}


def test_each_worker_has_gpus_of_its_own() -> None:
    shares = share_out([Pool("gpu", 2, cpus=1, memory_bytes=GB, gpus=1), Pool("cpu", cpus=1)], MACHINE)
    offer = Offer({"CPU": 1.0, "MEMORY": 1.0 * GB, "GPU": 1.0}, frozenset({"gpu"}))
    assert shares["gpu-0"] == Share(offer, ("0",))
    assert shares["gpu-1"] == Share(offer, ("1",))
    assert "GPU" not in shares["cpu-0"].offer.amounts
    assert shares["cpu-0"].devices == ()


def test_what_is_not_said_is_an_equal_share_of_what_is_left() -> None:
    pools = [Pool("cpu", 2, cpus=1, memory_bytes=2 * GB), Pool("big", memory_bytes=16 * GB), Pool("rest")]
    shares = share_out(pools, MACHINE)
    assert shares["big-0"].offer.amounts == {"CPU": 3.0, "MEMORY": 16.0 * GB}
    assert shares["rest-0"].offer.amounts == {"CPU": 3.0, "MEMORY": 12.0 * GB}
    assert describe_excess(shares, MACHINE) == ""


def test_cpus_and_memory_may_be_promised_twice_with_a_word() -> None:
    shares = share_out([Pool("a", 2, cpus=8, memory_bytes=30 * GB), Pool("b")], MACHINE)
    assert shares["b-0"].offer.amounts == {"CPU": 2.0, "MEMORY": float(32 * GB // 3)}
    assert describe_excess(shares, MACHINE) == (
        "The pools offer 18 CPUs, and this machine has 8; 70.7 GB of memory, and this machine has 32.0 GB: "
        "steps on several of them share it."
    )


def test_amounts_of_the_users_own_are_each_workers() -> None:
    shares = share_out([Pool("gpu", 2, cpus=1, memory_bytes=GB, custom=(("licence", 2.0),))], MACHINE)
    assert [share.offer.amounts["licence"] for share in shares.values()] == [2.0, 2.0]


@pytest.mark.parametrize(("devices", "have"), [((), "has none"), (("0", "1"), "has 2 (0, 1)")])
def test_more_gpus_than_there_are_is_an_error_that_says_what_there_is(
    devices: tuple[str, ...], have: str
) -> None:
    with pytest.raises(UsageError) as raised:
        share_out([Pool("gpu", 3, gpus=1), Pool("cpu")], Machine(2, GB, devices))
    assert "ask for 3 GPUs (gpu: 3 x 1)" in str(raised.value)
    assert have in str(raised.value)
