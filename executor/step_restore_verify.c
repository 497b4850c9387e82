// SPDX-License-Identifier: Apache-2.0
// verify of a restore: every document of the dump, after the fix-ups, against the destination. It
// reads only.
#include "base/stop.h"
#include "executor/restore.h"

static void fixups_cleanup(struct fixups **f) {
    fixups_free(*f);
}

static int tell(struct step_verify *v, const char *collection, const struct restore_doc *d,
                struct err *e) {
    char id[RESTORE_ID_MAX], ours[HASH_HEX];
    bool missing = d->state == DOC_MISSING;
    restore_digest(d->expected, d->expected_len, ours);
    AUTO_FREE char *detail =
        missing ? must_sprintf("document at byte %llu of the dump", (unsigned long long)d->offset)
                : must_sprintf("%s: expected %.12s, found %.12s",
                               d->state == DOC_UNFIXED ? "without its fix-ups" : "other content",
                               ours, d->there);
    struct step_difference diff = {.object = collection,
                                   .id = restore_id_text(&d->id, id),
                                   .what = missing ? "missing" : "differs",
                                   .detail = detail};
    v->differ++;
    return v->difference ? v->difference(v->arg, v->step, &diff, e) : 0;
}

static int compare_batch(struct step_verify *v, struct mongo *m, const char *collection,
                         struct restore_batch *b, struct err *e) {
    int rc = restore_look(m, collection, b, DOC_MISSING, e);
    for (size_t i = 0; rc == 0 && i < b->n; i++) {
        v->compared++;
        if (b->docs[i].state == DOC_PRESENT) {
            v->same++;
        } else {
            rc = tell(v, collection, &b->docs[i], e);
        }
    }
    v->run->progress.items += b->n;
    v->run->progress.bytes += b->end - b->position;
    return rc;
}

int restore_verify(struct step_verify *v, struct err *e) {
    AUTO_SEGMENT_READER struct segment_reader *reader = NULL;
    AUTO(fixups_cleanup) struct fixups *fixups = NULL;
    const char *collection = v->run->plan->steps[v->step->from_index].collection;
    struct mongo *m;
    struct restore_batch *b;
    int rc = step_verify_db(v, &m, e);
    if (rc == 0) {
        rc = restore_open(v->run, v->step, true, &reader, &fixups, e);
    }
    if (rc) {
        return rc;
    }
    struct restore_source source = {.reader = reader, .fixups = fixups};
    AUTO(restore_feed_cleanup) struct restore_feed *feed = restore_feed_start(&source);
    while ((rc = restore_feed_next(feed, &b, e)) > 0) {
        rc = stop_asked() ? err_set(e, stop_error(), "stopped")
                          : compare_batch(v, m, collection, b, e);
        if (rc) {
            return rc;
        }
    }
    return rc;
}
