// SPDX-License-Identifier: Apache-2.0
// The file side of `mvimig check`: what can be read here, what can be written there.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/fault.h"
#include "base/human.h"
#include "base/stop.h"
#include "commands/check.h"
#include "commands/migration_dir.h"
#include "plans/params.h"
#include "site/far_look.h"
#include "site/reach.h"
#include "site/tree.h"

#define LOOK_TIMEOUT_MS 30000
#define CLOCK_NOTE_S 60
#define OWN_WORK "logs/migrations"

static void bad(struct check *k, const char *end, const char *what, int code, const char *text) {
    struct err e = {0};
    err_set(&e, code, "%s", text);
    check_bad(k, end, what, &e);
}

// --- the source: what of it can be read

struct readable {
    int root;
    uint64_t entries, unreadable;
    char first[256];
};

static int note_unreadable(void *arg, const char *path, int errnum, struct err *e) {
    struct readable *r = arg;
    (void)e;
    if (errnum != ENOENT && r->unreadable++ == 0)
        escape_into(r->first, sizeof r->first, path, strlen(path));
    return stop_asked() ? stop_error() : 0;
}

static int try_entry(void *arg, const struct tree_entry *t, struct err *e) {
    struct readable *r = arg;
    r->entries++;
    bool link = t->type == TREE_LINK || t->type == TREE_OTHER;
    int mode = t->type == TREE_DIR ? R_OK | X_OK : R_OK;
    if (FAULT("check.readable") != 0 ||
        (!link && faccessat(r->root, t->path, mode, AT_EACCESS) != 0 && errno == EACCES))
        return note_unreadable(arg, t->path, EACCES, e);
    return stop_asked() ? stop_error() : 0;
}

static void check_readable(struct check *k, int root) {
    struct readable r = {.root = root};
    struct err e = {0};
    char n[2][HUMAN_TEXT];
    const char *except[] = {OWN_WORK};
    const struct tree_selection s = {.under = ".", .except = except, .n_except = 1};
    const struct tree_walker w = {.entry = try_entry, .unreadable = note_unreadable, .arg = &r};
    if (tree_walk(root, &s, &w, &e) != 0) {
        check_bad(k, "source", "files", &e);
        return;
    }
    if (r.unreadable == 0) {
        check_tell(k, "source", "files", CHECK_OK, "%s files and folders, all can be read",
                   human_count(r.entries, n[0]));
        return;
    }
    err_set(&e, ERR_IO,
            "%s of %s files and folders cannot be read by user %ld, %s the first; run as their "
            "owner (`deploy ... --run-as UID`) or as root",
            human_count(r.unreadable, n[0]), human_count(r.entries, n[1]), (long)geteuid(),
            r.first);
    check_bad(k, "source", "files", &e);
}

static void check_user(struct check *k, int root) {
    struct stat st;
    if (fstat(root, &st) != 0 || geteuid() == 0 || geteuid() == st.st_uid) {
        check_tell(k, "source", "user", CHECK_OK, "user %ld", (long)geteuid());
        return;
    }
    check_tell(k, "source", "user", CHECK_NOTE,
               "user %ld, the data directory is user %ld's: journal and dumps may have no place; "
               "run as its owner (`deploy ... --run-as %ld`), or give --work-dir",
               (long)geteuid(), (long)st.st_uid, (long)st.st_uid);
}

// Dumps are smaller than their documents; twice nothing is better than half of too little.
static uint64_t planned(const struct check *k, bool files) {
    uint64_t bytes = 0;
    for (size_t i = 0; k->plan != NULL && i < k->plan->n_steps; i++) {
        const struct plan_step *s = &k->plan->steps[i];
        bool counts = files ? plan_is_file_step(s) : s->kind == KIND_DUMP;
        bytes += counts ? s->expect.bytes : 0;
    }
    return bytes;
}

// A line about room; `free` 0 is not known.
static void check_room(struct check *k, const char *end, const char *what, uint64_t free,
                       uint64_t need) {
    char n[2][HUMAN_TEXT];
    struct err e = {0};
    if (free == 0)
        check_tell(k, end, what, CHECK_NOTE, "what is free is not told there; look by hand");
    else if (k->plan == NULL)
        check_tell(k, end, what, CHECK_OK, "%s free (give a PLAN to have it compared)",
                   human_bytes(free, n[0]));
    else if (need <= free)
        check_tell(k, end, what, CHECK_OK, "%s free, the plan has up to %s",
                   human_bytes(free, n[0]), human_bytes(need, n[1]));
    else {
        err_set(&e, ERR_IO,
                "%s free, the plan has up to %s: make room, or move less (--users, --projects)",
                human_bytes(free, n[0]), human_bytes(need, n[1]));
        check_bad(k, end, what, &e);
    }
}

void check_mongo_room(struct check *k, uint64_t free) {
    check_room(k, "destination", "mongodb room", free, planned(k, false));
}

// The nearest parent that is there must be writable.
static void check_workdir(struct check *k) {
    const char *name = k->plan != NULL ? k->plan->name : "NAME", *dir = NULL;
    struct err e = {0};
    struct statvfs fs;
    struct stat st;
    if (migration_dir_path(k->c, &k->ends, name, &dir, &e) != 0) {
        check_bad(k, "source", "work folder", &e);
        return;
    }
    char *at = arena_strdup(k->c->arena, dir);
    while (stat(at, &st) != 0 && (errno == ENOENT || errno == ENOTDIR) && strrchr(at, '/') > at)
        *strrchr(at, '/') = 0;
    if (stat(at, &st) != 0 || !S_ISDIR(st.st_mode) || access(at, W_OK | X_OK) != 0) {
        err_set(&e, ERR_JOURNAL,
                "%s cannot be made: %s is no folder that user %ld can write; mend its rights or "
                "give --work-dir",
                dir, at, (long)geteuid());
        check_bad(k, "source", "work folder", &e);
        return;
    }
    uint64_t free = statvfs(at, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
    check_tell(k, "source", "work folder", CHECK_OK, "%s", dir);
    check_room(k, "source", "dump room", free, planned(k, false));
}

bool check_source_files(struct check *k) {
    struct err e = {0};
    if (ends_open(&k->ends, ENDS_SOURCE_FILES, &e) != 0)
        return check_bad(k, "source", "data folder", &e);
    check_tell(k, "source", "data folder", CHECK_OK, "%s", k->ends.config->source.data_dir);
    check_user(k, k->ends.source_root);
    check_readable(k, k->ends.source_root);
    check_workdir(k);
    return true;
}

// --- the destination

// Who one is in the pod: a number of the user, and what OpenShift has given it by.
static const char *user_there(struct check *k, const struct far_facts *f, const char *scc) {
    return arena_printf(k->c->arena, "user %ld%s%s%s", f->uid, scc != NULL ? " (SCC " : "",
                        scc != NULL ? scc : "", scc != NULL ? ")" : "");
}

static void tell_far(struct check *k, const struct far_facts *f, const char *scc) {
    int64_t off = f->clock_s - clock_wall_ns() / 1000000000;
    char n[HUMAN_TEXT];
    if (f->uid == 0)
        check_tell(k, "destination", "user", CHECK_OK, "%s there, on %s", user_there(k, f, scc),
                   f->machine);
    else
        check_tell(k, "destination", "user", CHECK_NOTE,
                   "%s there, on %s: files will be that user's (owners are kept by root "
                   "alone), which MVI's own pods are as well",
                   user_there(k, f, scc), f->machine);
    if (off > CLOCK_NOTE_S || off < -CLOCK_NOTE_S)
        check_tell(k, "destination", "clock", CHECK_NOTE,
                   "%s %s the clock here; times of files are kept all the same, but logs of the "
                   "two cannot be laid side by side: set the clocks (NTP)",
                   human_duration((off < 0 ? -off : off) * 1000000000, n),
                   off > 0 ? "ahead of" : "behind");
    else
        check_tell(k, "destination", "clock", CHECK_OK, "as here");
    check_room(k, "destination", "file room", f->free_bytes, planned(k, true));
}

// The folder of the data, and those in it: each user's, made by MVI's own pods.
static bool check_writable(struct check *k, const struct far_facts *f, const char *root,
                           const char *scc) {
    char n[HUMAN_TEXT];
    struct err e = {0};
    if (!f->there)
        err_set(&e, ERR_IO,
                "%s is not there; name the folder as the pod has it mounted (dataDir), or another "
                "pod (filesPod)",
                root);
    else if (!f->writable)
        err_set(&e, ERR_IO,
                "%s cannot be written there by %s; take a pod that has it mounted for writing "
                "(filesPod), or give the folder to the group of the pod's user",
                root, user_there(k, f, scc));
    else if (f->closed > 0)
        err_set(&e, ERR_IO,
                "%s of the folders in %s cannot be written there by %s, %s the first; take the pod "
                "whose user made them (filesPod), or give them to the group of the pod's user",
                human_count(f->closed, n), root, user_there(k, f, scc), f->first);
    if (e.code != 0)
        return check_bad(k, "destination", "data folder", &e);
    check_tell(k, "destination", "data folder", CHECK_OK, "%s", root);
    return true;
}

// `scc`: of the pod; NULL: none is told.
static bool look_far(struct check *k, const char *const *prefix, const char *const *env,
                     const char *scc) {
    const char *root = k->ends.config->destination.data_dir;
    struct far_facts f;
    struct err e = {0};
    root = root != NULL ? root : REACH_DATA;
    if (far_look("destination", prefix, env, root, LOOK_TIMEOUT_MS, &f, &e) != 0) {
        if (!cluster_refuses(&e))
            err_append(&e, "; try it by hand: the command and then `sh`");
        return check_bad(k, "destination", "exec", &e);
    }
    check_tell(k, "destination", "exec", CHECK_OK, "a shell answers there");
    tell_far(k, &f, scc);
    return check_writable(k, &f, root, scc);
}

static bool look_here(struct check *k) {
    const char *dir = k->ends.config->destination.data_dir;
    struct statvfs fs;
    struct far_facts f = {.uid = (long)geteuid(), .clock_s = clock_wall_ns() / 1000000000};
    struct err e = {0};
    if (statvfs(dir, &fs) != 0 || access(dir, W_OK | X_OK) != 0) {
        err_sys(&e, ERR_IO, errno, "%s cannot be written; mount it, or name another (dataDir)",
                dir);
        return check_bad(k, "destination", "data folder", &e);
    }
    check_tell(k, "destination", "data folder", CHECK_OK, "%s", dir);
    f.free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    snprintf(f.machine, sizeof f.machine, "this machine");
    tell_far(k, &f, NULL);
    return true;
}

static bool look_cluster(struct check *k) {
    struct err e = {0};
    struct cluster_pod pod;
    struct reach *r = NULL;
    if (ends_reach_destination(&k->ends, &r, &e) != 0)
        return check_bad(k, "destination", "tools", &e);
    check_tell(k, "destination", "tools", CHECK_OK, "%s", cluster_program(reach_cluster(r)));
    int rc = reach_find_files(r, k->c->arena, &pod, &e);
    bool asked = rc == 0 || rc == ERR_NOTFOUND || rc == ERR_RETRY;
    if (asked)
        check_tell(k, "destination", "login", CHECK_OK, "project %s can be entered",
                   cluster_project(reach_cluster(r)));
    if (rc != 0)
        return check_bad(k, "destination", asked ? "files pod" : "login", &e);
    if (pod.mounted)
        check_tell(k, "destination", "files pod", CHECK_OK, "%s, container %s", pod.name,
                   pod.container);
    else
        check_tell(k, "destination", "files pod", CHECK_NOTE,
                   "%s, which does not say that it mounts %s; another pod is named with filesPod",
                   pod.name,
                   k->ends.config->destination.data_dir != NULL
                       ? k->ends.config->destination.data_dir
                       : REACH_DATA);
    return look_far(k, reach_prefix(r, k->c->arena, &pod), cluster_env(reach_cluster(r)), pod.scc);
}

static bool look_command(struct check *k) {
    const struct end_config *end = &k->ends.config->destination;
    const char *program = end->files_command[0];
    if (strchr(program, '/') == NULL && !child_in_path(program)) {
        bad(k, "destination", "tools", ERR_USAGE,
            arena_printf(k->c->arena, "%s, of filesCommand, is not in the PATH; install it",
                         program));
        return false;
    }
    char *env[2] = {NULL, NULL};
    bool ok = look_far(k, (const char *const *)end->files_command, ends_ssh_environment(env), NULL);
    free(env[0]);
    return ok;
}

bool check_destination_files(struct check *k) {
    const struct end_config *end = &k->ends.config->destination;
    struct err e = {0};
    bool ok = end->kind == END_CLUSTER     ? look_cluster(k)
              : end->data_dir == NULL      ? true
              : end->files_command != NULL ? look_command(k)
                                           : look_here(k);
    if (!ok || (end->kind != END_CLUSTER && end->data_dir == NULL))
        return false;
    if (ends_open(&k->ends, ENDS_DESTINATION_FILES, &e) != 0)
        return check_bad(k, "destination", "receiver", &e);
    return true;
}
