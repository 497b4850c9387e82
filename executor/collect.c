// SPDX-License-Identifier: Apache-2.0
#include "executor/collect.h"

#include "executor/dump.h"
#include "executor/restore.h"
#include "executor/step_files.h"
#include "site/bson_frame.h"

struct collecting {
    struct run *r;
    const struct collect *c;
    const struct plan_step *dump;
    const struct fixups *fixups;
};

static void fixups_cleanup(struct fixups **f) {
    fixups_free(*f);
}

static int take(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    const struct collecting *x = arg;
    AUTO_BUF struct buf fixed = BUF_INIT(2u * DOC_MAX), key = BUF_INIT(DOC_MAX);
    struct docid id;
    char text[RESTORE_ID_MAX];
    uint8_t digest[HASH_SIZE];
    int rc = fixups_apply(x->fixups, doc, len, &fixed, e);
    if (rc < 0) {
        return rc;
    }
    const uint8_t *expected = rc == 1 ? fixed.data : doc;
    size_t expected_len = rc == 1 ? fixed.len : len;
    if (docid_find(expected, expected_len, &id) != 1) {
        return 0; // without _id nothing arrives
    }
    restore_key(&id, &key);
    restore_digest_bytes(expected, expected_len, digest);
    return x->c->document(x->c->arg, x->dump->collection, &key, restore_id_text(&id, text), digest,
                          e);
}

static int collect_documents(struct collecting *x, struct err *e) {
    AUTO(fixups_cleanup) struct fixups *fixups = NULL;
    AUTO_MONGO struct mongo *source = NULL;
    struct step_run s = {.run = x->r, .step = x->dump, .source_db = &source};
    struct mongo *session;
    int rc = restore_fixups(x->r->plan, x->dump->collection, &fixups, e);
    x->fixups = fixups;
    rc = rc == 0 ? step_source_db(&s, &session, e) : rc;
    return rc == 0 ? dump_each(&s, session, take, x, e) : rc;
}

static int no_problem(void *arg, const char *path, int errnum, struct err *e) {
    (void)arg, (void)path, (void)errnum, (void)e;
    return 0; // what cannot be read is not brought; the plan's own findings name it
}

int collect(struct run *r, const struct collect *c, struct err *e) {
    const struct plan *p = r->plan;
    const struct tree_walker w = {.entry = c->file, .unreadable = no_problem, .arg = c->arg};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->n_steps; i++) {
        const struct plan_step *s = &p->steps[i];
        if (s->kind == KIND_RESTORE) {
            struct collecting x = {.r = r, .c = c, .dump = &p->steps[s->from_index]};
            rc = collect_documents(&x, e);
        } else if (s->kind == KIND_FILE_BATCH || s->kind == KIND_TAR_LIST) {
            rc = step_files_each(r, s, &w, e);
        }
        if (rc != 0) {
            return err_wrap(e, "%s", s->id);
        }
    }
    return rc;
}
