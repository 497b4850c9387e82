// SPDX-License-Identifier: Apache-2.0
// verify: the destination against a manifest. The manifest is read twice: once to see that it is
// whole and which names the destination has to list, once to be compared.
#include <stdlib.h>
#include <string.h>

#include "base/stop.h"
#include "site/files_private.h"

struct checked { // a file whose content is being asked for
    struct checked *next;
    uint64_t size;
    char digest[HASH_HEX];
    char path[];
};
struct verifier {
    const struct files_verify *v;
    struct session session;
    struct manifest_reader *manifest;
    struct files_counts *counts;
    struct buf names, paths;
    struct checked *first, **last;
    size_t n_checked;
    bool differs; // the entry that is looked at
};

static int differ(struct verifier *x, const char *path, const char *what, const char *detail,
                  struct err *e) {
    x->differs = true;
    return x->v->difference(x->v->arg, path, what, detail, e);
}

// --- the first reading

// The part of a path directly in `under`, once for each.
static int collect(struct verifier *x, const char *path, struct err *e) {
    const char *under = manifest_under(x->manifest);
    size_t skip = strcmp(under, ".") == 0 ? 0 : strlen(under) + 1;
    if (skip > 0 && !tree_is_below(path, under)) {
        return err_set(e, ERR_DATA, "the manifest names something that is not below \"%s\"", under);
    }
    const char *name = path + skip;
    size_t len = strcspn(name, "/");
    char text[PATH_COMPONENT_MAX + 1];
    memcpy(text, name, len);
    text[len] = 0;
    // Neighbours in order: the same name comes in a row.
    if (x->paths.len > 0 && strcmp((const char *)x->paths.data, text) == 0) {
        return 0;
    }
    buf_clear(&x->paths);
    buf_put(&x->paths, text, len + 1);
    return buf_append(&x->names, text, len + 1, e);
}

static int read_names(struct verifier *x, struct err *e) {
    struct manifest_entry m;
    int rc = manifest_reader_new(x->v->manifest_fd, &x->manifest, e);
    while (rc == 0 && (rc = manifest_next(x->manifest, &m, e)) > 0) {
        rc = collect(x, m.path, e);
    }
    manifest_reader_free(STEAL(x->manifest));
    buf_clear(&x->paths);
    return rc < 0 ? rc : manifest_reader_new(x->v->manifest_fd, &x->manifest, e);
}

// --- content

static int check_contents(struct verifier *x, struct err *e) {
    size_t at = 0;
    int rc = x->n_checked == 0 ? 0 : session_digest_ask(&x->session, &x->paths, e);
    while (x->first != NULL) {
        struct checked *c = x->first;
        struct far_digest far = {0};
        rc = rc < 0 ? rc : session_digest_next(&x->session, &at, &far, e);
        x->differs = false;
        if (rc == 0 && !far.known) {
            rc = differ(x, c->path, "unreadable", "", e);
        } else if (rc == 0 && strcmp(far.digest, c->digest) != 0) {
            rc = differ(x, c->path, "content", far.digest, e);
        }
        x->counts->present += rc == 0 && !x->differs;
        if (rc == 0 && x->v->progress != NULL) {
            x->v->progress(x->v->arg, 1, c->size);
        }
        x->first = c->next;
        free(c);
    }
    x->last = &x->first;
    x->n_checked = 0;
    buf_clear(&x->paths);
    return rc;
}

static int check_content(struct verifier *x, const struct manifest_entry *m, struct err *e) {
    size_t len = strlen(m->path) + 1;
    if (x->paths.len + len + 2 > PROTOCOL_FRAME_MAX || x->n_checked == PROTOCOL_DIGESTS) {
        int rc = check_contents(x, e);
        if (rc < 0) {
            return rc;
        }
    }
    struct checked *c = must_calloc(1, sizeof *c + len);
    memcpy(c->path, m->path, len);
    memcpy(c->digest, m->digest, sizeof c->digest);
    c->size = m->size;
    *x->last = c;
    x->last = &c->next;
    x->n_checked++;
    put_text(&x->paths, m->path);
    return 0;
}

// --- entries

static int compare_metadata(struct verifier *x, const struct manifest_entry *m,
                            const struct listed *far, struct err *e) {
    uint32_t keep = x->session.keeps.flags;
    int rc = 0;
    if ((keep & KEEP_MODE) != 0 && m->type != TREE_LINK && m->mode != far->mode) {
        rc = differ(x, m->path, "mode", "", e);
    }
    if (rc == 0 && (keep & KEEP_OWNER) != 0 && (m->uid != far->uid || m->gid != far->gid)) {
        rc = differ(x, m->path, "owner", "", e);
    }
    if (rc == 0 && !session_same_time(&x->session, m->mtime_ns, far->mtime_ns)) {
        rc = differ(x, m->path, "time", "", e);
    }
    return rc;
}

static int compare(struct verifier *x, const struct manifest_entry *m, const struct listed *far,
                   struct err *e) {
    if (far->type != m->type) {
        return differ(x, m->path, far->type == LISTED_UNREADABLE ? "unreadable" : "type", "", e);
    }
    int rc = 0;
    if (m->type == TREE_FILE && m->size != far->size) {
        rc = differ(x, m->path, "size", "", e);
    } else if (m->type == TREE_LINK && strcmp(m->target, far->target) != 0) {
        rc = differ(x, m->path, "target", "", e);
    }
    return rc < 0 ? rc : compare_metadata(x, m, far, e);
}

static int verify_entry(struct verifier *x, const struct manifest_entry *m, struct err *e) {
    if (stop_asked()) {
        return err_set(e, stop_error(), "stopped");
    }
    int found = session_seek(&x->session, m->path, e);
    if (found < 0) {
        return found;
    }
    x->differs = false;
    x->counts->files++;
    x->counts->bytes += m->type == TREE_FILE ? m->size : 0;
    x->counts->conflicts += m->mark == 'k';
    int rc = 0;
    if (found == 0) {
        rc = differ(x, m->path, "missing", "", e);
    } else if (m->mark != 'k') {
        rc = compare(x, m, session_entry(&x->session), e);
    }
    bool reads = x->v->checksum && m->type == TREE_FILE && m->mark != 'k' && !x->differs;
    if (rc == 0 && reads && m->digest[0] != 0) {
        return check_content(x, m, e);
    }
    x->counts->unread += reads;
    if (x->v->passed != NULL && (reads || m->mark == 'k')) {
        x->v->passed(x->v->arg, m->path, m->mark == 'k');
    }
    x->counts->present += !x->differs;
    if (x->v->progress != NULL) {
        x->v->progress(x->v->arg, 1, m->type == TREE_FILE ? m->size : 0);
    }
    return rc;
}

static int verify_all(struct verifier *x, struct err *e) {
    struct manifest_entry m;
    struct session_selection s = {.under = manifest_under(x->manifest), .names = &x->names};
    s.except = manifest_except(x->manifest, &s.n_except);
    int rc = session_select(&x->session, -1, &s, e);
    while (rc == 0 && (rc = manifest_next(x->manifest, &m, e)) > 0) {
        rc = verify_entry(x, &m, e);
    }
    return rc < 0 ? rc : check_contents(x, e);
}

int files_verify(struct file_end *destination, const struct files_verify *v,
                 struct files_counts *counts, struct err *e) {
    struct verifier *x = must_calloc(1, sizeof *x);
    struct err ignored = {0};
    *counts = (struct files_counts){0};
    x->v = v;
    x->counts = counts;
    x->last = &x->first;
    x->names = (struct buf)BUF_INIT(PROTOCOL_NAMES_MAX);
    x->paths = (struct buf)BUF_INIT(PROTOCOL_FRAME_MAX);
    int rc = read_names(x, e);
    if (rc == 0) {
        rc = session_open(&x->session, destination, false, NULL, e);
        rc = rc < 0 ? rc : verify_all(x, e);
        if (rc == 0) {
            session_bye(&x->session, &ignored);
        }
        session_explain(&x->session, rc, e);
        session_close(&x->session);
    }
    while (x->first != NULL) {
        struct checked *c = x->first;
        x->first = c->next;
        free(c);
    }
    manifest_reader_free(x->manifest);
    buf_free(&x->names);
    buf_free(&x->paths);
    free(x);
    return rc;
}
