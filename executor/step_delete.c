// SPDX-License-Identifier: Apache-2.0
// kind: delete. Of what the base has laid at the destination (executor/base.h), what the source has
// no longer goes there as well, as long as it stands as it was laid; what was changed there since
// is a conflict, and kept. First all is looked at, then `max` is compared with what all delete
// steps of the plan come to, then each deletion is written into the journal, documents with their
// bytes, and then done, compared once more. Documents are in delete_documents.c, files in
// delete_files.c.
#include "executor/delete.h"

#include <stdlib.h>
#include <string.h>

static int count_step(struct step_run *s, uint64_t *n, struct err *e) {
    return s->step->collection != NULL ? delete_documents_count(s, n, e)
                                       : delete_files_count(s, n, e);
}

// All that the plan would delete now.
static int count_plan(struct step_run *s, uint64_t *total, struct err *e) {
    const struct plan *p = s->run->plan;
    int rc = 0;
    *total = 0;
    for (size_t i = 0; rc == 0 && i < p->n_steps; i++) {
        struct step_run one = *s;
        uint64_t n = 0;
        one.step = &p->steps[i];
        rc = one.step->kind == KIND_DELETE ? count_step(&one, &n, e) : 0;
        *total += n;
    }
    return rc;
}

static int refuse(const struct step_run *s, uint64_t n, const char *what, uint64_t all,
                  struct err *e) {
    bool some = s->run->deletions.begun > 0;
    return err_set(e, ERR_FAILED,
                   "%llu %s would be deleted, of %llu deletions in all, more than max: %s; nothing "
                   "%swas deleted: look whether the source is whole, then raise max in the plan",
                   (unsigned long long)n, what, (unsigned long long)all, s->step->max,
                   some ? "more " : "");
}

int delete_begin(struct step_run *s, uint64_t n, const char *what, struct err *e) {
    struct run_deletions *d = &s->run->deletions;
    if (s->step->max == NULL) {
        return 0;
    }
    pthread_mutex_lock(&d->lock);
    int rc = d->counted ? 0 : count_plan(s, &d->total, e);
    d->counted = rc == 0;
    uint64_t all = d->begun + n > d->total ? d->begun + n : d->total;
    if (rc == 0 && n > 0 && all > strtoull(s->step->max, NULL, 10)) {
        rc = refuse(s, n, what, all, e);
    }
    d->begun += rc == 0 ? n : 0;
    pthread_mutex_unlock(&d->lock);
    return rc;
}

void delete_end(struct step_run *s, uint64_t n, uint64_t done) {
    struct run_deletions *d = &s->run->deletions;
    if (s->step->max != NULL) {
        pthread_mutex_lock(&d->lock);
        d->begun -= n - done;
        pthread_mutex_unlock(&d->lock);
    }
}

int delete_record(struct step_run *s, const struct delete_row *row, struct err *e) {
    struct conflict_record c = {.object = row->object,
                                .id = row->id,
                                .class = "gone-at-source",
                                .decision = row->deleted ? "deleted" : "kept",
                                .source_digest = "",
                                .destination_digest = row->digest,
                                .detail = row->deleted ? "" : "it was changed at the destination",
                                .old_bytes = row->old != NULL ? row->old->data : NULL,
                                .old_len = row->old != NULL ? row->old->len : 0};
    if (!row->last) {
        return step_conflict(s, &c, e);
    }
    s->result.conflicts++;
    s->run->progress.conflicts++;
    return journal_intent(s->run->journal, s->step, s->attempt, &c, e);
}

static int run(struct step_run *s, struct err *e) {
    if (s->run->base == NULL) {
        return err_set(e, ERR_PLAN, "the plan names no base; nothing can be deleted without one");
    }
    return s->step->collection != NULL ? delete_documents(s, e) : delete_files(s, e);
}

const struct step_kind step_delete = {.run = run};
