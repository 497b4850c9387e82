// SPDX-License-Identifier: Apache-2.0
#include "executor/step.h"

#include <stdio.h>
#include <string.h>

static const struct step_kind *const kinds[N_STEP_KINDS] = {
#define STEPKIND(id, variable, ...) [KIND_##id] = &step_##variable,
#include "plans/kinds.tbl.h"
#undef STEPKIND
};

const struct step_kind *step_kind_find(enum step_kind_id id) {
    return id < N_STEP_KINDS ? kinds[id] : NULL;
}

// A label as one file name: the step's ID with its slashes turned into dots, cut so that the hash
// and suffix always fit into NAME_MAX.
static void flat_label(const char *id, char *out, size_t size) {
    size_t n = 0;
    for (; id[n] != 0 && n + 1 < size; n++)
        out[n] = id[n] == '/' ? '.' : id[n];
    out[n] = 0;
}

void step_product_path(const struct plan *p, const struct plan_step *s,
                       char out[STEP_PRODUCT_MAX]) {
    char label[161];
    if (s->kind == KIND_DUMP) {
        const char *last = strrchr(s->id, '/');
        flat_label(last != NULL ? last + 1 : s->id, label, sizeof label);
        snprintf(out, STEP_PRODUCT_MAX, "pass-%d/db/%.255s/%s-%.8s.bson.zst", p->pass,
                 s->collection, label, s->hash_text);
        return;
    }
    flat_label(s->id, label, sizeof label);
    snprintf(out, STEP_PRODUCT_MAX, "pass-%d/files/%s-%.8s.manifest", p->pass, label, s->hash_text);
}

void step_result_add(struct step_result *sum, const struct step_result *r) {
    sum->files += r->files;
    sum->documents += r->documents;
    sum->bytes += r->bytes;
    sum->sent += r->sent;
    sum->sent_bytes += r->sent_bytes;
    sum->present += r->present;
    sum->conflicts += r->conflicts;
    sum->rejected += r->rejected;
}

static uint64_t beyond(uint64_t counted, uint64_t *told) {
    uint64_t more = counted > *told ? counted - *told : 0;
    *told += more;
    return more;
}

static void count(struct run *r, struct step_told *counted, struct step_told *told, uint64_t items,
                  uint64_t bytes) {
    counted->items += items;
    counted->bytes += bytes;
    if (told != NULL) {
        r->progress.items += beyond(counted->items, &told->items);
        r->progress.bytes += beyond(counted->bytes, &told->bytes);
    }
}

void step_progress(struct step_run *s, uint64_t items, uint64_t bytes) {
    count(s->run, &s->counted, s->told, items, bytes);
}

void step_verify_progress(struct step_verify *v, uint64_t items, uint64_t bytes) {
    count(v->run, &v->counted, v->told, items, bytes);
}

int step_conflict(struct step_run *s, const struct conflict_record *c, struct err *e) {
    s->result.conflicts++;
    s->run->progress.conflicts++;
    return journal_conflict(s->run->journal, s->step, s->attempt, c, e);
}

int step_problem(struct step_run *s, const struct problem_record *p, struct err *e) {
    if (strcmp(p->class, "rejected") == 0)
        s->result.rejected++;
    s->run->progress.problems++;
    return journal_problem(s->run->journal, s->step, s->attempt, p, e);
}
