// SPDX-License-Identifier: Apache-2.0
#include "executor/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/stop.h"
#include "executor/dump.h"
#include "site/bson_frame.h"

#define METADATA_MAX (16u << 20)
#define TELL_EVERY 1000 // documents

struct exporting {
    const struct export_options *o;
    struct run run;
    struct mongo *session;
    struct segment_written **spooled; // by step
    uint64_t documents;
};

struct spooling {
    struct exporting *x;
    struct segment_writer *out;
    const char *collection;
    uint64_t documents;
};

static void spool_name(size_t step, char out[32]) {
    (void)snprintf(out, 32, "%zu.bson.zst", step);
}

static int take(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct spooling *s = arg;
    if (++s->documents % TELL_EVERY == 0) {
        s->x->o->progress(s->x->o->arg, s->collection, s->x->documents + s->documents);
        if (stop_asked()) {
            return err_set(e, stop_error(), "stopped; nothing was written");
        }
    }
    return segment_add(s->out, doc, len, e);
}

static int spool_once(struct exporting *x, size_t i, struct err *e) {
    const struct plan_step *step = &x->o->plan->steps[i];
    AUTO_SEGMENT_WRITER struct segment_writer *out = NULL;
    struct step_run s = {.run = &x->run, .step = step, .source_db = &x->session};
    struct mongo *source;
    struct segment_sum sum;
    char name[32];
    spool_name(i, name);
    int rc = step_source_db(&s, &source, e);
    if (rc == 0) {
        rc = segment_create(backup_spool(x->o->out), name, &out, e);
    }
    struct spooling spooling = {.x = x, .out = out, .collection = step->collection};
    if (rc == 0) {
        rc = dump_each(&s, source, take, &spooling, e);
    }
    if (rc == 0) {
        rc = FAULT("export.step") ? err_set(e, ERR_RETRY, "fault") : 0;
    }
    rc = rc == 0 ? segment_publish(out, &sum, e) : rc;
    if (rc == 0) {
        x->spooled[i] = segment_written(out);
    }
    return rc;
}

static int metadata_once(struct exporting *x, size_t i, struct buf *json, struct err *e) {
    const struct plan_step *step = &x->o->plan->steps[i];
    struct step_run s = {.run = &x->run, .step = step, .source_db = &x->session};
    struct mongo *source;
    buf_clear(json);
    int rc = step_source_db(&s, &source, e);
    return rc ? rc : mongo_metadata(source, step->collection, json, e);
}

// Once more after a passing failure, with a session of its own. `json`: the metadata, else the
// documents.
static int insist(struct exporting *x, size_t i, struct buf *json, struct err *e) {
    for (struct backoff backoff = {0};;) {
        struct err failure = {0};
        int rc = json ? metadata_once(x, i, json, &failure) : spool_once(x, i, &failure);
        if (rc == 0) {
            return 0;
        }
        bool passing = rc == ERR_RETRY || rc == ERR_UNREACHABLE;
        int64_t wait = passing && !stop_asked() ? backoff_next(&backoff) : -1;
        if (wait < 0) {
            *e = failure;
            return err_wrap(e, "%s", x->o->plan->steps[i].collection);
        }
        run_log(&x->run, RUN_LOG_WARNING, x->o->plan->steps[i].id, "%s; trying again in %.1f s",
                failure.text, (double)wait / 1000);
        mongo_free(STEAL(x->session));
        clock_sleep_ms(wait);
    }
}

static int put_step(struct exporting *x, size_t i, struct err *e) {
    AUTO_SEGMENT_READER struct segment_reader *in = NULL;
    char name[32];
    AUTO_BUF struct buf doc = BUF_INIT(DOC_MAX);
    spool_name(i, name);
    int rc = segment_open(backup_spool(x->o->out), name, &in, e);
    if (rc == 0) {
        rc = segment_check_written(in, x->spooled[i], e);
    }
    while (rc == 0 && (rc = segment_next(in, &doc, e)) == 1) {
        rc = stop_asked() ? err_set(e, stop_error(), "stopped; nothing was written")
                          : backup_add(x->o->out, doc.data, doc.len, e);
        buf_clear(&doc);
    }
    if (rc == 0) {
        (void)unlinkat(backup_spool(x->o->out), name, 0);
    }
    return rc;
}

static int put_collection(struct exporting *x, const size_t *steps, size_t n, struct err *e) {
    AUTO_BUF struct buf json = BUF_INIT(METADATA_MAX);
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += x->spooled[steps[i]]->sum.bytes;
    }
    int rc = insist(x, steps[0], &json, e);
    if (rc == 0) {
        rc = backup_begin(x->o->out, x->o->plan->steps[steps[0]].collection, bytes, e);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = put_step(x, steps[i], e);
    }
    return rc ? rc : backup_end(x->o->out, buf_str(&json), e);
}

// All dump steps of the collection of step `first`; `done` marks them.
static int export_collection(struct exporting *x, size_t first, bool *done, struct err *e) {
    const struct plan *p = x->o->plan;
    AUTO_FREE size_t *steps = must_calloc(p->n_steps, sizeof *steps);
    size_t n = 0;
    for (size_t i = first; i < p->n_steps; i++) {
        if (p->steps[i].kind != KIND_DUMP ||
            strcmp(p->steps[i].collection, p->steps[first].collection) != 0) {
            continue;
        }
        int rc = insist(x, i, NULL, e);
        if (rc) {
            return rc;
        }
        x->documents += x->spooled[i]->sum.documents;
        done[i] = true;
        steps[n++] = i;
    }
    return put_collection(x, steps, n, e);
}

int export_documents(const struct export_options *o, struct err *e) {
    const struct plan *p = o->plan;
    AUTO_FREE struct segment_written **spooled = must_calloc(p->n_steps + 1, sizeof *spooled);
    AUTO_FREE bool *done = must_calloc(p->n_steps + 1, sizeof *done);
    struct exporting x = {.o = o, .spooled = spooled};
    x.run.plan = p;
    x.run.source_db = o->source;
    x.run.log = o->log;
    x.run.log_arg = o->arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->n_steps; i++) {
        if (p->steps[i].kind == KIND_DUMP && !done[i]) {
            rc = export_collection(&x, i, done, e);
        }
    }
    mongo_free(x.session);
    for (size_t i = 0; i < p->n_steps; i++) {
        free(spooled[i]);
    }
    return rc;
}
