// SPDX-License-Identifier: Apache-2.0
// kind: delete. Of what the base has laid at the destination (executor/base.h), what the source has
// no longer goes there as well, as long as it stands as it was laid; what was changed there since
// is a conflict, and kept. First all is looked at, then `max` is compared, then each deletion is
// written into the journal, documents with their bytes, and then done, compared once more.
// Documents are in delete_documents.c, files in delete_files.c.
#include "executor/delete.h"

#include <stdlib.h>
#include <string.h>

int delete_check_max(const struct plan_step *s, size_t n, const char *what, struct err *e) {
    if (s->max == NULL || n <= strtoull(s->max, NULL, 10)) {
        return 0;
    }
    return err_set(e, ERR_FAILED,
                   "%zu %s would be deleted, more than max: %s; nothing was deleted: look whether "
                   "the source is whole, then raise max in the plan",
                   n, what, s->max);
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

const struct step_kind step_delete = {.id = KIND_DELETE, .run = run};
