"""Tensors of torch in a pickle: their memory beside it, all that lies upon it as it was.

Not safetensors: that knows no strides, no memory that two tensors share, no gradients and not every dtype.
What torch itself puts into a pickle is an archive with addresses in it, a copy of the memory, and for some
dtypes cannot be read back.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

Reduced = tuple[Any, ...] | None


class TensorReducer:
    """Reduces tensors and storages of one pickle.

    Attributes
    ----------
    has_detached
        Whether a tensor among them was computed from others, which is not kept.
    """

    def __init__(self) -> None:
        self.has_detached = False
        self._torch = sys.modules["torch"]
        self._storages: dict[int, Any] = {}

    def find(self, kind: type) -> Callable[[Any], Reduced] | None:
        """Return what reduces instances of a type; None where torch does it well."""
        torch = self._torch
        if kind in (torch.Tensor, torch.nn.Parameter):
            return self._reduce_tensor
        if kind is torch.storage.TypedStorage:
            return self._reduce_typed
        if kind is torch.storage.UntypedStorage:
            return self._reduce_storage
        if issubclass(kind, torch.optim.Optimizer):
            return _reduce_optimizer
        return None

    def _reduce_tensor(self, tensor: Any) -> Reduced:
        torch = self._torch
        if (
            tensor.layout != torch.strided
            or tensor.is_quantized
            or tensor.device.type == "meta"
            or tensor.is_conj()
            or tensor.is_neg()
            or tensor._backward_hooks
        ):
            return None
        is_parameter = type(tensor) is torch.nn.Parameter
        # How it was computed is known in this process only: what goes back through it would be silently cut.
        needs_gradient = tensor.requires_grad and tensor.is_leaf
        self.has_detached = self.has_detached or not tensor.is_leaf
        return rebuild_tensor, (
            is_parameter,
            self._one(tensor.untyped_storage()),
            str(tensor.dtype).removeprefix("torch."),
            tensor.storage_offset(),
            tuple(tensor.shape),
            tensor.stride(),
            needs_gradient,
            tensor.grad if tensor.is_leaf else None,
            dict(vars(tensor)),
        )

    def _reduce_typed(self, storage: Any) -> Reduced:
        dtype = str(storage.dtype).removeprefix("torch.")
        return rebuild_typed, (self._one(storage._untyped_storage), dtype)

    def _reduce_storage(self, storage: Any) -> Reduced:
        flat = self._torch.empty(0, dtype=self._torch.uint8).set_(storage.cpu())
        return rebuild_storage, (flat.numpy(), str(storage.device))

    def _one(self, storage: Any) -> Any:
        """Return the same object for the same memory: tensors that share it go on sharing it."""
        return self._storages.setdefault(storage._cdata, storage)


def _reduce_optimizer(optimizer: Any) -> Reduced:
    """Keep that a scheduler of its learning rate watches it: torch forgets that, and the scheduler warns."""
    if not hasattr(optimizer.step, _WATCHED):
        return None
    make, arguments, state, *_ = optimizer.__reduce_ex__(4)
    called = getattr(optimizer, "_opt_called", False)
    return make, arguments, (state, called), None, None, set_watched


_WATCHED = "_wrapped_by_lr_sched"


# What follows is named in pickles: renaming it makes stored artifacts unreadable.


def rebuild_storage(memory: Any, device: str) -> Any:
    torch = sys.modules["torch"]
    return torch.from_numpy(memory).to(device).untyped_storage()


def rebuild_typed(storage: Any, dtype: str) -> Any:
    torch = sys.modules["torch"]
    return torch.storage.TypedStorage(wrap_storage=storage, dtype=getattr(torch, dtype), _internal=True)


def rebuild_tensor(
    is_parameter: bool,
    storage: Any,
    dtype: str,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    needs_gradient: bool,
    gradient: Any,
    own: dict[str, Any],
) -> Any:
    torch = sys.modules["torch"]
    empty = torch.empty(0, dtype=getattr(torch, dtype), device=storage.device)
    tensor = empty.set_(storage, offset, shape, strides)
    if is_parameter:
        tensor = torch.nn.Parameter(tensor, requires_grad=needs_gradient)
    elif needs_gradient:
        tensor.requires_grad_()
    if gradient is not None:
        tensor.grad = gradient
    vars(tensor).update(own)
    return tensor


def set_watched(optimizer: Any, states: tuple[dict[str, Any], bool]) -> None:
    state, optimizer._opt_called = states
    optimizer.__setstate__(state)
    step, this = type(optimizer).step, weakref.ref(optimizer)

    @functools.wraps(step)
    def note_step(*args: Any, **options: Any) -> Any:
        optimizer = this()
        assert optimizer is not None
        optimizer._opt_called = True
        return step(optimizer, *args, **options)

    setattr(note_step, _WATCHED, True)
    optimizer.step = note_step
