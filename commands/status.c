// SPDX-License-Identifier: Apache-2.0
#include "commands/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/human.h"

#define SECOND 1000000000ll
#define SILENT_NS (60 * SECOND) // a run beats every ten seconds
#define BAR 30

// Nanoseconds since a time of the journal's, by this machine's clock; -1 when it is none.
static int64_t age_of(const char *text) {
    struct tm tm = {0};
    int ms = 0;
    if (sscanf(text, "%d-%d-%dT%d:%d:%d.%dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &ms) != 7)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t age = clock_wall_ns() - ((int64_t)timegm(&tm) * SECOND + ms * INT64_C(1000000));
    return age < 0 ? 0 : age;
}

const char *status_word(const struct report *r) {
    bool goes_on = r->held && r->runs > 0 && r->ended[0] == 0;
    if (goes_on && r->owned && age_of(r->beat_at) > SILENT_NS)
        return "silent";
    if (goes_on)
        return "running";
    if (r->finished)
        return "finished";
    if (r->owned && r->runs > 0 && r->ended[0] == 0)
        return "stale";
    return r->runs == 0 ? "not started" : "stopped";
}

static void put_eta(const struct report *r, struct buf *out) {
    char low[HUMAN_TEXT], high[HUMAN_TEXT];
    if (r->eta_high < 0 || r->finished)
        return;
    human_duration((int64_t)(r->eta_low * SECOND), low);
    human_duration((int64_t)(r->eta_high * SECOND), high);
    if (strcmp(low, high) == 0)
        buf_printf(out, "about %s left", low);
    else
        buf_printf(out, "%s to %s left", low, high);
}

static double rate(uint64_t n, const struct report *r) {
    return r->seconds > 0 ? (double)n / r->seconds : 0;
}

static void put_head(const struct report *r, struct buf *out) {
    int full = (int)(r->share * BAR);
    buf_printf(out, "%s: %s, %.1f %%  [", r->name, status_word(r), 100 * r->share);
    for (int i = 0; i < BAR; i++)
        buf_puts(out, i < full ? "#" : ".");
    buf_puts(out, "]  ");
    if (r->held)
        put_eta(r, out);
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        out->len--;
    buf_puts(out, "\n");
}

static void put_work(const struct report *r, struct buf *out) {
    char n[5][HUMAN_TEXT];
    buf_printf(out, "  items    %s of %s (%s files, %s documents)", human_count(r->items, n[0]),
               human_count(r->expected_items, n[1]), human_count(r->files, n[2]),
               human_count(r->documents, n[3]));
    if (r->held && r->seconds > 0)
        buf_printf(out, ", %s/s", human_count((uint64_t)rate(r->run_items, r), n[4]));
    buf_printf(out, "\n  bytes    %s of %s", human_bytes(r->bytes, n[0]),
               human_bytes(r->expected_bytes, n[1]));
    if (r->held && r->seconds > 0)
        buf_printf(out, ", %s/s", human_bytes((uint64_t)rate(r->run_bytes, r), n[4]));
    buf_puts(out, "\n");
}

static void put_owner(const struct report *r, struct buf *out) {
    char age[HUMAN_TEXT];
    int64_t silent = age_of(r->beat_at);
    const char *word = status_word(r);
    if (r->held)
        buf_printf(out, "  holder   %s%s%s%s\n", r->holder,
                   silent >= 0 ? "; last sign of life " : "",
                   silent >= 0 ? human_duration(silent, age) : "", silent >= 0 ? " ago" : "");
    if (strcmp(word, "silent") == 0)
        buf_puts(out, "           no sign of life for over a minute: look at that host; `mvimig "
                      "unlock` takes it away\n");
    if (strcmp(word, "stale") == 0)
        buf_printf(out, "  stale    since %s (%s ago): that run was killed\n", r->beat_at,
                   silent >= 0 ? human_duration(silent, age) : "?");
    if (r->runs == 0)
        return;
    buf_printf(out, "  run      number %lld, began %s", (long long)r->runs, r->started);
    if (r->ended[0] != 0)
        buf_printf(out, ", ended %s: %s", r->ended, r->outcome);
    buf_puts(out, "\n");
}

static void put_stages(const struct report *r, struct buf *out) {
    char n[6][HUMAN_TEXT];
    buf_printf(out, "\n  %-9s %13s %8s %7s %21s %19s\n", "stage", "steps", "running", "failed",
               "items", "bytes");
    for (size_t i = 0; i < r->n_stages; i++) {
        const struct report_stage *s = &r->stages[i];
        AUTO_FREE char *steps =
            must_sprintf("%s/%s", human_count(s->done, n[0]), human_count(s->steps, n[1]));
        AUTO_FREE char *items = must_sprintf("%s/%s", human_count(s->items, n[2]),
                                             human_count(s->expected_items, n[3]));
        AUTO_FREE char *bytes = must_sprintf("%s/%s", human_bytes(s->bytes, n[4]),
                                             human_bytes(s->expected_bytes, n[5]));
        buf_printf(out, "  %-9s %13s %8llu %7llu %21s %19s\n", s->stage, steps,
                   (unsigned long long)s->running, (unsigned long long)s->failed, items, bytes);
    }
}

static void put_running(const struct report *r, struct buf *out) {
    char n[3][HUMAN_TEXT];
    if (r->n_running == 0 || !r->held)
        return;
    buf_puts(out, "\n  running now\n");
    for (size_t i = 0; i < r->n_running; i++) {
        const struct report_running *s = &r->running[i];
        int64_t age = age_of(s->since);
        buf_printf(out, "    %-44s %s of %s items, for %s\n", s->step, human_count(s->items, n[0]),
                   human_count(s->expected_items, n[1]), human_duration(age < 0 ? 0 : age, n[2]));
    }
}

static void put_end(const struct report *r, const char *dir, struct buf *out) {
    char n[2][HUMAN_TEXT];
    buf_printf(out, "\n  conflicts %s, problems %s; journal %s/journal.db\n",
               human_count(r->conflicts, n[0]), human_count(r->problems, n[1]), dir);
    for (size_t i = 0; i < r->n_failures; i++)
        buf_printf(out, "  failed: %s (attempt %lld): %s\n", r->failures[i].step,
                   (long long)r->failures[i].attempts, r->failures[i].error);
    if (!r->held && !r->finished)
        buf_printf(out, "  Next: mvimig resume %s\n", dir);
    else if (r->conflicts > 0 && r->finished)
        buf_printf(out, "  Next: mvimig conflicts %s\n", dir);
}

// Lines that are wider than the terminal are cut: they would break a page that is redrawn.
static void cut_lines(const char *text, int width, struct buf *out) {
    while (*text != 0) {
        size_t n = strcspn(text, "\n");
        buf_put(out, text, width > 0 && n > (size_t)width ? (size_t)width : n);
        buf_puts(out, "\n");
        text += n + (text[n] == '\n');
    }
}

void status_text(const struct report *r, const char *dir, int width, struct buf *out) {
    AUTO_BUF struct buf all = BUF_INIT(1 << 24);
    put_head(r, &all);
    put_work(r, &all);
    put_owner(r, &all);
    put_stages(r, &all);
    put_running(r, &all);
    put_end(r, dir, &all);
    cut_lines(buf_str(&all), width, out);
}

void status_line(const struct report *r, struct buf *out) {
    char n[4][HUMAN_TEXT];
    buf_printf(out, "%s: %s, %.1f %%, %s of %s items, %s of %s", r->name, status_word(r),
               100 * r->share, human_count(r->items, n[0]), human_count(r->expected_items, n[1]),
               human_bytes(r->bytes, n[2]), human_bytes(r->expected_bytes, n[3]));
    if (r->held && r->eta_high >= 0) {
        buf_puts(out, ", ");
        put_eta(r, out);
    }
    if (r->n_failures > 0)
        buf_printf(out, ", %zu step(s) failed", r->n_failures);
    buf_puts(out, "\n");
}
