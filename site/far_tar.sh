#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a far end does by its own tools where no receiver runs (site/far_tar.h). Sent to its sh, which
# then gets one call of these functions after the other. Set before: m, the word that answers begin
# with; R, the root; N, the staging folder's name, empty for who only reads; P, the name of the folder
# of the step's parts of large files.
#
# Nothing is followed: v_cd makes the folder of what is worked on the current directory, which is
# then held, and looks where it has led; all else is done to names in it.
# shellcheck disable=SC2015,SC2016
LC_ALL=C
export LC_ALL m
unset CDPATH
B='' C=0 G='' K=-o S='' T=sync Y=''

say() {
    printf '\n%s %s\n' "$m" "$*"
}
# Says every few seconds that it lives while something takes long.
v_busy() {
    { while sleep 3 >/dev/null 2>&1 9>&- && kill -0 $$; do say alive; done; } 2>/dev/null 9>&- &
    G=$!
}
v_idle() {
    kill "$G" 2>/dev/null
}
v_end() {
    cd /
    rm -rf "$S"
}

# Of those that died: what no one holds the lock of; where there are no locks, what is two days old.
v_sweep() {
    for x in "$R/.mvimig-staging-"*; do
        case ${x##*-} in
        *[!0-9a-f]*) continue ;;
        ????????????????????????????????) ;;
        *) continue ;;
        esac
        [ -d "$x" ] && [ ! -L "$x" ] && [ "$x" != "$S" ] || continue
        if [ -n "$Y" ]; then
            # Another name first: who makes it just now sees by that that it is gone.
            y=$(printf %s "$x$N" | sha256sum)
            y=$R/.mvimig-staging-${y%"${y#????????????????????????????????}"}
            (flock -n 8 && mv -T "$x" "$y" && rm -rf "$y") 8<>"$x/lock"
        else
            find "$x" -maxdepth 0 -mmin +2880 -exec rm -rf {} +
        fi
    done 2>/dev/null
}

# The staging folder. Until it is locked another session may take it for a dead one's and take it
# away: then it has to be made again. Where it cannot be locked at all, nobody does.
v_make() {
    (umask 077 && mkdir "$S" && : >"$S/lock" && : >"$S/probe") || return
    command -v flock >/dev/null || return 0
    command exec 9<>"$S/lock" || return
    if flock -n 9; then Y=y; else sleep 1; fi
    [ -e "$S/probe" ] || { Y=; return 1; }
} 2>/dev/null
v_start() {
    for x in tar find sha256sum stat mv ln dd chmod touch readlink sync sleep mkdir rm rmdir; do
        command -v "$x" >/dev/null || B="$B $x"
    done
    [ -z "$B" ] || { say lacks "$B"; return; }
    cd -P "$R" 2>/dev/null || { say fail "there is no such directory, or it may not be entered"; return; }
    R=${PWD%/}
    [ -n "$N" ] || { say ready "$(id -u)" "$(stat -c %.9Y .)"; return; }
    S=$R/$N
    trap v_end EXIT
    trap 'exit 1' HUP INT TERM PIPE
    v_make || v_make || v_make ||
        { say fail "no folder can be made in it; give the user there the right to write"; return; }
    sync -f "$S" 2>/dev/null && T="sync -f $N"
    v_sweep
    rm -rf "$R/${P:?}" 2>/dev/null # left by a receiver: large files are sent whole from here on
    say ready "$(id -u)"
}

v_forget() {
    rm -rf "$R/${1:?}" 2>/dev/null
    say forgotten $?
}

# Unpacks into a new folder $1: lines with a count of blocks of 64 KiB, those behind each, 0 at the
# end. All of it is read, whatever happens; what breaks off amid it must not be taken for commands.
v_take() {
    B=$S/$1
    say go
    {
        while read -r x || { kill $$; exit; }; do
            [ "$x" -gt 0 ] || exit
            dd bs=65536 count="$x" iflag=fullblock 2>/dev/null || { kill $$; exit; }
        done
    } | {
        mkdir -m 700 "$B" && (cd "$B" && exec tar -x -p $K -f -)
        x=$?
        cat >/dev/null
        exit $x
    }
    say taken $?
}
# What became of the trial file 0 with mode 0640, owner 61234 and a time with a fraction.
v_keeps() {
    cd "$S" || exit
    x=
    [ "$(stat -c %a "$B/0")" = 640 ] && x=${x}m
    if chown 61234:61234 probe && [ "$(stat -c %u:%g probe)" = 61234:61234 ]; then x=${x}o; fi
    ln -T probe link && x=${x}h
    ln -s probe symlink && x=${x}s
    touch -h -d @1000000001.123456789 probe || touch -h -d @1000000001 probe ||
        { say fail "touch there does not know -h -d @SECONDS; put GNU coreutils or BusyBox there"; return; }
    dd </dev/null bs=1 count=1 iflag=fullblock && : >new && mv -fT new link ||
        { say fail "dd there does not know iflag=fullblock, or mv -T; put GNU coreutils or BusyBox there"; return; }
    [ "${x#*o}" = "$x" ] || K=
    say keeps "-$x" "$(stat -c %.9Y probe)" "$(stat -c %.9Y "$B/0")"
} 2>/dev/null

# --- looking

# The directory $1 below the root, held from now on. C: 0, 1 it is not there, 2 something else is.
v_cd() {
    C=0
    cd "$R/" || exit
    [ "$1" != . ] || return 0
    if ! cd -P "./$1" 2>/dev/null; then
        C=2
        [ -e "./$1" ] || [ -L "./$1" ] || C=1
    elif [ "$PWD" != "$R/$1" ]; then
        C=2
    fi
}
# For find: descriptions, a line each, then as many names with a zero byte behind each.
LIST='if s=$(stat -c "%f %u %g %s %.9Y" -- "$@"); then
    printf "\n%s n %s\n%s\n" "$m" $# "$s"
    printf "%s\0" "$@"
else
    for x; do
        s=$(stat -c "%f %u %g %s %.9Y" -- "$x") || continue
        printf "\n%s n 1\n%s\n%s\0" "$m" "$s" "$x"
    done
fi 2>/dev/null
:'
LINKS='for x; do
    printf "\n%s l\n%s\0" "$m" "$x"
    readlink -n -- "$x" 2>/dev/null
    printf "\0"
done'
CLOSED='for x; do
    [ -r "$x" ] && [ -x "$x" ] || printf "\n%s u\n%s\0" "$m" "$x"
done'
v_list() { # two paths that are left out, then where to begin
    x=$1 y=$2
    shift 2
    find "$@" \( -path "$x" -o -path "$y" \) -prune -o \
        -type l -exec sh -c "$LINKS" sh {} + 2>/dev/null
    find "$@" \( -path "$x" -o -path "$y" \) -prune -o \
        ! -path . -exec sh -c "$LIST" sh {} + 2>/dev/null ||
        find "$@" \( -path "$x" -o -path "$y" \) -prune -o \
            -type d -exec sh -c "$CLOSED" sh {} + 2>/dev/null
    say more
}
# The names that are there, of those given.
v_names() {
    n=$#
    while [ "$n" -gt 0 ]; do
        n=$((n - 1))
        if [ -e "./$1" ] || [ -L "./$1" ]; then set -- "$@" "./$1"; fi
        shift
    done
    if [ $# -gt 0 ]; then v_list ./ ./ "$@"; else say more; fi
}
is_file() {
    [ ! -L "./$1" ] && [ -f "./$1" ]
}
v_digest() {
    if [ "$C" = 0 ] && is_file "$1" && x=$(sha256sum <"./$1") && y=$(stat -c %s -- "./$1"); then
        say h "$y" "${x%% *}"
    else
        say h -
    fi
} 2>/dev/null

# --- putting in place

# What was unpacked, synced and read back from the disk.
v_sums() {
    cd "$R/" && v_busy
    # shellcheck disable=SC2086  # two words
    $T || { v_idle; say fail "the file system cannot be synced"; return; }
    cd "$B" || exit
    if [ "$1" -gt 0 ]; then
        sha256sum -- * | while read -r x y; do say s "$y" "$x"; done
    fi
    v_idle
    say summed
}
v_sync() {
    cd "$R/" && v_busy
    # shellcheck disable=SC2086
    if $T; then x=synced; else x="fail the file system cannot be synced"; fi
    v_idle
    say "$x"
}
v_drop() {
    cd "$R/" && rm -rf "$B"
    say dropped
}
refuse() {
    say r "$@"
}
here() { # of item $1; an owner who is not root needs the right to write, the mode is mended later
    case $C in
    0) [ -w . ] || chmod u+wx . 2>/dev/null ;;
    1) refuse "$1" refused "its directory is not there" ;;
    *) refuse "$1" symlink "a symbolic link or file stands in its way at the destination" ;;
    esac
    return "$C"
}
as_seen() { # leaf, type, "size time"
    case $2 in
    f) is_file "$1" ;;
    l) [ -L "./$1" ] ;;
    d) [ ! -L "./$1" ] && [ -d "./$1" ] && return ;;
    esac && [ "$(stat -c '%s %.9Y' -- "./$1")" = "$3" ]
}
v_symlink() { # item, target, owner or "", time
    cd "$B" && ln -s -T -- "$2" "$1" && { [ -z "$3" ] || chown -h "$3" "$1"; } &&
        touch -h -d "@$4" "$1" || refuse "$1" refused "its link cannot be made"
} 2>/dev/null
v_hard() { # item, leaf of its first name, its time
    here "$1" || return
    if is_file "$2" && [ "$(stat -c %.9Y -- "./$2")" = "$3" ] && ln -T "./$2" "$B/$1"; then return; fi
    refuse "$1" refused "what it is a hard link to is not what stands there"
} 2>/dev/null
v_new() { # item, leaf
    here "$1" || return
    ln -T "$B/$1" "./$2" && return
    if [ -e "./$2" ] || [ -L "./$2" ]; then
        refuse "$1" appeared "something appeared there while it was on its way"
    elif ! mv -nT "$B/$1" "./$2" || [ -e "$B/$1" ]; then # a file system without hard links
        refuse "$1" refused "it cannot be put in place"
    fi
} 2>/dev/null
v_replace() { # item, leaf, type and description of what stands there
    here "$1" || return
    if ! as_seen "$2" "$3" "$4"; then
        refuse "$1" appeared "what stands there has changed while it was on its way"
    elif [ "$3" = d ] && ! rmdir "./$2"; then
        refuse "$1" occupied "a directory that is not empty stands in its place"
    elif ! mv -fT "$B/$1" "./$2"; then
        refuse "$1" refused "it cannot be put in place"
    fi
} 2>/dev/null
v_dir() { # item, leaf; type and description of what it takes the place of
    here "$1" || return
    if [ -n "$3" ]; then
        { [ "$3" != d ] && as_seen "$2" "$3" "$4" && rm -f "./$2"; } ||
            { refuse "$1" appeared "what stands there has changed while it was on its way"; return; }
    fi
    mkdir -m 700 "./$2" || { [ ! -L "./$2" ] && [ -d "./$2" ]; } ||
        refuse "$1" refused "no directory can be made there"
} 2>/dev/null
v_mend() { # item, leaf, type, owner, mode, time; "" for what is right
    here "$1" || return
    case $3 in
    f) is_file "$2" ;;
    l) [ -L "./$2" ] ;;
    *) [ ! -L "./$2" ] && [ -d "./$2" ] ;;
    esac || { refuse "$1" appeared "what stands there has changed while it was on its way"; return; }
    { [ -z "$4" ] || chown -h "$4" "./$2"; } &&
        { [ -z "$5" ] || [ "$3" = l ] || chmod "$5" "./$2"; } &&
        { [ -z "$6" ] || touch -h -d "@$6" "./$2"; } ||
        refuse "$1" refused "its metadata cannot be set"
} 2>/dev/null
v_parent() { # leaf, owner or "", mode: a directory that gets its name when all else is right
    [ "$C" != 0 ] || [ -d "./$1" ] && [ ! -L "./$1" ] && return
    { [ "$C" = 0 ] && mkdir -m 700 "$S/parent" && { [ -z "$2" ] || chown "$2" "$S/parent"; } &&
        chmod "$3" "$S/parent" && mv -nT "$S/parent" "./$1"; } ||
        refuse 0 refused "$1 cannot be made"
} 2>/dev/null

# --- deleting: "o" and as of enum files_delete_outcome: 0 absent, 1 as laid, 2 differs, 3 occupied
v_remove() { # leaf, type, SHA-256, "really" or ""
    x=2
    if [ "$C" = 1 ] || { [ "$C" = 0 ] && [ ! -e "./$1" ] && [ ! -L "./$1" ]; }; then
        x=0
    elif [ "$C" = 0 ]; then
        case $2 in
        f) is_file "$1" && y=$(sha256sum <"./$1") && [ "${y%% *}" = "$3" ] && x=1 ;;
        l) [ -L "./$1" ] && y=$(readlink -n -- "./$1" | sha256sum) && [ "${y%% *}" = "$3" ] && x=1 ;;
        d) [ ! -L "./$1" ] && [ -d "./$1" ] && x=1 ;;
        esac
    fi
    if [ $x = 1 ] && [ -n "$4" ]; then
        if [ "$2" = d ]; then rmdir "./$1" || x=3; else rm -f "./$1" || x=2; fi
    fi
    say o $x
} 2>/dev/null
say loaded
