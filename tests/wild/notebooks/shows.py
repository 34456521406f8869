# What a notebook shows.

# %%
import sys
import time
import warnings

from IPython.display import HTML, Markdown, clear_output, display
from tqdm import tqdm

# %%
numbers = [1, 2, 3]
display(numbers, HTML("<b>bold</b>"))
print("between")
Markdown("*last*")

# %%
sum(numbers)

# %%
_ + 1

# %%
%%time
squares = [n * n for n in numbers]

# %%
squares

# %%
for n in tqdm(range(3)):
    squares.append(n)

# %%
warnings.warn("careful")
print("to stderr", file=sys.stderr)

# %%
for n in range(3):
    clear_output(wait=True)
    print("round", n)

# %%
squares;

# %%
before = time.perf_counter()
elapsed = time.perf_counter() - before >= 0
elapsed

# %%
%timeit -n 1 -r 1 sum(squares)

# %%
where = !echo hello
where, where.n

# %%
exec("made = 5")
made
