# SPDX-License-Identifier: Apache-2.0
# Where script/bootstrap has put what the other scripts and the tests run. Sourced, never run.
# shellcheck shell=bash

# shellcheck source=script/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

_requirements=$(sha256sum <"$ROOT/tests/requirements.txt" | cut -c1-8)
_python=$(find_python || true)
_version=none
if [[ -n $_python ]]; then
    _version=$("$_python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
fi

# The key holds the version and the pins: two checkouts with other pins share the cache.
MVIMIG_VENV=$MVIMIG_CACHE/venv-$_version-$_requirements
MVIMIG_PYTHON=$MVIMIG_VENV/bin/python
MVIMIG_MONGOD_42=$MVIMIG_CACHE/mongod-4.2.6/bin/mongod
MVIMIG_MONGOD_42_LIBS=$MVIMIG_CACHE/mongod-4.2.6/lib
MVIMIG_MONGOD_60=$MVIMIG_CACHE/mongod-6.0.5/bin/mongod
export MVIMIG_VENV MVIMIG_PYTHON MVIMIG_MONGOD_42 MVIMIG_MONGOD_42_LIBS MVIMIG_MONGOD_60
unset _requirements _python _version
