# Sourced by notebooks/run.sh and tests/run.sh: a virtual environment in .venv with this package in it.
#
#   PYTHON=/path/to/python   the interpreter to make it with; otherwise the first found that is 3.11 or later
#
# What is there already is left as it is, so that a second call takes no time.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
# Output of what is run quietly; it stays where something failed.
log=$(mktemp -t jupyter-mlpipe.XXXXXX)
trap '[ -s "$log" ] || rm -f "$log"' EXIT

# Without compiled files every kernel and every step would compile its imports again.
unset PYTHONDONTWRITEBYTECODE PYTHONHOME

say() { printf '%s\n' "$*" >&2; }

# Run quietly; on failure show the end of the output, without addresses (they may hold credentials).
quietly() {
    "$@" >"$log" 2>&1 && return
    say "Failed: $1 ... (the whole output is in $log):"
    tail -n 15 "$log" | sed -E 's#[a-z+]+://[^ ]+#...#g' >&2
    return 1
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if is_recent "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    if [ -n "${PYTHON:-}" ]; then
        say "PYTHON=$PYTHON is no Python 3.11 or later. Name another one, or unset PYTHON."
    else
        say "No Python 3.11 or later was found. Install one (Debian: apt-get install python3), or name it: PYTHON=/path/to/python $0"
    fi
    return 1
}

can_be_root() { [ "$(id -u)" = 0 ] || { command -v sudo && { sudo -n true || [ -t 0 ]; }; } >/dev/null 2>&1; }

# Install Debian packages; false where apt-get or the rights for it are missing.
apt_install() {
    command -v apt-get >/dev/null && can_be_root || return 1
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@")
    # The lists of packages may be missing or too old on a fresh machine.
    "${install[@]}" >"$log" 2>&1 || { quietly "${as_root[@]}" apt-get update && quietly "${install[@]}"; }
}

# Debian ships Python without the part that puts pip into an environment (python3-venv).
create_venv() {
    local python=$1 package
    package=python$(version_of "$python")-venv
    "$python" -m venv --clear "$venv" >"$log" 2>&1 && return
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --clear --without-pip "$venv" >"$log" 2>&1 &&
            "$python" -m pip --python "$venv/bin/python" install --quiet pip >"$log" 2>&1 && return
    fi
    "$python" -m virtualenv --clear "$venv" >"$log" 2>&1 && return
    say "$python cannot make a virtual environment: installing Debian's $package."
    apt_install "$package" && quietly "$python" -m venv --clear "$venv" && return
    rm -rf "$venv"
    say "Install it as root, apt-get install $package, or name another interpreter, PYTHON=/path/to/python, and try again."
    return 1
}

# Usage: prepare EXTRA...   .venv holds this package with these extras, and leads the PATH.
prepare() {
    local python wanted extra key missing=() started=$SECONDS
    if [ -n "${PYTHON:-}" ] || ! is_recent "$venv/bin/python"; then
        python=$(find_python) || return 1
        wanted=$(version_of "$python")
        if [ "$(version_of "$venv/bin/python")" != "$wanted" ]; then
            say "Making .venv with Python $wanted ($python)."
            create_venv "$python" || return 1
        fi
    fi
    # Scripts in an environment hold its path, so one that was moved is installed again; so is another front end.
    key=$({ cat "$root/pyproject.toml" "$root/labextension/built/sources" && "$venv/bin/python" -VV && echo "$venv"; } | sha256sum | cut -c 1-64)
    for extra in "$@"; do
        [ "$(cat "$venv/.installed-$extra" 2>/dev/null)" = "$key" ] || missing+=("$extra")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        say "Installing jupyter-mlpipe[$(IFS=,; echo "${missing[*]}")] into .venv; the first time this takes some minutes."
        # An environment that another tool made may be without pip.
        "$venv/bin/python" -m pip --version >/dev/null 2>&1 ||
            quietly "$venv/bin/python" -m ensurepip || return 1
        quietly "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
            --editable "$root[$(IFS=,; echo "${missing[*]}")]" || return 1
        for extra in "${missing[@]}"; do
            echo "$key" >"$venv/.installed-$extra"
        done
        say "Installed in $((SECONDS - started)) s."
    fi
    export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
}
