"""How code that works in parallel does so: how Python starts processes, and what joblib was told.

How many threads BLAS and OpenMP use is not among it: that follows from the CPUs that a step has.
"""

from __future__ import annotations

from typing import Any

from jupyter_mlpipe.keys.providers import Changes, Provider, State

# Others need something of the process that they were set up in, such as a client.
_BACKENDS = ("loky", "threading", "multiprocessing", "sequential")


def _read_start(context: Any) -> State:
    chosen = context._default_context.get_start_method(allow_none=True)
    return {"method": chosen or _usual_start(context)["method"]}


def _usual_start(context: Any) -> State:
    return {"method": context._default_context.get_all_start_methods()[0]}


def _write_start(context: Any, changes: Changes) -> None:
    context._default_context.set_start_method(changes["method"], force=True)


def _read_joblib(parallel: Any) -> State:
    usual = parallel.default_parallel_config
    config = getattr(parallel._backend, "config", usual)
    state = {name: value for name, value in config.items() if value is not usual.get(name)}
    if (backend := state.pop("backend", None)) is not None:
        names = {parallel.BACKENDS.get(name): name for name in _BACKENDS}
        if type(backend) not in names:
            return {}
        state["backend"] = names[type(backend)]
        state.update(getattr(backend, "backend_kwargs", {}))
        if backend.inner_max_num_threads is not None:
            state["inner_max_num_threads"] = backend.inner_max_num_threads
    return state


def _write_joblib(parallel: Any, changes: Changes) -> None:
    state = {**_read_joblib(parallel), **changes}
    parallel._backend.config = parallel.default_parallel_config
    parallel.parallel_config(**{name: value for name, value in state.items() if value is not None})


START = Provider("start of processes", "multiprocessing.context", _read_start, _usual_start, _write_start)
JOBLIB = Provider("joblib", "joblib.parallel", _read_joblib, lambda parallel: {}, _write_joblib)
