// SPDX-License-Identifier: Apache-2.0
// verify of a restore: every document of the dump, after the fix-ups, against the destination. It
// reads only.
#include <string.h>

#include "base/stop.h"
#include "base/strtab.h"
#include "executor/restore.h"
#include "state/report.h"

static void fixups_cleanup(struct fixups **f) {
    fixups_free(*f);
}

// _ids of documents that a conflict left as they were, by the journal; read when the first
// difference is met.
struct kept {
    const char *step;
    struct strtab *ids;
};

static const char *column(int n, const char *const *names, const char *const *values,
                          const char *name) {
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            return values[i];
        }
    }
    return "";
}

static int note_kept(void *arg, int n, const char *const *names, const char *const *values) {
    struct kept *k = arg;
    const char *id = column(n, names, values, "object_id");
    if (strcmp(column(n, names, values, "step"), k->step) == 0 &&
        strcmp(column(n, names, values, "decision"), "kept") == 0) {
        *strtab_slot(k->ids, id, strlen(id), NULL) = 1;
    }
    return 0;
}

struct verifying {
    struct step_verify *v;
    struct mongo *destination;
    const char *collection;
    struct strtab *kept;
};

int restore_was_kept(const struct step_verify *v, struct strtab **kept, const char *id, bool *was,
                     struct err *e) {
    if (!*kept) {
        *kept = strtab_new();
        struct kept k = {.step = v->step->id, .ids = *kept};
        int rc = report_view(v->run->workdir_fd, "conflicts", note_kept, &k, e);
        if (rc) {
            return rc;
        }
    }
    *was = strtab_has(*kept, id, strlen(id));
    return 0;
}

static int tell(struct verifying *s, const struct restore_doc *d, struct err *e) {
    char id[RESTORE_ID_MAX], ours[HASH_HEX];
    bool missing = d->state == DOC_MISSING, kept = false;
    AUTO_FREE char *detail = NULL;
    int rc = restore_was_kept(s->v, &s->kept, restore_id_text(&d->id, id), &kept, e);
    if (rc) {
        return rc;
    }
    restore_digest(d->expected, d->expected_len, ours);
    detail = missing
                 ? must_sprintf("document at byte %llu of the dump", (unsigned long long)d->offset)
                 : must_sprintf("%s: expected %.12s, found %.12s",
                                d->state == DOC_UNFIXED ? "without its fix-ups" : "other content",
                                ours, d->there);
    struct step_difference diff = {.object = s->collection,
                                   .id = id,
                                   .what = kept      ? "kept"
                                           : missing ? "missing"
                                                     : "differs",
                                   .detail = detail};
    s->v->differ++;
    return s->v->difference ? s->v->difference(s->v->arg, s->v->step, &diff, e) : 0;
}

static int compare_batch(struct verifying *s, struct restore_batch *b, struct err *e) {
    int rc = restore_look(s->destination, s->collection, b, DOC_MISSING, e);
    for (size_t i = 0; rc == 0 && i < b->n; i++) {
        s->v->compared++;
        if (b->docs[i].state == DOC_PRESENT) {
            s->v->same++;
        } else {
            rc = tell(s, &b->docs[i], e);
        }
    }
    step_verify_progress(s->v, b->n, b->end - b->position);
    return rc;
}

static int compare_batches(struct verifying *s, struct restore_feed *feed, struct err *e) {
    struct restore_batch *b;
    int rc;
    while ((rc = restore_feed_next(feed, &b, e)) > 0) {
        rc = stop_asked() ? err_set(e, stop_error(), "stopped") : compare_batch(s, b, e);
        if (rc) {
            break;
        }
    }
    return rc;
}

int restore_verify(struct step_verify *v, struct err *e) {
    // A backup does not change: what was read of it is what it holds.
    if (v->live && !v->run->plan->steps[v->step->from_index].backup) {
        return restore_verify_live(v, e);
    }
    AUTO_SEGMENT_READER struct segment_reader *reader = NULL;
    AUTO(fixups_cleanup) struct fixups *fixups = NULL;
    struct verifying s = {.v = v,
                          .collection = v->run->plan->steps[v->step->from_index].collection};
    int rc = step_verify_db(v, &s.destination, e);
    if (rc == 0) {
        rc = restore_open(v->run, v->step, true, &reader, &fixups, e);
    }
    if (rc) {
        return rc;
    }
    struct restore_source source = {.reader = reader, .fixups = fixups};
    AUTO(restore_feed_cleanup) struct restore_feed *feed = restore_feed_start(&source);
    rc = compare_batches(&s, feed, e);
    strtab_free(s.kept);
    return rc;
}
