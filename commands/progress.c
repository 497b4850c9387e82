// SPDX-License-Identifier: Apache-2.0
#include "commands/progress.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/stop.h"
#include "executor/step.h"

#define SECOND 1000000000ll
#define LOG_EVERY (10 * SECOND)

// A restore handles what its dump read, whether or not the plan repeats the figures.
static const struct plan_expect *expected(const struct plan *p, const struct plan_step *s) {
    return !s->expect.any && s->kind == KIND_RESTORE ? &p->steps[s->from_index].expect : &s->expect;
}

static void begin(struct progress *p, struct out *out, struct run *run, const char *verb) {
    memset(p, 0, sizeof *p);
    p->out = out;
    p->run = run;
    p->verb = verb;
    p->started_ns = p->shown_ns = clock_mono_ns();
}

static void expect(struct progress *p, const struct plan_step *s) {
    const struct plan_expect *x = expected(p->run->plan, s);
    p->total_items += x->files + x->documents;
    p->total_bytes += x->bytes;
}

void progress_begin(struct progress *p, struct out *out, struct run *run, const char *verb) {
    begin(p, out, run, verb);
    AUTO_FREE struct step_brief *known = must_calloc(run->plan->n_steps + 1, sizeof *known);
    struct err ignored = {0};
    (void)journal_steps(run->journal, run->plan, known, &ignored);
    for (size_t i = 0; i < run->plan->n_steps; i++) {
        if (known[i].state != STEP_DONE)
            expect(p, &run->plan->steps[i]);
    }
}

void progress_begin_verify(struct progress *p, struct out *out, struct run *run,
                           const bool *passed) {
    begin(p, out, run, "verify");
    for (size_t i = 0; i < run->plan->n_steps; i++) {
        const struct plan_step *s = &run->plan->steps[i];
        if (run->known[i].state == STEP_DONE && !passed[i] &&
            step_kind_find(s->kind)->verify != NULL)
            expect(p, s);
    }
}

static double share(uint64_t part, uint64_t whole) {
    if (whole == 0)
        return 1;
    return part >= whole ? 1 : (double)part / (double)whole;
}

// Half by items and half by bytes: small files cost by the item, large ones by the byte.
static double fraction(const struct progress *p, uint64_t items, uint64_t bytes) {
    double f = 0.5 * share(items, p->total_items) + 0.5 * share(bytes, p->total_bytes);
    return f > 0.999 ? 0.999 : f; // 100 % is said by the end, not by an estimate
}

static void sample(struct progress *p, int64_t now, uint64_t items, uint64_t bytes) {
    size_t max = sizeof p->samples / sizeof *p->samples;
    if (p->n_samples == max) {
        memmove(p->samples, p->samples + 1, (max - 1) * sizeof *p->samples);
        p->n_samples--;
    }
    p->samples[p->n_samples++] = (struct progress_sample){now, items, bytes};
}

static void put_rates(struct progress *p, int64_t now, uint64_t items, uint64_t bytes,
                      struct buf *out) {
    struct progress_sample from = {.ns = p->started_ns};
    char text[HUMAN_TEXT];
    if (p->n_samples > 0)
        from = p->samples[0];
    if (now - from.ns < SECOND / 2)
        return;
    double seconds = (double)(now - from.ns) / (double)SECOND;
    buf_printf(out, ", %s/s",
               human_bytes((uint64_t)((double)(bytes - from.bytes) / seconds), text));
    buf_printf(out, ", %s items/s",
               human_count((uint64_t)((double)(items - from.items) / seconds), text));
}

static void put_time_left(struct progress *p, int64_t now, double f, struct buf *out) {
    char text[HUMAN_TEXT];
    double spent = (double)(now - p->started_ns);
    if (f < 0.02 || spent < 2.0 * (double)SECOND)
        return;
    buf_printf(out, ", about %s left", human_duration((int64_t)(spent * (1 - f) / f), text));
}

// The line as text.
static void progress_text(struct progress *p, struct buf *out) {
    struct run_progress *rp = &p->run->progress;
    uint64_t items = rp->items, bytes = rp->bytes;
    int64_t now = clock_mono_ns();
    double f = fraction(p, items, bytes);
    char a[HUMAN_TEXT], b[HUMAN_TEXT], c[HUMAN_TEXT];
    buf_printf(out, "%s %.0f %%: %s of %s items, %s", p->verb, (double)(int)(100 * f),
               human_count(items, a), human_count(p->total_items, b), human_bytes(bytes, c));
    put_rates(p, now, items, bytes, out);
    put_time_left(p, now, f, out);
    if (rp->steps_failed > 0)
        buf_printf(out, ", %llu step(s) failed", (unsigned long long)rp->steps_failed);
    sample(p, now, items, bytes);
}

void progress_tick(void *arg) {
    struct progress *p = arg;
    int64_t now = clock_mono_ns();
    bool asked = stop_take_usr1();
    if (!asked && !p->out->terminal && now - p->shown_ns < LOG_EVERY)
        return;
    AUTO_BUF struct buf text = BUF_INIT(1 << 12);
    p->shown_ns = now;
    progress_text(p, &text);
    out_progress(p->out, buf_str(&text));
}
