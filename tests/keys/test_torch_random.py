"""The random state of torch, with its GPUs: what is known of them where the process never uses them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_mlpipe.keys.randomness import RANDOM_STATES

torch: Any = pytest.importorskip("torch")
STATE = next(state for state in RANDOM_STATES if state.name == "torch.random")
AHEAD = struct.pack("<Qq", 7, 12)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
no_gpu_used = pytest.mark.skipif(torch.cuda.is_available(), reason="they would be asked themselves")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    state = STATE.state()
    yield
    STATE.set(torch, state)


def seeded(seed: int) -> Any:
    torch.manual_seed(seed)
    return STATE.state()


def test_a_seed_gives_one_state() -> None:
    first = seeded(3)
    assert isinstance(first, bytes)
    assert seeded(4) != first == seeded(3)


def test_what_was_set_is_read_again_with_its_seed() -> None:
    state = seeded(3)
    numbers = torch.rand(3).tolist()
    seeded(4)
    STATE.set(torch, state)
    assert (torch.initial_seed(), torch.rand(3).tolist()) == (3, numbers)


@no_gpu_used
def test_what_a_step_left_in_gpus_is_kept_until_the_next_seed() -> None:
    cpu = seeded(3)
    STATE.set(torch, (cpu, (b"", AHEAD)))
    assert STATE.state() == (cpu, (b"", AHEAD))
    torch.rand(1)
    assert STATE.state()[1] == (b"", AHEAD)
    assert seeded(3) == cpu


@no_gpu_used
def test_a_seed_of_the_gpus_alone_tells_states_apart() -> None:
    cpu = seeded(3)
    states = []
    for seed in (3, 5, 6):
        torch.cuda.manual_seed_all(seed)
        states.append(STATE.state())
    assert states[0] == cpu
    assert len({*states}) == 3
    torch.cuda.manual_seed(8)
    assert STATE.state() == (cpu, (struct.pack("<Qq", 8, 0),))


@needs_gpu
def test_gpus_draw_on_from_where_they_were() -> None:
    cpu = seeded(3)
    torch.zeros(1, device="cuda")
    assert STATE.state() == cpu
    first = torch.rand(5, device="cuda").tolist()
    left = STATE.state()
    assert left != cpu
    then = torch.rand(5, device="cuda").tolist()
    assert then != first
    STATE.set(torch, left)
    assert torch.rand(5, device="cuda").tolist() == then
    STATE.set(torch, cpu)
    assert torch.rand(5, device="cuda").tolist() == first
