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
}
