"""The random state of torch: of the CPU, and of the GPUs where it is not what the CPU's seed gives them.

``torch.manual_seed`` seeds all. A notebook's own process may never use its GPUs, as it is the steps that do:
torch keeps the last seed until it does, and so is kept here what steps have left.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any

Gpus = tuple[bytes, ...]
"""By device: 16 bytes of seed and offset; empty where the CPU's seed gives it, and never so at the end."""

_WHOLE = 2**64 - 1


class _Left:
    """What torch is to call when it first uses GPUs: sets what they had been left in."""

    def __init__(self, torch: Any, gpus: Gpus, seed: int) -> None:
        self._torch = torch
        self.gpus = gpus
        self._seed = seed

    def __call__(self) -> None:
        cuda = self._torch.cuda
        for device in range(cuda.device_count()):
            state = self.gpus[device] if device < len(self.gpus) else b""
            bits = bytearray(state or _seeded(self._seed))
            # Not by `set_rng_state`, which would wait for the lock that torch holds meanwhile.
            cuda.default_generators[device].set_state(self._torch.frombuffer(bits, dtype=self._torch.uint8))


def read(torch: Any) -> bytes | tuple[bytes, Gpus]:
    """Return the state; that of the CPU alone where the GPUs are as its seed gives them."""
    state: bytes = torch.get_rng_state().numpy().tobytes()
    gpus = _read_gpus(torch)
    return (state, gpus) if gpus else state


def write(torch: Any, state: bytes | tuple[bytes, Gpus]) -> None:
    """Set what `read` gave: the GPUs' when they are first used, if they have not been."""
    cpu, gpus = (state, ()) if isinstance(state, bytes) else state
    torch.set_rng_state(torch.frombuffer(bytearray(cpu), dtype=torch.uint8))
    # It replaces seeds that wait to be set, as a later seed replaces it.
    torch.cuda._lazy_call(_Left(torch, gpus, torch.initial_seed()), seed_all=True)


def _read_gpus(torch: Any) -> Gpus:
    if torch.cuda.is_initialized():
        states = [torch.cuda.get_rng_state(n).numpy().tobytes() for n in range(torch.cuda.device_count())]
    else:
        last = _last_seeding(torch)
        if isinstance(last, _Left):
            return last.gpus
        states = _waiting(torch, last) if last is not None else []
    usual = _seeded(torch.initial_seed())
    gpus = [b"" if state == usual else state for state in states]
    while gpus and not gpus[-1]:
        gpus.pop()
    return tuple(gpus)


def _last_seeding(torch: Any) -> Callable[[], object] | None:
    """Return what torch will call to seed GPUs when it first uses them; None where nobody has seeded."""
    waiting = [call for call in torch.cuda._lazy_seed_tracker.get_calls() if call]
    return waiting[-1][0] if waiting else None


def _waiting(torch: Any, seeding: Any) -> list[bytes]:
    """Return what GPUs will be when a seed that waits is set; never the same again where nobody can know."""
    try:
        seed = dict(zip(seeding.__code__.co_freevars, seeding.__closure__ or (), strict=True))
        states = [_seeded(int(seed["seed"].cell_contents))]
    except (AttributeError, KeyError, TypeError, ValueError):
        return [os.urandom(16)]
    is_of_all = "manual_seed_all" in seeding.__qualname__
    return states * max(1, torch.cuda.device_count()) if is_of_all else states


def _seeded(seed: int) -> bytes:
    return struct.pack("<Qq", seed & _WHOLE, 0)
