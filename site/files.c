// SPDX-License-Identifier: Apache-2.0
#include "site/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/stop.h"
#include "site/files_private.h"
#include "site/stage.h"

void file_end_free(struct file_end *end) {
    if (end != NULL) {
        end->free(end);
    }
}

// --- the walk

int sender_stopped(const struct sender *s, struct err *e) {
    return stop_asked() ? err_set(e, stop_error(), "stopped")
           : s->streams_of != NULL && streams_given_up(s->streams_of)
               ? err_set(e, ERR_RETRY, "given up")
               : 0;
}

static int on_entry(void *arg, const struct tree_entry *t, struct err *e) {
    struct sender *s = arg;
    int rc = sender_stopped(s, e);
    rc = rc < 0 ? rc : dir_leave_to(s, t->path, e);
    int found = rc < 0 ? rc : session_seek(&s->session, t->path, e);
    if (found < 0) {
        return found;
    }
    if (t->type != TREE_OTHER) {
        s->counts->files++;
        s->counts->bytes += t->type == TREE_FILE ? t->size : 0;
    }
    struct item *i = item_new(t, s->dir);
    i->far = found > 0 ? (struct listed *)session_entry(&s->session) : NULL;
    struct dir *d = t->type == TREE_DIR ? dir_new(s, t) : NULL;
    rc = decide(s, i, d, e);
    if (d != NULL) {
        s->dir = d; // freed with the sender when something failed
    }
    return rc;
}

static int on_unreadable(void *arg, const char *path, int errnum, struct err *e) {
    return tell_problem_errno(arg, path, errnum, e);
}

static int add_name(void *arg, const char *name, struct err *e) {
    return buf_append(arg, name, strlen(name) + 1, e);
}

// What the far side has to list: names are looked up here, so that it needs no templates.
static int select_far(struct sender *s, struct err *e) {
    const struct tree_selection *t = &s->job->selection;
    AUTO_BUF struct buf names = BUF_INIT(PROTOCOL_NAMES_MAX);
    const struct session_selection x = {.under = t->under,
                                        .names = t->ids == NULL ? NULL : &names,
                                        .except = t->except,
                                        .n_except = t->n_except};
    int rc = t->ids == NULL ? 0 : tree_names(s->job->source_root, t, add_name, &names, e);
    return rc < 0 ? rc : session_select(&s->session, s->job->source_root, &x, e);
}

static int walk_source(struct sender *s, struct err *e) {
    const struct tree_walker w = {.entry = on_entry, .unreadable = on_unreadable, .arg = s};
    int rc = tree_walk(s->job->source_root, &s->job->selection, &w, e);
    rc = rc < 0 ? rc : dir_leave_to(s, NULL, e);
    rc = rc < 0 ? rc : streams_settle(s, e);
    rc = rc < 0 ? rc : decide_doubts(s, e);
    rc = rc < 0 ? rc : batch_end(s, e);
    return streams_end(s, rc, e);
}

static void note_keeps(struct sender *s) {
    uint32_t flags = s->session.keeps.flags;
    char text[200] = "the destination cannot keep:";
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {{KEEP_OWNER, " owner and group;"},
                 {KEEP_MODE, " permissions;"},
                 {KEEP_XATTR, " extended attributes;"},
                 {KEEP_LINKS, " hard links (they become files);"},
                 {KEEP_SYMLINKS, " symbolic links;"}};
    size_t at = strlen(text), start = at;
    struct file_end *end = s->session.end;
    if (end->remark != NULL && s->job->note != NULL && !atomic_exchange(&end->remarked, true)) {
        s->job->note(s->job->arg, end->remark);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i].name);
        if ((flags & names[i].flag) == 0) {
            memcpy(text + at, names[i].name, n + 1);
            at += n;
        }
    }
    if (at > start && s->job->note != NULL && !atomic_exchange(&s->session.end->noted, true)) {
        text[at - 1] = 0;
        s->job->note(s->job->arg, text);
    }
}

// A stop lets the batches that are complete arrive; what is being filled is given up.
static int finish(struct sender *s, int rc, char manifest_digest[HASH_HEX], struct err *e) {
    if (rc == ERR_INTERRUPTED || rc == ERR_TERMINATED) {
        struct err ignored = {0};
        batch_wait_all(s, &ignored);
        return rc;
    }
    MUST(rc < 0 || s->first == NULL); // all of it is in the manifest
    rc = rc < 0 ? rc : batch_wait_all(s, e);
    rc = rc < 0 ? rc : ranges_drop(s, e);
    rc = rc < 0 || s->manifest == NULL ? rc : manifest_finish(s->manifest, manifest_digest, e);
    struct err ignored = {0};
    if (rc == 0) {
        session_bye(&s->session, &ignored); // every batch has its receipt already
    }
    if (rc == 0 && s->failed) {
        return err_set(e, ERR_CONFLICTS,
                       "%llu file(s) stand at the destination with other content "
                       "(onConflict: fail); `mvimig conflicts` lists them",
                       (unsigned long long)s->counts->conflicts);
    }
    return rc;
}

void sender_free(struct sender *s) {
    queue_free(s);
    streams_free(s->streams);
    batches_free(s);
    session_close(&s->session);
    source_free(s);
    manifest_writer_free(s->manifest);
    free(s);
}

struct sender *sender_new(const struct files_job *job, struct files_counts *counts) {
    struct sender *s = must_calloc(1, sizeof *s);
    s->job = job;
    s->counts = counts;
    s->last = &s->first;
    s->flying_last = &s->flying;
    s->parent = (struct tree_parent)TREE_PARENT_INIT(job->source_root);
    s->batch_items = FAULT("streams-soon") != 0 ? BATCH_ITEMS_SOON : BATCH_ITEMS;
    s->hash = hash_new();
    s->checksum = checksum_new();
    s->piece = must_calloc(1, PIECE_HEAD + SOURCE_BUFFER);
    s->buffer = s->piece + PIECE_HEAD;
    return s;
}

int files_send(struct file_end *destination, const struct files_job *job,
               struct files_counts *counts, char manifest_digest[HASH_HEX], struct err *e) {
    const struct tree_selection *t = &job->selection;
    struct sender *s = sender_new(job, counts);
    *counts = (struct files_counts){0};
    manifest_digest[0] = 0;
    if (job->stream_more != NULL && !job->dry_run) {
        streams_new(s);
    }
    if (job->manifest_fd >= 0) {
        s->manifest = manifest_writer_new(job->manifest_fd, t->under, t->except, t->n_except);
    }
    int rc = session_open(&s->session, destination, !job->dry_run, job->token, e);
    s->session.receipt = batch_receipt;
    s->session.arg = s;
    if (rc == 0) {
        note_keeps(s);
        rc = select_far(s, e);
        rc = rc < 0 ? rc : walk_source(s, e);
        rc = finish(s, rc, manifest_digest, e);
    }
    session_explain(&s->session, rc, e);
    sender_free(s);
    return rc;
}

// --- one root or two

int files_same_root(struct file_end *destination, int source_root, bool *same, struct err *e) {
    struct session *s = must_calloc(1, sizeof *s);
    char name[STAGE_NAME_MAX];
    struct stat st;
    struct err ignored = {0};
    int rc = session_open(s, destination, true, NULL, e);
    if (rc == 0) { // by now its staging folder, which nobody else has, stands in its root
        stage_name(s->nonce, name);
        *same = fstatat(source_root, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
        session_bye(s, &ignored);
    }
    session_explain(s, rc, e);
    session_close(s);
    free(s);
    return rc;
}
