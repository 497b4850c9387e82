// SPDX-License-Identifier: Apache-2.0
// A batch becomes part of the destination: what was staged is synced, put in place, and the
// directories are synced; then the receipt goes out. A sync that failed is never tried again: the
// kernel may have thrown the pages away and said so once. The session ends, its staging is removed,
// and the sender sends the batch anew.
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "site/receive_private.h"

// More directories than this are synced by one syncfs rather than one by one.
#define DIRS_MAX 4

static int sync_failed(struct err *e, int errnum) {
    return err_sys(e, errnum == ENOSPC || errnum == EDQUOT ? ERR_IO : ERR_RETRY, errnum,
                   "the destination's file system cannot be synced to disk");
}

static int sync_all(struct receiver *r, struct err *e) {
    int fault = FAULT("stage-fsync");
    if (fault != 0 || syncfs(r->stage.fd) != 0) {
        return sync_failed(e, fault != 0 ? fault : errno);
    }
    return 0;
}

// Nothing is left to be written by then: each file only tells whether its content was.
static int ask_each(struct placer *p, struct err *e) {
    char name[STAGE_FILE_NAME];
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    for (size_t i = 0; i < p->batch->n_members; i++) {
        const struct item *x = &p->batch->items[i];
        if (x->kind != TREE_FILE || x->void_ || x->part) { // parts are synced one by one
            continue;
        }
        stage_file_name(i, name);
        AUTO_CLOSE int named = x->unnamed < 0 ? openat(p->batch->folder, name, flags) : -1;
        int fd = x->unnamed < 0 ? named : x->unnamed;
        int fault = FAULT("file-fsync");
        // One that its owner may not read was asked when it was staged.
        if (fault != 0 || (fd < 0 ? errno != EACCES : fsync(fd) != 0)) {
            return sync_failed(e, fault != 0 ? fault : errno);
        }
    }
    return 0;
}

static int sync_content(struct placer *p, struct err *e) {
    int rc = sync_all(p->r, e);
    return rc == 0 && !path_syncfs_tells() ? ask_each(p, e) : rc;
}

static int sync_dirs(struct placer *p, struct err *e) {
    if (p->n_dirs > DIRS_MAX) {
        return sync_all(p->r, e);
    }
    for (size_t i = 0; i < p->n_dirs; i++) {
        AUTO_CLOSE int fd = path_open(p->r->rootfd, p->dirs[i], O_RDONLY | O_DIRECTORY, 0);
        int fault = FAULT("dir-fsync");
        // A directory that may not be read cannot be synced alone.
        int rc = fd < 0 && errno == EACCES ? syncfs(p->r->stage.fd)
                 : fd < 0 || fault != 0    ? -1
                                           : fsync(fd);
        if (rc != 0 && !(fd < 0 && errno == ENOENT)) {
            return sync_failed(e, fault != 0 ? fault : errno);
        }
    }
    return 0;
}

static bool any_content(const struct batch *b) {
    for (size_t i = 0; i < b->n; i++) {
        const struct item *x = &b->items[i];
        if (x->kind == 'm' ? x->was_type != TREE_DIR : x->kind != TREE_DIR) {
            return true;
        }
    }
    return false;
}

static int place_mends(struct placer *p, bool directories, struct err *e) {
    int rc = 0;
    for (size_t i = p->batch->n_members; rc == 0 && i < p->batch->n; i++) {
        if ((p->batch->items[i].was_type == TREE_DIR) == directories) {
            rc = place_mend(p, i, e);
        }
    }
    return rc;
}

static int place_all(struct placer *p, struct err *e) {
    int rc = place_mends(p, false, e);
    rc = rc == 0 && any_content(p->batch) ? sync_content(p, e) : rc;
    int fault = FAULT("files-before-rename");
    if (rc == 0 && fault != 0) {
        rc = err_sys(e, ERR_RETRY, fault, "files cannot be put in place");
    }
    for (size_t i = 0; rc == 0 && i < p->batch->n_members; i++) {
        rc = p->batch->items[i].void_ ? 0 : place_member(p, i, e);
    }
    fault = rc == 0 ? FAULT("files-after-rename") : 0;
    if (fault != 0) {
        rc = err_sys(e, ERR_RETRY, fault, "files cannot be put in place");
    }
    rc = rc < 0 ? rc : place_mends(p, true, e); // behind the renames, which touch their times
    return rc < 0 ? rc : sync_dirs(p, e);
}

static void sum_up(struct batch *b) {
    AUTO_HASH struct hash *h = hash_new();
    b->bytes = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (!b->items[i].void_ && !b->items[i].refused) {
            batch_digest(h, &b->items[i]);
            b->bytes += b->items[i].kind == TREE_FILE ? b->items[i].size : 0;
            b->count++;
        }
    }
    hash_final(h, b->digest);
}

static int send_receipt(struct receiver *r, const struct batch *b, struct err *e) {
    AUTO_BUF struct buf out = BUF_INIT(PROTOCOL_FRAME_MAX);
    buf_put(&out, r->nonce, sizeof r->nonce);
    put_u64(&out, b->number);
    put_u64(&out, b->count);
    put_u64(&out, b->bytes);
    buf_put(&out, b->digest, sizeof b->digest);
    put_u32(&out, b->n_refusals);
    buf_put(&out, b->refusals.data, b->refusals.len);
    int fault = FAULT("files-before-receipt");
    if (fault == 0) {
        fault = FAULT("files-receipt-lost");
    }
    if (fault != 0) {
        return err_sys(e, ERR_RETRY, fault, "the receipt is lost");
    }
    return wire_send(&r->wire, FRAME_RECEIPT, out.data, out.len, e);
}

static int commit(struct receiver *r, struct batch *b, struct err *e) {
    if (b->is_range) {
        int kept = receive_keep_range(r, b, e);
        return kept < 0 ? kept : send_receipt(r, b, e);
    }
    struct placer p = {.r = r,
                       .batch = b,
                       .parent = TREE_PARENT_INIT(r->rootfd),
                       .other = TREE_PARENT_INIT(r->rootfd),
                       .touched = strtab_new(),
                       .arena = arena_new()};
    int rc = place_all(&p, e);
    tree_parent_close(&p.parent);
    tree_parent_close(&p.other);
    strtab_free(p.touched);
    arena_free(p.arena);
    if (rc < 0) {
        return rc;
    }
    sum_up(b);
    return send_receipt(r, b, e);
}

// --- the thread

static void *committer_main(void *arg) {
    struct receiver *r = arg;
    struct committer *c = &r->committer;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (c->batch == NULL && !c->stop) {
            pthread_cond_wait(&c->turn, &c->lock);
        }
        if (c->batch == NULL) {
            break;
        }
        struct batch *b = c->batch;
        struct err e = {0};
        bool failed = c->failed;
        pthread_mutex_unlock(&c->lock);
        int rc = failed ? ERR_RETRY : commit(r, b, &e);
        if (rc < 0 && !failed) {
            wire_fail(&r->wire, &e);
        }
        batch_free(r, b);
        pthread_mutex_lock(&c->lock);
        c->failed = c->failed || rc < 0;
        c->batch = NULL;
        pthread_cond_broadcast(&c->turn);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

int committer_start(struct receiver *r, struct err *e) {
    if (r->committer.started) {
        return 0;
    }
    int errnum = pthread_create(&r->committer.thread, NULL, committer_main, r);
    if (errnum != 0) {
        return err_sys(e, ERR_FAILED, errnum, "no thread to put files in place");
    }
    r->committer.started = true;
    return 0;
}

int committer_wait(struct receiver *r, struct err *e) {
    struct committer *c = &r->committer;
    pthread_mutex_lock(&c->lock);
    while (c->batch != NULL) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&c->turn, &c->lock, &until);
        pthread_mutex_unlock(&c->lock);
        struct err ignored = {0}; // a sender that has gone shows when it is read from
        wire_alive(&r->wire, &ignored);
        pthread_mutex_lock(&c->lock);
    }
    bool failed = c->failed;
    pthread_mutex_unlock(&c->lock);
    return failed ? err_set(e, ERR_RETRY, "an earlier batch failed") : 0;
}

int committer_give(struct receiver *r, struct batch *b, struct err *e) {
    struct committer *c = &r->committer;
    int rc = committer_start(r, e);
    rc = rc < 0 ? rc : committer_wait(r, e);
    if (rc < 0) {
        batch_free(r, b);
        return rc;
    }
    pthread_mutex_lock(&c->lock);
    c->batch = b;
    pthread_cond_broadcast(&c->turn);
    pthread_mutex_unlock(&c->lock);
    return 0;
}

void committer_stop(struct receiver *r) {
    struct committer *c = &r->committer;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_broadcast(&c->turn);
    pthread_mutex_unlock(&c->lock);
    if (c->started) {
        pthread_join(c->thread, NULL);
    }
    pthread_cond_destroy(&c->turn);
    pthread_mutex_destroy(&c->lock);
}
