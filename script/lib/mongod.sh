# SPDX-License-Identifier: Apache-2.0
# MongoDB servers for scripts, on loopback. Sourced after env.sh, never run.
# shellcheck shell=bash

MONGOD_PIDS=()

free_port() {
    "$MVIMIG_PYTHON" -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# start_mongod 4.2|6.0 FOLDER VARIABLE: starts one and sets VARIABLE to its port. It dies with
# the script, however that ends.
start_mongod() {
    local version=$1 folder=$2 binary libs=() port pid try
    case $version in
    4.2)
        binary=$MVIMIG_MONGOD_42
        libs=("LD_LIBRARY_PATH=$MVIMIG_MONGOD_42_LIBS")
        ;;
    6.0) binary=$MVIMIG_MONGOD_60 ;;
    *) die "no such server: $version" ;;
    esac
    mkdir -p "$folder"
    for try in 1 2 3; do
        port=$(free_port)
        # env last: setpriv itself must not see the old OpenSSL.
        setpriv --pdeathsig KILL env "${libs[@]}" "$binary" \
            --dbpath "$folder" --port "$port" --bind_ip 127.0.0.1 --nounixsocket \
            --logpath "$folder/mongod.log" --wiredTigerCacheSizeGB 0.25 \
            --setParameter diagnosticDataCollectionEnabled=false >/dev/null 2>&1 &
        pid=$!
        if wait_for_mongod "$pid" "$folder/mongod.log"; then
            MONGOD_PIDS+=("$pid")
            printf -v "$3" '%s' "$port"
            return 0
        fi
        # Most likely somebody took the port between the look and the start.
        [[ $try -lt 3 ]] || tail -n 20 "$folder/mongod.log" >&2
    done
    die "MongoDB $version does not start"
}

# Its own log tells, not the port: another server may answer there.
wait_for_mongod() {
    local pid=$1 log=$2 turn
    for ((turn = 0; turn < 1200; turn++)); do
        if ! kill -0 "$pid" 2>/dev/null; then
            wait "$pid" || true
            return 1
        fi
        if grep -q 'aiting for connections' "$log" 2>/dev/null; then
            return 0
        fi
        sleep 0.05
    done
    kill -KILL "$pid"
    wait "$pid" || true
    return 1
}

# Only those that this script has started, by their numbers.
stop_mongods() {
    local pid
    for pid in "${MONGOD_PIDS[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${MONGOD_PIDS[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    MONGOD_PIDS=()
}

# write_ends FILE SOURCE_PORT DESTINATION_PORT FOLDER: a network configuration of both, whose files
# are in FOLDER/source and FOLDER/destination.
write_ends() {
    (
        umask 077
        cat >"$1" <<END
{
    // Both ends are reached directly here: a database's address and a mounted directory.
    "source": {"mongoUri": "mongodb://127.0.0.1:$2/", "dataDir": "$4/source/data"},
    "destination": {"mongoUri": "mongodb://127.0.0.1:$3/", "dataDir": "$4/destination/data"},
}
END
    )
}
