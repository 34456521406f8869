# Seeds set once, and draws over many cells.

# %%
import random

import numpy as np

np.random.seed(0)
random.seed(1)

# %%
x = np.random.rand(3)
x

# %%
y = np.random.randn(2)
letters = random.sample("abcdef", 3)
print(y, letters)

# %%
rng = np.random.default_rng(42)
state = np.random.RandomState(7)
first = rng.normal(size=2)

# %%
second = rng.normal(size=2)
third = state.randint(0, 100, 4)
second, third


# %%
def throw(n):
    return [random.randint(1, 6) for _ in range(n)]


# %%
throw(5)

# %%
np.random.shuffle(third)
third, np.random.choice(5, 2), rng.integers(10)

# %%
np.random.seed(0)
(x == np.random.rand(3)).all()
