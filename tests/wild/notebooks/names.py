# Names bound again and again, temporaries, del, star imports.

# %%
from collections import *
from math import *

total = 0
tmp = [1, 2, 3]

# %%
for i, value in enumerate(tmp):
    total += value * i
tmp = sorted(tmp, reverse=True)
total, tmp

# %%
counts = Counter("abracadabra")
tmp = counts.most_common(2)
print(tmp, floor(pi * 10))


# %%
def describe(values):
    """Return the smallest and the largest."""
    return min(values), max(values)


# %%
limit = 3


def twice(function):
    def called(*values):
        return function(*values), function(*values)

    return called


@twice
def above(*values):
    return [value for value in values if value > limit]


# %%
low, high = describe(counts.values())
tmp = describe([total, low, high])
tmp

# %%
print(above(1, 4, 9))

# %%
i = 10
text = f"{i} {value} {tmp}"
del value
text

# %%
words = "it was the best of times it was the worst of times".split()
groups = defaultdict(list)
for i, word in enumerate(words):
    groups[word].append(i)
squares = {i: i**2 for i in range(5)}
[(word, where) for word, where in groups.items() if len(where) > 1]

# %%
try:
    value
except NameError:
    print("gone", i)

# %%
total = total + len(groups)
words = [word for word in words if len(word) > 3]
print(total, words, squares[3])

# %%
{}["missing"]

# %%
1 / (total - total)
