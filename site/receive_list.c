// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "site/receive_private.h"

// --- the lister

static int wait_for_credit(struct receiver *r, struct err *e) {
    struct lister *l = &r->lister;
    pthread_mutex_lock(&l->lock);
    while (l->credit == 0 && !l->stop) {
        pthread_cond_wait(&l->more, &l->lock);
    }
    bool stop = l->stop;
    l->credit -= stop ? 0 : 1;
    pthread_mutex_unlock(&l->lock);
    return stop ? err_set(e, ERR_RETRY, "the list was given up") : 0;
}

static int send_page(struct receiver *r, struct err *e) {
    int rc = wait_for_credit(r, e);
    rc = rc < 0 ? rc : wire_send(&r->wire, FRAME_PAGE, r->lister.page.data, r->lister.page.len, e);
    buf_clear(&r->lister.page);
    return rc;
}

static int list(struct receiver *r, struct listed *l, struct err *e) {
    put_listed(&r->lister.page, l);
    r->lister.count++;
    return r->lister.page.len >= PROTOCOL_PAGE ? send_page(r, e) : 0;
}

static int list_unreadable(void *arg, const char *path, int errnum, struct err *e) {
    struct receiver *r = arg;
    struct listed *l = &r->lister.entry;
    bool under = strcmp(path, r->under) == 0;
    if (errnum == ENOENT) {
        return 0;
    }
    if (tree_errno_is_general(errnum)) {
        return err_sys(e, ERR_RETRY, errnum, "the destination cannot be listed");
    }
    if (under) {
        char shown[300];
        escape_into(shown, sizeof shown, path, strlen(path));
        return errnum == ELOOP || errnum == ENOTDIR
                   ? err_set(e, ERR_FAILED,
                             "%s: a symbolic link or file stands there or on the way "
                             "at the destination; nothing is written through it: remove it or "
                             "leave %s out",
                             shown, shown)
                   : err_sys(e, ERR_FAILED, errnum, "%s: cannot be read at the destination", shown);
    }
    *l = (struct listed){.type = LISTED_UNREADABLE, .size = (uint64_t)errnum};
    memcpy(l->path, path, strlen(path) + 1);
    return list(r, l, e);
}

static int list_entry(void *arg, const struct tree_entry *t, struct err *e) {
    struct receiver *r = arg;
    struct listed *l = &r->lister.entry;
    l->type = (char)t->type;
    l->mode = t->mode;
    l->uid = t->uid;
    l->gid = t->gid;
    l->size = t->size;
    l->mtime_ns = t->mtime_ns;
    memcpy(l->path, t->path, strlen(t->path) + 1);
    if (t->type == TREE_LINK) {
        struct tree_parent parent = TREE_PARENT_INIT(r->rootfd);
        const char *leaf;
        int fd = tree_parent_of(&parent, t->path, &leaf);
        ssize_t n = fd < 0 ? -1 : readlinkat(fd, leaf, l->target, sizeof l->target - 1);
        int errnum = errno;
        tree_parent_close(&parent);
        if (n < 0) {
            return list_unreadable(r, t->path, errnum, e);
        }
        l->target[n] = 0;
    }
    return list(r, l, e);
}

static void *lister_main(void *arg) {
    struct receiver *r = arg;
    struct err e = {0};
    const struct tree_selection s = {.under = r->under,
                                     .ids = r->all ? NULL : r->names,
                                     .except = r->except,
                                     .n_except = r->n_except};
    const struct tree_walker w = {.entry = list_entry, .unreadable = list_unreadable, .arg = r};
    int rc = tree_walk_skip(r->rootfd, &s, &w, NULL, NULL, &e);
    if (rc == 0 && r->lister.page.len > 0) {
        rc = send_page(r, &e);
    }
    if (rc == 0) {
        AUTO_BUF struct buf b = BUF_INIT(16);
        put_u64(&b, r->lister.count);
        wire_send(&r->wire, FRAME_LISTED, b.data, b.len, &e);
    } else {
        wire_fail(&r->wire, &e); // where it was given up, nobody listens
    }
    return NULL;
}

int lister_start(struct receiver *r, uint32_t credit, struct err *e) {
    r->lister.credit = credit;
    r->lister.page = (struct buf)BUF_INIT(PROTOCOL_FRAME_MAX);
    int errnum = pthread_create(&r->lister.thread, NULL, lister_main, r);
    if (errnum != 0) {
        return err_sys(e, ERR_FAILED, errnum, "no thread to list the destination");
    }
    r->lister.started = true;
    return 0;
}

void lister_more(struct receiver *r, uint32_t credit) {
    pthread_mutex_lock(&r->lister.lock);
    r->lister.credit += credit;
    pthread_cond_signal(&r->lister.more);
    pthread_mutex_unlock(&r->lister.lock);
}

void lister_stop(struct receiver *r) {
    pthread_mutex_lock(&r->lister.lock);
    r->lister.stop = true;
    pthread_cond_signal(&r->lister.more);
    pthread_mutex_unlock(&r->lister.lock);
    if (r->lister.started) {
        pthread_join(r->lister.thread, NULL);
    }
    buf_free(&r->lister.page);
    pthread_cond_destroy(&r->lister.more);
    pthread_mutex_destroy(&r->lister.lock);
}

// --- digests

// "1", size and digest; or "0" and zeros for what is no readable regular file.
static int digest_one(struct receiver *r, const char *path, struct buf *answer, struct err *e) {
    struct stat st;
    const char *leaf;
    uint8_t digest[HASH_SIZE] = {0};
    uint64_t size = 0;
    int dir = tree_parent_of(&r->parent, path, &leaf);
    AUTO_CLOSE int fd =
        dir < 0 ? -1 : openat(dir, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && tree_errno_is_general(errno)) {
        return err_sys(e, ERR_RETRY, errno, "the destination cannot be read");
    }
    bool ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    int rc = ok ? content_read(&r->content, &r->wire, fd, CONTENT_SHA256, digest, &size, e) : 0;
    if (rc == ERR_RETRY) {
        return rc;
    }
    put_u8(answer, ok && rc == 0);
    put_u64(answer, size);
    buf_put(answer, digest, sizeof digest);
    return 0;
}

int receive_digests(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    AUTO_BUF struct buf answer = BUF_INIT(PROTOCOL_FRAME_MAX);
    char path[PATH_REL_MAX + 1];
    int rc = 0;
    tree_parent_close(&r->parent); // what stood there last time may have been replaced
    for (size_t n = 0; rc == 0 && t.at < t.len; n++) {
        take_text(&t, path, sizeof path);
        if (t.bad || n == PROTOCOL_DIGESTS || !path_relative_ok(path)) {
            return err_set(e, ERR_DATA, "a list of paths that is not well formed");
        }
        rc = digest_one(r, path, &answer, e);
    }
    return rc == 0 ? wire_send(&r->wire, FRAME_DIGESTS, answer.data, answer.len, e) : rc;
}
