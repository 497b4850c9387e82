// SPDX-License-Identifier: Apache-2.0
// kind: restore. Lays the documents of a dump at the destination, batch by batch; each batch is
// durable there (w: majority, j: true) before the journal hears of it, so that a repeated step
// sends at most the batch in flight again, and compares it instead of trusting it.
#include <stdlib.h>
#include <string.h>

#include "base/stop.h"
#include "executor/restore.h"

static void done_free(struct restore_done *done) {
    free(done->items);
}

static void fixups_cleanup(struct fixups **f) {
    fixups_free(*f);
}

static int keep_done(void *arg, const struct batch_record *b) {
    struct restore_done *done = arg;
    if (done->n == done->cap) {
        done->cap = done->cap ? 2 * done->cap : 64;
        done->items = must_realloc(done->items, done->cap, sizeof *done->items);
    }
    done->items[done->n++] = *b;
    return 0;
}

static int load_done(struct step_run *s, struct restore_done *done, struct err *e) {
    int rc = journal_batches(s->run->journal, s->step, keep_done, done, e);
    for (size_t i = 0; rc == 0 && i < done->n; i++) {
        const struct batch_record *b = &done->items[i];
        step_result_add(&s->result, &b->result);
        step_progress(s, b->result.documents + b->result.rejected, b->end - b->position);
    }
    return rc;
}

static void count(const struct restore_batch *b, size_t *sent, size_t *there) {
    *sent = *there = 0;
    for (size_t i = 0; i < b->n; i++) {
        enum doc_state st = b->docs[i].state;
        *sent += st == DOC_SENT || st == DOC_REPLACED;
        *there += st == DOC_PRESENT || st == DOC_KEPT || st == DOC_REPLACED;
    }
}

static int do_batch(struct restore *r, struct restore_batch *b, struct err *e) {
    size_t sent, there;
    int rc = 0;
    if (r->look_first) {
        rc = restore_look(r->destination, r->collection, b, DOC_MISSING, e);
    }
    if (rc == 0) {
        rc = restore_send(r, b, e);
    }
    if (rc == 0) {
        rc = restore_resolve(r, b, e);
    }
    if (rc == 0) {
        rc = restore_mend_time(r, b, e);
    }
    if (rc) {
        return rc;
    }
    count(b, &sent, &there);
    r->look_first = 2 * there > b->n;
    // A write that waited for durability covers all that came before it.
    if (there && !sent) {
        rc = mongo_settle(r->destination, r->collection, e);
    }
    return rc ? rc : restore_record(r, b, e);
}

static int do_batches(struct restore *r, struct restore_source *source, struct err *e) {
    struct restore_batch *b;
    AUTO(restore_feed_cleanup) struct restore_feed *feed = restore_feed_start(source);
    for (;;) {
        if (stop_asked()) {
            return err_set(e, stop_error(), "stopped");
        }
        int rc = restore_feed_next(feed, &b, e);
        if (rc <= 0) {
            return rc;
        }
        rc = do_batch(r, b, e);
        if (rc) {
            return rc;
        }
        if (r->failed) {
            return err_set(e, ERR_FAILED,
                           "%llu document(s) of %s stand at the destination with other content "
                           "(onConflict: fail); `mvimig conflicts` lists them",
                           (unsigned long long)r->failed, r->collection);
        }
    }
}

// After a failed attempt the outcome of its last batch is unknown: compare it first.
static bool tried_before(struct step_run *s) {
    struct step_status st = {0};
    struct err ignored = {0};
    return journal_step(s->run->journal, s->step->hash_text, &st, &ignored) == 0 && st.attempts > 1;
}

static int run(struct step_run *s, struct err *e) {
    AUTO_SEGMENT_READER struct segment_reader *reader = NULL;
    AUTO(fixups_cleanup) struct fixups *fixups = NULL;
    AUTO(done_free) struct restore_done done = {0};
    struct restore r = {.s = s,
                        .collection = s->run->plan->steps[s->step->from_index].collection,
                        .look_first = tried_before(s)};
    int rc = restore_open(s->run, s->step, false, &reader, &fixups, e);
    if (rc == 0) {
        rc = load_done(s, &done, e);
    }
    if (rc == 0) {
        rc = step_destination_db(s, &r.destination, e);
    }
    if (rc) {
        return rc;
    }
    AUTO_LAID_WRITER struct laid_writer *laid = laid_writer_new(s, r.collection);
    r.laid = laid;
    r.recorded = s->result;
    struct restore_source source = {
        .reader = reader, .fixups = fixups, .done = &done, .sums = true};
    return do_batches(&r, &source, e);
}

const struct step_kind step_restore = {.run = run, .verify = restore_verify};
