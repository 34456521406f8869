#!/usr/bin/env bash
# Install what the tests need and run all checks: `bash tests/run.sh [PYTEST ARGUMENTS]...`
# Arguments go to pytest, with paths as seen from the project's root: `bash tests/run.sh tests/keys`.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../.ci/environment.sh"

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

prepare notebooks dev
if ! find_chromium >/dev/null; then
    say "Installing Debian's chromium, which the tests in a browser drive."
    apt_install chromium ||
        say "Chromium is missing and could not be installed: tests/browser will fail. As root: apt-get install chromium"
fi
rm -f "$log"

cd "$root"
say "Checking with ruff and mypy."
ruff check
ruff format --check
mypy
install_frontend() { [ labextension/node_modules/.package-lock.json -nt labextension/package-lock.json ] || quietly npm --prefix labextension ci; }
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    say "Node is missing: the front end is not checked, what is shipped of it is built already."
elif ! install_frontend; then
    say "Its packages cannot be installed: the front end is not checked, what is shipped of it is built already."
else
    say "Checking the front end."
    npm --prefix labextension run --silent check
    quietly npm --prefix labextension test
    rm -f "$log"
fi
say "Running the tests."
# Much of the time one test waits for processes of its own. A file stays together: its tests share kernels.
# Those that take long come first (tests/conftest.py), not those that have many tests.
status=0
python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@" || status=$?
[ "$status" -eq 1 ] || exit "$status"
say "What failed runs once more, with nothing beside it; what passes then is still worth a look."
exec python -m pytest --last-failed --last-failed-no-failures none -x -v "$@"
