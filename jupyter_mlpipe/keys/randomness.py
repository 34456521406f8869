"""Global states of random numbers: read, told apart, set. They enter no key.

A record says which state its step drew from, and is reused where the notebook's is the same: else
every step below a draw that was never seeded would run anew in each kernel.
"""

from __future__ import annotations

import functools
import pickle
import secrets
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.keys import torch_random
from jupyter_mlpipe.keys.canonical import digest, digest_bytes

_SEED = "seed"


@dataclass(frozen=True, slots=True)
class RandomState:
    """One global state.

    Parameters
    ----------
    module
        Where it lives: looked at where it is loaded, and never imported for this.
    seeders
        Functions of the module after which what was before does not count.
    is_opaque
        Whether all that can be told is that it was used: who drew from it and did not seed it runs each time.
    """

    name: str
    module: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], None]
    renew: Callable[[Any], object]
    seeders: tuple[str, ...]
    is_opaque: bool = False

    @property
    def loaded(self) -> Any:
        return sys.modules.get(self.module)

    def state(self) -> Any:
        """Return the state, picklable; None where the module is not loaded."""
        module = self.loaded
        return self.read(module) if module is not None else None

    def set(self, module: Any, state: Any) -> None:
        """Set what `state` gave, or `from_system`."""
        if self.is_opaque:
            return
        if state[0] == _SEED:
            getattr(module, self.seeders[0])(state[1])
        else:
            self.write(module, state)


def from_system() -> Any:
    """Return a state that nobody has chosen, for a library that is not loaded."""
    return (_SEED, secrets.randbits(32))


def state_digest(name: str, state: Any) -> str:
    """Return what tells a state from others; empty for one that is not known."""
    if state is None:
        return ""
    return digest("random state", name, digest_bytes(pickle.dumps(state, protocol=4)))


@functools.lru_cache(maxsize=64)
def _shared(packed: bytes) -> bytes:
    """Return the same bytes for equal ones: thousands of cells are given one state, of 2.5 kB."""
    return packed


def _read_numpy(random: Any) -> Any:
    found = random.get_state(legacy=False)
    if found.get("bit_generator") != "MT19937":
        return pickle.dumps(found, protocol=4)
    inner = found["state"]
    return (
        _shared(inner["key"].tobytes()),
        int(inner["pos"]),
        int(found["has_gauss"]),
        float(found["gauss"]),
    )


def _write_numpy(random: Any, state: Any) -> None:
    if isinstance(state, bytes):
        random.set_state(pickle.loads(state))
        return
    key, *rest = state
    numpy = sys.modules["numpy"]
    random.set_state(("MT19937", numpy.frombuffer(key, numpy.uint32), *rest))


def _read_python(random: Any) -> Any:
    version, inner, gauss = random.getstate()
    return (version, _shared(struct.pack(f"<{len(inner)}I", *inner)), gauss)


def _write_python(random: Any, state: Any) -> None:
    version, packed, gauss = state
    random.setstate((version, struct.unpack(f"<{len(packed) // 4}I", packed), gauss))


def _read_cupy(random: Any) -> Any:
    # A generator on a GPU, made for each device when it is first used; its state cannot be read.
    return ("used",) if getattr(random._generator, "_random_states", True) else ("unused",)


RANDOM_STATES = (
    RandomState("random", "random", _read_python, _write_python, lambda r: r.seed(), ("seed", "setstate")),
    RandomState(
        "numpy.random", "numpy.random", _read_numpy, _write_numpy, lambda r: r.seed(), ("seed", "set_state")
    ),
    RandomState(
        "torch.random",
        "torch",
        torch_random.read,
        torch_random.write,
        lambda t: t.seed(),
        ("manual_seed", "set_rng_state"),
    ),
    RandomState(
        "cupy.random",
        "cupy.random",
        _read_cupy,
        lambda r, state: None,
        lambda r: None,
        ("seed", "set_random_state"),
        is_opaque=True,
    ),
)
