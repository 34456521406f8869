"""Short notebooks whose cells set up what the kernel alone can keep; the form is that of `plain_cells`."""

from __future__ import annotations

NOTEBOOKS: dict[str, str] = {
    "options in a context that a later cell leaves": r"""
# %%
import pandas as pd, numpy as np
import matplotlib.pyplot as plt, contextlib
table = pd.DataFrame({"a": [1.23456, 2.5]})
# %%
context = pd.option_context("display.precision", 1)
context.__enter__()
errors = np.errstate(divide="raise")
errors.__enter__()
# %%
table
# %%
np.array([1.0]) / 0
# %%
stack = contextlib.ExitStack()
stack.enter_context(plt.rc_context({"lines.linewidth": 7}))
stack.enter_context(np.printoptions(precision=2));
# %%
plt.rcParams["lines.linewidth"], np.array([1.23456])
# %%
context.__exit__(None, None, None)
stack.close()
errors.__exit__(None, None, None)
# %%
table, plt.rcParams["lines.linewidth"], np.array([1.23456]), np.geterr()["divide"]
# %%
def begin():
    held = np.errstate(over="raise")
    held.__enter__()
    return held
# %%
held = begin()
# %%
np.geterr()["over"]
# %%
held.__exit__(None, None, None)
np.geterr()["over"]
# %% plain
del context, stack, errors, held
""",
    "contexts that are made in one cell and entered in another": r"""
# %%
import numpy as np, decimal, warnings
errors, digits = np.errstate(divide="raise"), decimal.localcontext(prec=3)
quiet = warnings.catch_warnings()
# %%
with errors:
    print(np.geterr()["divide"])
# %%
with digits:
    print(decimal.Decimal(1) / 3)
# %%
with quiet:
    warnings.simplefilter("ignore")
    warnings.warn("not seen")
# %%
np.geterr()["divide"], decimal.Decimal(1) / 3
# %% plain
del errors, digits, quiet
""",
    "warnings and text that are recorded meanwhile": r"""
# %%
import contextlib, io, warnings
recording = warnings.catch_warnings(record=True)
recorded = recording.__enter__()
warnings.simplefilter("always")
# %%
warnings.warn("kept")
# %%
[str(one.message) for one in recorded]
# %%
recording.__exit__(None, None, None)
# %%
text = io.StringIO()
aside = contextlib.redirect_stdout(text)
aside.__enter__();
# %%
print("aside")
# %%
aside.__exit__(None, None, None)
print("seen")
# %%
text.getvalue()
# %% plain
del recording, recorded, aside, text
""",
    "magics of one's own": r"""
# %%
from IPython.core.magic import Magics, line_magic, magics_class, register_cell_magic, register_line_magic
factor = 2
@register_line_magic
def shout(line): return line.upper()
@register_cell_magic
def doubled(line, cell): print(line, cell * factor, sep="|")
# %%
%shout abc
# %%
text = %shout other
# %%
text
# %%
%%doubled x
some text
# %%
@magics_class
class Own(Magics):
    @line_magic
    def count(self, line):
        self.n = getattr(self, "n", 0) + 1
        return self.n
get_ipython().register_magics(Own)
# %%
%count
# %%
n = %count
print(n)
# %%
n
""",
    "what handlers of logs write to": r"""
# %%
import io, logging
records, stream = [], io.StringIO()
class Keep(logging.Handler):
    def emit(self, record): records.append(record.getMessage())
def set_up(name, handler):
    log = logging.getLogger(name)
    log.setLevel("INFO")
    log.propagate = False
    log.addHandler(handler)
    return log
# %%
log = set_up("mine", Keep())
other = set_up("others", logging.StreamHandler(stream))
# %%
log.info("one"); other.info("three"); print(records, stream.getvalue())
# %%
log.info("two"); n = len(records)
# %%
def logged(text):
    log.info(text)
    return records[-1]
# %%
logged("three"), n
# %%
records.clear()
# %%
records
# %% plain
del stream
""",
    "a handler of a module of one's own": r"""
# %% plain
from pathlib import Path
Path("set_up_logs.py").write_text('''
import logging
class Shown(logging.Handler):
    def emit(self, record): print("logged", record.getMessage())
def set_up():
    log = logging.getLogger("app")
    log.setLevel("INFO"); log.propagate = False
    log.addHandler(Shown())
    return log
def twice(x): return 2 * x
''')
# %%
import set_up_logs
log = set_up_logs.set_up()
# %%
log.info("one")
# %%
import logging
len(logging.getLogger("app").handlers), set_up_logs.twice(3)
# %%
logging.getLogger("app").info("two")
""",
}
