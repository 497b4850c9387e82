// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "executor/restore.h"

int restore_fixups(const struct plan *p, const char *collection, struct fixups **out,
                   struct err *e) {
    AUTO_FREE struct model_fixup *rules = must_calloc(p->n_fixups + 1, sizeof *rules);
    for (size_t i = 0; i < p->n_fixups; i++) {
        rules[i] = (struct model_fixup){.collection = p->fixups[i].collection,
                                        .field = p->fixups[i].field,
                                        .pattern = p->fixups[i].pattern,
                                        .replacement = p->fixups[i].replacement};
    }
    return fixups_compile(rules, p->n_fixups, collection, out, e);
}

// What the journal knows of the dump: a file that is not exactly this is not restored.
static int read_promise(struct run *r, const struct plan_step *dump, struct segment_sum *sum,
                        struct err *e) {
    struct step_status st = {0};
    int rc = journal_step(r->journal, dump->hash_text, &st, e);
    if (rc) {
        return rc;
    }
    if (st.state != STEP_DONE) {
        return err_set(e, ERR_LEFTOVER, "its dump %s is not done; resume takes it first", dump->id);
    }
    *sum = (struct segment_sum){.documents = st.result.documents, .bytes = st.result.bytes};
    memcpy(sum->digest, st.result.digest, sizeof sum->digest);
    return 0;
}

// A dump of this run is known piece by piece, which costs less to compare.
static int check(const struct run *r, const struct plan_step *dump, struct segment_reader *reader,
                 const struct segment_sum *promised, struct err *e) {
    const struct segment_written *ours = r->dumped ? r->dumped[dump - r->plan->steps] : NULL;
    return ours && strcmp(ours->sum.digest, promised->digest) == 0
               ? segment_check_written(reader, ours, e)
               : segment_check(reader, promised, e);
}

static int file_is_gone(struct run *r, const struct plan_step *dump, const char *path, bool verify,
                        struct err *e) {
    if (verify) {
        return err_set(e, ERR_NOTFOUND,
                       "the dump file %s is gone (`mvimig clean` removes them): there is nothing "
                       "to compare with; `mvimig apply PLAN --rerun=db` reads the source again",
                       path);
    }
    int rc = journal_step_reset(r->journal, dump, "its file is gone", e);
    return rc ? rc
              : err_set(e, ERR_LEFTOVER, "the dump file %s is gone: resume takes it again", path);
}

int restore_open(struct run *r, const struct plan_step *s, bool verify,
                 struct segment_reader **reader, struct fixups **fixups, struct err *e) {
    const struct plan_step *dump = &r->plan->steps[s->from_index];
    struct segment_sum promised;
    char path[STEP_PRODUCT_MAX];
    step_product_path(r->plan, dump, path);
    int rc = read_promise(r, dump, &promised, e);
    if (rc == 0) {
        rc = segment_open(r->workdir_fd, path, reader, e);
    }
    if (rc == ERR_NOTFOUND) {
        return file_is_gone(r, dump, path, verify, e);
    }
    if (rc == 0) {
        rc = check(r, dump, *reader, &promised, e);
    }
    if (rc == ERR_DATA && !verify) {
        return err_append(e, "; nothing was restored from it: remove the file, and resume dumps "
                             "it again");
    }
    return rc ? rc : restore_fixups(r->plan, dump->collection, fixups, e);
}
