# Words of a text: counters, generators, patterns, an index.

# %%
import re, string, textwrap
from collections import Counter, defaultdict
from itertools import islice, tee
# %%
text = """It was the best of times, it was the worst of times, it was the age of wisdom, it was the age
of foolishness, it was the epoch of belief, it was the epoch of incredulity. There were a king with a large jaw
and a queen with a plain face, on the throne of England; there were a king with a large jaw and a queen with a
fair face, on the throne of France."""
print(textwrap.shorten(text, 60))
# %%
def tokens(text): return re.findall(r"[a-z']+", text.lower())
words = tokens(text)
len(words), words[:5]
# %%
counts = Counter(words)
counts.most_common(5)
# %%
stop = {"it", "was", "the", "of", "a", "and", "with", "on", "there", "were"}
counts.subtract(w for w in words if w in stop)
+counts
# %%
def pairs(it):
    a, b = tee(it); next(b, None); return zip(a, b)
follow = defaultdict(Counter)
for a, b in pairs(words): follow[a][b] += 1
follow["the"]
# %%
import random
random.seed(3)
def babble(word, n=8):
    out = [word]
    while len(out) < n and follow[out[-1]]:
        nxt = follow[out[-1]]
        out.append(random.choices(list(nxt), nxt.values())[0])
    return " ".join(out)
babble("it")
# %%
babble("the"), len(follow)
# %%
stream = (w for w in words if len(w) > 5)
first = next(stream)
first
# %%
print(first, list(islice(stream, 3)))
# %%
class Index:
    def __init__(self): self.where = defaultdict(list)
    def add(self, line, words):
        for w in words: self.where[w].append(line)
        return self
    def __len__(self): return len(self.where)
    def __repr__(self): return f"<Index of {len(self)} words>"
index = Index()
# %%
for i, line in enumerate(text.splitlines()): index.add(i, tokens(line))
index
# %%
index.where["king"], isinstance(index, Index), len(index)
# %%
pattern = re.compile(r"(?P<who>king|queen) with a (?P<how>\w+) (?P<what>\w+)")
[m.groupdict() for m in pattern.finditer(text)]
# %%
m = pattern.search(text)
m
# %%
m["who"], m.span(), pattern.sub(lambda m: m["who"].upper(), text)[-60:]
# %%
lengths = Counter(map(len, words))
for n, c in sorted(lengths.items()): print(f"{n:2} {'#' * c}")
# %%
table = str.maketrans("", "", string.punctuation)
vowels = {w: sum(c in "aeiou" for c in w) for w in set(words)}
max(vowels, key=lambda w: (vowels[w], w))
