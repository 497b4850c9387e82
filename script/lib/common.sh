# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts: where things are, and how they talk. Sourced, never run.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Containers of CI systems sometimes start without HOME.
: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
MVIMIG_CACHE=${MVIMIG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mvimig}
export ROOT HOME MVIMIG_CACHE

say() {
    printf '== %s\n' "$*" >&2
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# The system's python is preferred: another one first in PATH (pyenv, conda) may lack venv,
# and its version changes more often than the cache should be rebuilt.
find_python() {
    local p
    for p in /usr/bin/python3 "$(command -v python3 || true)"; do
        if [[ -n $p && -x $p ]] && "$p" -c 'import ensurepip, venv' 2>/dev/null; then
            printf '%s\n' "$p"
            return
        fi
    done
    return 1
}

# The address comes from the machine's own configuration, so that a local mirror serves here too.
debian_mirror() {
    # shellcheck disable=SC2016  # apt expands these, not the shell
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }'
}
