# Figures built up over cells; settings of the first cell relied on in the last.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

plt.rcParams["figure.figsize"] = (4, 3)
plt.rcParams["lines.linewidth"] = 3
pd.set_option("display.precision", 2)
np.set_printoptions(precision=3, suppress=True)

# %%
x = np.linspace(0, 6, 50)
np.sin(x[:5])

# %%
plt.plot(x, np.sin(x))
plt.title("sine")
plt.show()

# %%
fig, ax = plt.subplots()
ax.plot(x, np.cos(x), label="cosine")

# %%
ax.plot(x, x / 6, "--", label="line")
ax.legend()
fig

# %%
table = pd.DataFrame({"x": x[::10], "root": np.sqrt(x[::10])})
table

# %%
fig, axes = plt.subplots(1, 2)
for ax, column in zip(axes, table.columns):
    ax.hist(table[column], bins=4)
fig.tight_layout()

# %%
with plt.style.context("ggplot"):
    table.plot(x="x", y="root");

# %%
plt.style.use("dark_background")

# %%
table["root"].plot.bar()
