"""Short notebooks about files and folders; the form is that of `plain_cells`."""

from __future__ import annotations

NOTEBOOKS: dict[str, str] = {
    "a folder that is removed from above": r"""
# %% plain
import os, shutil
from pathlib import Path
for _path in ("data", "other"):
    shutil.rmtree(_path, ignore_errors=True)
# %%
os.makedirs("data/deep")
Path("data/a.txt").write_text("a")
Path("data/deep/b.txt").write_text("b")
Path("other").mkdir()
Path("other/c.txt").write_text("c");
# %%
os.chdir("data")
# %%
sorted(map(str, Path(".").rglob("*")))
# %%
os.remove("../other/c.txt")
os.rename("deep/b.txt", "../other/b.txt")
# %%
sorted(os.listdir("../other")), os.listdir("deep")
# %%
os.chdir("..")
shutil.rmtree("data")
# %%
os.path.exists("data"), os.path.basename(os.getcwd()) == "data"
# %%
Path("other/b.txt").unlink()
Path("other").rmdir()
# %%
Path("other").exists(), [path for path in os.listdir(".") if path[0] != "."]
""",
    "files in a temporary folder": r"""
# %%
import os, shutil, tempfile
from pathlib import Path
folder = tempfile.mkdtemp()
Path(folder, "a.txt").write_text("a")
os.mkdir(os.path.join(folder, "deep"));
# %%
Path(folder, "deep", "b.txt").write_text("b");
# %%
Path(folder, "a.txt").read_text(), sorted(os.listdir(folder)), os.listdir(Path(folder, "deep"))
# %%
shutil.rmtree(folder)
# %%
os.path.exists(folder)
# %% plain
os.path.exists(folder)
# %% plain
del folder
""",
    "folders that magics change to": r"""
# %% plain
import os
from pathlib import Path
os.makedirs("one/two", exist_ok=True)
home = os.getcwd()
# %%
%cd -q one
# %%
os.path.relpath(os.getcwd(), home)
# %%
%pwd
# %%
%cd two
# %%
import json
%cd -q ..
json.dumps(os.path.relpath(os.getcwd(), home))
# %%
os.path.relpath(os.getcwd(), home)
# %%
%cd -
# %%
os.path.relpath(os.getcwd(), home), len(_dh)
# %%
%cd ..
# %%
%pushd two
# %%
os.path.relpath(os.getcwd(), home)
# %%
%popd
# %% plain
os.path.relpath(os.getcwd(), home)
# %%
word = "two"
# %%
%cd -q {word}
# %% plain
os.path.relpath(os.getcwd(), home)
# %%
number = 1
%cd ..
# %% plain
os.path.relpath(os.getcwd(), home), len(_dh)
# %%
%cd -
# %%
for part in ("..", ".."):
    %cd -q {part}
# %%
os.path.relpath(os.getcwd(), home), len(_dh)
# %%
%dhist
# %%
%cd -q one
number += 1
os.path.relpath(os.getcwd(), home), number
# %%
%bookmark mlpipe_test
# %%
%cd -q ..
# %%
%cd -b mlpipe_test
# %%
os.chdir("two")
# %%
os.path.relpath(os.getcwd(), home), len(_dh)
# %%
os.chdir("../..")
# %%
%bookmark -d mlpipe_test
""",
    "the folder that a program or a magic tells": r"""
# %% plain
import os, subprocess
os.makedirs("below", exist_ok=True)
# %%
%pwd
# %%
!pwd
# %%
%%bash
echo $PWD
# %%
subprocess.run(["pwd"], capture_output=True, text=True).stdout
# %% plain
os.chdir("below")
# %%
%pwd
# %%
!pwd
# %%
%%bash
echo $PWD
# %%
subprocess.run(["pwd"], capture_output=True, text=True).stdout
""",
    "names of ours in the text of a magic": r"""
# %%
import os
name, line, value, magic, self = "a", "b", "c", "d", "e"
# %%
%env MLPIPE_TEST_WORDS={name}{line}{value}{magic}{self}
# %%
os.environ["MLPIPE_TEST_WORDS"]
# %%
x = 1
%env MLPIPE_TEST_WORDS={name}{line}{value}{magic}{self}!
# %%
os.environ["MLPIPE_TEST_WORDS"]
""",
}
