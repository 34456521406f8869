"""A chain of 100 tiny steps in a shared store: run, reused, and reused by somebody who has no copy of it yet.

Run: ``python tests/benchmarks/bench_shared.py [steps]``. The bucket is that of a server of moto's on this
machine, which answers one request after another: what counts is how few there are.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from support import environment, ms, print_table

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.bucket import serve

ROUNDS = 3
CHAIN = Path(__file__).with_name("bench_chain.py")


def main(n_steps: int) -> None:
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, serve() as address:
        aws = {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        os.environ.update(aws)
        import fsspec

        fsspec.filesystem("s3").mkdir("team")
        for round_ in range(ROUNDS):
            folder = Path(name, str(round_))
            folder.mkdir()
            for cache, parts in (
                ("first", {"cold": "run", "warm": "again, same process"}),
                ("first", {"new process": "again, new process"}),
                ("second", {"new process": "again, no copy yet"}),
            ):
                done = subprocess.run(
                    [sys.executable, str(CHAIN), "ours", str(n_steps), str(folder)],
                    env={
                        **environment(folder),
                        **aws,
                        "MLPIPE_STORE": f"s3://team/{round_}",
                        "XDG_CACHE_HOME": str(folder / cache),
                        "JUPYTER_DATA_DIR": str(folder / "data"),
                    },
                    cwd=folder,
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
                found = json.loads(done.stdout.splitlines()[-1])
                for part, label in parts.items():
                    seconds.setdefault(label, []).append(found[part])
    print(f"{n_steps} steps in a row, milliseconds in all: median (minimum) of {ROUNDS} rounds\n")
    print_table(
        ("", "all steps"),
        [(label, f"{ms(statistics.median(taken))} ({ms(min(taken))})") for label, taken in seconds.items()],
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
