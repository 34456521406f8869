#!/usr/bin/env bash
# Install what is missing and run the flights notebook: `bash notebooks/run.sh [-p NAME=VALUE]...`
# A second call shows that every step is reused. Arguments go to `jupyter mlpipe run`.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../.ci/environment.sh"

prepare notebooks
rm -f "$log"
say "Running notebooks/flights.ipynb."
exec jupyter mlpipe run "$root/notebooks/flights.ipynb" "$@"
