// SPDX-License-Identifier: Apache-2.0
// kind: dump. Reads documents at the source into one file of the work directory (site/segment.h),
// as they are: fix-ups are the restore's business. Done when the file is renamed into place and its
// directory synced. Redone from the beginning each time; its restores then begin anew, too.
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "executor/dump.h"

// Batches of a restore are byte positions in the file that is about to be replaced. One that never
// began has none.
static int forget_restores(struct step_run *s, struct err *e) {
    const struct plan *p = s->run->plan;
    size_t self = (size_t)(s->step - p->steps);
    for (size_t i = 0; i < p->n_steps; i++) {
        if (p->steps[i].kind == KIND_RESTORE && p->steps[i].from_index == self) {
            struct step_status known = {0};
            int rc = journal_step(s->run->journal, p->steps[i].hash_text, &known, e);
            if (rc == 0 && known.attempts > 0) {
                rc = journal_batches_forget(s->run->journal, &p->steps[i], e);
            }
            if (rc) {
                return rc;
            }
        }
    }
    return 0;
}

static int read_source(struct dump *d, struct err *e) {
    const struct plan_step *s = d->s->step;
    bool range = s->from_id || s->to_id || s->n_sets == 0 || s->orphans_of;
    return range ? dump_range(d, NULL, e) : dump_set(d, e);
}

static int dump_with(struct dump *d, struct err *e) {
    struct step_run *s = d->s;
    const struct plan_step *step = s->step;
    AUTO_STRTAB struct strtab *ids = step->n_sets ? plan_step_ids(step) : NULL;
    AUTO_STRTAB struct strtab *known = step->orphans_of ? strtab_new() : NULL;
    d->by = step->by ? step->by : "_id";
    d->ids = ids;
    d->known = known;
    int rc = known ? dump_known_ids(s, d->source, step->orphans_of, known, e) : 0;
    rc = rc ? rc : read_source(d, e);
    dump_progress(d);
    return rc;
}

static int dump_into(struct step_run *s, struct mongo *source, struct segment_writer *out,
                     struct err *e) {
    struct dump d = {.s = s, .source = source, .out = out};
    return dump_with(&d, e);
}

int dump_each(struct step_run *s, struct mongo *source,
              int (*take)(void *arg, const uint8_t *doc, size_t len, struct err *e), void *arg,
              struct err *e) {
    struct dump d = {.s = s, .source = source, .take = take, .take_arg = arg};
    return dump_with(&d, e);
}

static void tell_drift(struct step_run *s) {
    const struct plan_expect *x = &s->step->expect;
    if (x->any && x->documents != s->result.documents) {
        run_log(s->run, RUN_LOG_INFO, s->step->id,
                "read %llu documents where the plan saw %llu: the source has changed since",
                (unsigned long long)s->result.documents, (unsigned long long)x->documents);
    }
}

#define AGAIN "give the backup to `mvimig restore` again, under this name"

// The file that `mvimig restore` has made of a backup: nothing is read at the source.
static int take_backup(struct step_run *s, const char *path, struct err *e) {
    AUTO_SEGMENT_READER struct segment_reader *in = NULL;
    int rc = segment_open(s->run->workdir_fd, path, &in, e);
    if (rc == ERR_NOTFOUND) {
        return err_set(e, ERR_FAILED, "%s is gone, which was made of a backup; " AGAIN, path);
    }
    rc = rc ? rc : segment_check(in, NULL, e);
    if (rc) {
        return err_append(e, "; " AGAIN);
    }
    const struct segment_sum *sum = segment_reader_sum(in);
    if (strcmp(sum->digest, s->step->backup) != 0) {
        return err_set(e, ERR_DATA, "%s is not what the plan names (SHA-256); " AGAIN, path);
    }
    s->result.documents = sum->documents;
    s->result.bytes = sum->bytes;
    memcpy(s->result.digest, sum->digest, sizeof s->result.digest);
    return 0;
}

static int run(struct step_run *s, struct err *e) {
    char path[STEP_PRODUCT_MAX];
    struct mongo *source;
    AUTO_SEGMENT_WRITER struct segment_writer *out = NULL;
    struct segment_sum sum;
    step_product_path(s->run->plan, s->step, path);
    if (s->step->backup) {
        return take_backup(s, path, e);
    }
    int rc = step_source_db(s, &source, e);
    if (rc) {
        return rc;
    }
    segment_sweep(s->run->workdir_fd, path);
    rc = segment_create(s->run->workdir_fd, path, &out, e);
    if (rc == 0) {
        rc = dump_into(s, source, out, e);
    }
    if (rc == 0) {
        rc = forget_restores(s, e);
    }
    if (rc == 0) {
        rc = segment_publish(out, &sum, e);
    }
    if (rc) {
        return rc;
    }
    s->result.documents = sum.documents;
    s->result.bytes = sum.bytes;
    memcpy(s->result.digest, sum.digest, sizeof s->result.digest);
    if (s->run->dumped) {
        struct segment_written **ours = &s->run->dumped[s->step - s->run->plan->steps];
        free(*ours); // of an attempt before: no restore has begun
        *ours = segment_written(out);
    }
    tell_drift(s);
    return 0;
}

const struct step_kind step_dump = {.run = run};
