# Objects changed in place: by the cell, through a helper, through another name.

# %%
import pandas as pd

prices = pd.DataFrame({"item": ["tea", "jam", "bread", "milk"], "price": [3.0, 2.5, 4.0, 1.0]})
basket = {}
log = []

# %%
prices["double"] = prices["price"] * 2
basket["tea"] = 2
log.append("started")
prices

# %%
prices.loc[prices["item"] == "jam", "price"] = 9.5
prices.rename(columns={"double": "twice"}, inplace=True)
prices.tail(2)


# %%
def put(target, item, number=1):
    target[item] = target.get(item, 0) + number
    return target[item]


# %%
put(basket, "milk")
put(basket, "tea", 3)

# %%
history = log
history.append(dict(basket))
len(log)

# %%
log

# %%
nested = {"rows": [], "basket": basket}
nested["rows"].append(prices["price"].sum())
basket.pop("milk")

# %%
nested

# %%
import numpy as np

grid = np.zeros((3, 3), dtype=int)
corner = grid[:2, :2]

# %%
corner[:] = 7
grid

# %%
numbers = list(range(5))
first, second = numbers, numbers[::-1]
first.sort(key=lambda n: -n)
print(numbers, first is numbers, second)

# %%
first.append(100)
numbers
