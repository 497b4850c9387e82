# SPDX-License-Identifier: Apache-2.0
# Folders that become images: programs of this machine with the libraries they load. Sourced.
# BUSYBOX names a static one.
# shellcheck shell=bash

# put_program ROOT PROGRAM [PLACE]: a program and its libraries, each where the loader looks.
put_program() {
    local root=$1 program=$2 place=${3:-/usr/bin/$(basename "$2")} library
    install -D -m 755 "$program" "$root$place"
    { ldd "$program" 2>/dev/null || true; } | { grep -o '/[^ ]*' || true; } | while read -r library; do
        [[ -e $root$library ]] || install -D -m 755 "$(readlink -f "$library")" "$root$library"
    done
}

# new_root ROOT: what every one has: the usual folders, a user of each kind, a shell and busybox's
# other tools in /bin.
new_root() {
    # shellcheck disable=SC2153  # given by the caller
    local root=$1 applet busybox=$BUSYBOX
    mkdir -p "$root"/{bin,usr/bin,usr/local/bin,lib64,etc,tmp,root,proc,sys,dev,run,opt}
    chmod 1777 "$root/tmp"
    printf 'root:x:0:0:root:/root:/bin/sh\nmvimig:x:1001:0:mvimig:/tmp:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\n' >"$root/etc/group"
    cp "$busybox" "$root/bin/busybox"
    for applet in $("$busybox" --list); do
        [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
    done
}
