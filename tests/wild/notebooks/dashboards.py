# What a dashboard shows: charts with defaults, themes and subplots.

# %%
import numpy as np, pandas as pd
import plotly.express as px, plotly.graph_objects as go, plotly.io as pio
from plotly.subplots import make_subplots
pio.renderers.default = "plotly_mimetype"
pio.templates.default = "plotly_white"
# %%
df = pd.DataFrame({"year": np.repeat([2001, 2002, 2003], 3), "kind": list("abc") * 3, "n": [3, 5, 1, 4, 4, 2, 6, 3, 3]})
fig = px.bar(df, x="year", y="n", color="kind", barmode="group")
fig
# %%
fig.update_layout(title="Kinds", height=300)
fig.show()
# %%
fig2 = make_subplots(rows=1, cols=2, subplot_titles=["a", "b"])
fig2.add_trace(go.Scatter(x=[1, 2, 3], y=[2, 1, 3], name="s"), row=1, col=1)
fig2.add_trace(go.Bar(x=["x", "y"], y=[1, 2], name="t"), row=1, col=2)
fig2.update_xaxes(showgrid=False)
len(fig2.data), fig2.layout.template.layout.plot_bgcolor
# %%
counts = go.Figure(go.Bar(y=np.arange(3)), layout_title="n")
counts.update_layout(autosize=False, yaxis={"zeroline": True, "color": "red"})
one = go.Scatter(y=df["n"], name="z", mode="lines")
moving = go.Figure(counts.data, frames=[go.Frame(name="late", data=[go.Bar(y=np.arange(3) ** 2)])])
# %%
print(counts.data[0].y.max(), list(counts.layout), list(counts.layout.yaxis), counts.to_json() == go.Figure(counts).to_json())
print(one.y.sum(), list(one), list(moving.frames[0].to_plotly_json()), moving.frames[0].data[0].y)
# %%
counts.layout.yaxis.color = "blue"; counts.add_trace(one).data[0].marker.color = "green"
moving.frames[0].name = "later"
print(counts.to_dict()["data"], counts.layout.yaxis, one.yaxis, moving.frames[0].name)
# %%
for trace in fig2.data: trace.opacity = .5
fig2.data[0].opacity, fig2
# %%
def card(label, value):
    return go.Indicator(mode="number", value=value, title={"text": label})
board = go.Figure(card("total", int(df["n"].sum())))
board.to_dict()["data"][0]["value"]
# %%
from IPython.display import display, HTML, Markdown
display(Markdown(f"**{df['n'].sum()}** in all"), HTML(df.pivot(index="kind", columns="year", values="n").to_html(border=0)))
# %%
_html = fig.to_html(include_plotlyjs=False, full_html=False, div_id="d")
len(_html) > 1000, "Kinds" in _html
_html
# %%
try:
    import altair as alt
    chart = alt.Chart(df).mark_line(point=True).encode(x="year:O", y="n:Q", color="kind:N").properties(width=200)
    (chart | chart.mark_bar()).to_dict()["hconcat"][1]["mark"]
except ImportError:
    print("no altair")
# %%
px.defaults.template = "ggplot2"
px.defaults.width = 400
px.scatter(df, x="year", y="n").layout.width
# %%
figs = {k: px.line(part, x="year", y="n", title=k) for k, part in df.groupby("kind")}
[f.layout.title.text for f in figs.values()], figs["a"].layout.width
# %%
figs["a"].add_hline(y=3, line_dash="dot"); figs["a"].layout.shapes[0].y0
