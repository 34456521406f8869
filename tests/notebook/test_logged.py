"""What steps log reaches every handler of the notebook, also where one of them fails."""

from __future__ import annotations

import logging

import pytest

from jupyter_mlpipe.notebook.values.logged import deliver
from tests.support.as_plain import Start, assert_same_as_plain


class Fails(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise ValueError(record.getMessage())


class Keeps(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record.getMessage())


def test_a_handler_that_fails_keeps_nothing_from_the_others() -> None:
    log, keeps = logging.getLogger("another_logger_of_these_tests"), Keeps()
    log.handlers = [Fails(), keeps]
    try:
        with pytest.raises(ValueError, match="one"):
            deliver(
                tuple((log.name, {"msg": text, "levelno": 30}) for text in ("one", "two")), lambda _: None
            )
    finally:
        log.handlers.clear()
    assert keeps.kept == ["one", "two"]


NOTEBOOKS = {
    "all that libraries tell": r"""
# %% plain
import asyncio, logging, threading
logging.basicConfig(level=logging.DEBUG, force=True)
def answer():
    async def one():
        return 1
    return asyncio.run(one())
# %%
logging.info("mine")
logging.getLogger("of.mine").debug("too")
# %%
await asyncio.sleep(0)
"awaited"
# %%
found = []
thread = threading.Thread(target=lambda: found.append(answer()))
thread.start(); thread.join(); del thread
found
# %% plain
logging.debug("from the kernel")
# %%
import email.mime.text as text
len(found)
""",
    "a captured cell that the kernel runs for a filter": r"""
# %%
import logging
class Only(logging.Filter):
    def filter(self, record):
        return True
logging.getLogger("of.mine").addFilter(Only())
# %%
%%capture found
print("kept")
logging.info("told")
y = 1
# %%
found.stdout, y
# %%
%%capture found
print("anew")
logging.info("told")
y += 1
# %%
found.stdout, y
# %% plain
del found
""",
    "a cluster of one's own beside ours": r"""
# %% plain
import logging
logging.basicConfig(level=logging.INFO, force=True)
# %%
x = 1
# %% plain
import distributed
log = logging.getLogger("distributed.worker")
told = []
class Keeps(logging.Handler):
    def emit(self, record):
        told.append(record.getMessage().strip().partition(":")[0])
log.addHandler(Keeps())
log.propagate = False
for name in ("distributed", "distributed.scheduler", "distributed.core", "distributed.batched"):
    logging.getLogger(name).propagate = False
    logging.getLogger(name).handlers[:] = [logging.NullHandler()]  # a loaded machine has more to say
def fail():
    raise ValueError
# %%
x + 1
# %% plain
with distributed.LocalCluster(
    1, processes=False, dashboard_address=':0', silence_logs=False
) as cluster, distributed.Client(cluster) as client:
    print(type(client.submit(fail, pure=False).exception()))
"Start worker at" in told, "Compute Failed" in told, [line for line in told if "Scheduler" in line]
# %% plain
del cluster, client
""",
}


@pytest.mark.parametrize("title", NOTEBOOKS)
def test_only_what_the_notebook_does_is_logged(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(NOTEBOOKS[title], start_kernel)
