"""Short notebooks whose cells set what libraries keep for themselves; the form is that of `plain_cells`."""

from __future__ import annotations

NOTEBOOKS: dict[str, str] = {
    "how polars shows numbers": r"""
# %%
import polars as pl
table = pl.DataFrame({"a": [1.23456789, 2.0], "b": ["x", "y"]})
# %%
pl.Config.set_float_precision(2)
pl.Config.set_tbl_rows(1);
# %%
table
# %%
pl.Config.set_fmt_float("full").set_thousands_separator("'").set_decimal_separator(",")
pl.Config.set_tbl_hide_dataframe_shape(True);
# %%
print(table * 10_000, pl.Config.state()["set_fmt_float"])
# %%
with pl.Config(float_precision=1, thousands_separator=False):
    print(table * 10_000)
# %%
pl.Config.restore_defaults();
# %%
table
""",
    "parts of modules that are replaced by mocks": r"""
# %%
import unittest.mock, os, time
place = unittest.mock.patch("os.getlogin", return_value="somebody")
place.start();
# %%
os.getlogin()
# %%
names = [os.getlogin() for _ in range(2)]
# %%
place.stop();
# %%
print(names, type(os.getlogin).__name__)
# %%
clock = unittest.mock.patch.object(time, "ctime", return_value="noon"); replaced = clock.start()
# %%
time.ctime()
# %%
replaced.call_count, clock.stop()
# %%
time.ctime() == "noon"
# %%
asked = unittest.mock.Mock(return_value=3)
# %%
asked(1) + asked(2)
# %%
asked.call_count, asked.call_args_list
# %% plain
del place, clock, replaced, asked
""",
    "handlers of logs": r"""
# %%
import logging
records = []
class Keep(logging.Handler):
    def emit(self, record):
        records.append(record.getMessage())
log = logging.getLogger("mine")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(Keep())
# %%
log.info("one %s", 1)
# %%
print(records)
# %%
log.info("two")
# %%
print(records, len(log.handlers))
# %%
class Short(logging.Formatter):
    def format(self, record): return f"<{record.levelname.lower()}: {record.getMessage()}>"
shown = logging.StreamHandler()
shown.setFormatter(Short())
log.addHandler(shown)
# %%
log.warning("three")
# %%
sizes = [1]
log.warning("sizes %s", sizes)
sizes.append(2)
# %%
try: 1 / 0
except ZeroDivisionError: log.exception("failed %s", "here")
# %%
log.addFilter(lambda record: "four" not in record.getMessage())
# %%
log.warning("four")
# %% plain
print(len(log.filters))
# %%
log.handlers.clear()
# %%
log.info("five")
# %%
records
""",
    "tables of DuckDB": r"""
# %%
import duckdb
import pandas as pd
rows = pd.DataFrame({"a": [1, 2]})
# %%
duckdb.sql("select sum(a) as total from rows").df()
# %%
duckdb.sql("create table kept as select * from rows")
# %%
duckdb.sql("select sum(a) from kept").fetchall()
# %%
duckdb.register("seen", rows);
# %%
found = duckdb.sql("select * from seen join kept using (a)").df()
# %%
found
# %%
duckdb.sql("insert into kept values (5)")
# %%
duckdb.execute("select max(a) from kept").fetchone()
""",
    "formats of figures": r"""
# %%
%config InlineBackend.figure_format = 'svg'
# %%
import matplotlib.pyplot as plt
def kinds(figure):
    formatters = get_ipython().display_formatter.formatters
    return [kind for kind, formatter in formatters.items() if type(figure) in formatter.type_printers]
# %%
figure = plt.figure(figsize=(1, 1)); plt.close()
kinds(figure)
# %%
from matplotlib_inline.backend_inline import set_matplotlib_formats
set_matplotlib_formats("retina")
# %%
plt.figure(figsize=(1, 1)); plt.plot([1, 2]);
# %%
kinds(figure)
# %%
set_matplotlib_formats("png", "jpeg")
# %%
print(kinds(figure))
# %%
%config InlineBackend.figure_formats = ['png']
# %%
plt.figure(figsize=(1, 1)); plt.plot([2, 1]);
""",
    "themes of plotly": r"""
# %%
import plotly.graph_objects as go, plotly.io as pio
# %%
pio.templates["mine"] = go.layout.Template(layout={"title": {"font": {"size": 7}}})
pio.templates.default = "plotly_dark+mine"
pio.renderers.default = "json"
# %%
print(pio.templates.default, pio.renderers.default, go.Figure().layout.template.layout.title.font.size)
# %%
del pio.templates["mine"]
pio.templates.default = "none"
# %%
print(pio.templates.default, "mine" in pio.templates)
""",
    "defaults of plotly, and what shows its figures": r"""
# %%
import plotly.express as px, plotly.io as pio
pio.renderers.default = "plotly_mimetype"
# %%
figure = px.bar(x=[1], y=[2])
# %%
figure.show()
# %%
px.defaults.width = 400
px.defaults.color_discrete_map["a"] = "red"
# %%
px.bar(x=[1], y=[2]).layout.width, px.defaults.color_discrete_map, pio.renderers.default
# %%
px.defaults.reset()
# %%
px.bar(x=[1], y=[2]).layout.width, px.defaults.color_discrete_map
# %% plain
del figure
""",
    "how SymPy shows values": r"""
# %%
from sympy import init_printing, symbols
x = symbols("x")
init_printing(use_latex="png")
# %%
x**2 / 3
# %%
init_printing(use_latex="mathjax")
# %%
x**2 / 3
# %%
[x, x**2]
# %%
init_printing(pretty_print=False)
# %%
x**2 / 3
""",
    "options of Altair and xarray": r"""
# %%
import altair as alt, pandas as pd, xarray as xr
table = pd.DataFrame({"a": range(6000)})
array = xr.DataArray([1, 2], dims="x")
# %%
alt.data_transformers.disable_max_rows()
alt.theme.enable("dark")
xr.set_options(display_style="text", keep_attrs=True);
# %%
len(alt.Chart(table).mark_point().encode(x="a:Q").to_dict()["config"])
# %%
array
""",
}
