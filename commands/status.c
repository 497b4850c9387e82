// SPDX-License-Identifier: Apache-2.0
#include "commands/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/must.h"
#include "commands/left.h"

#define SECOND 1000000000ll
#define SILENT_NS (60 * SECOND) // a run beats every ten seconds
#define STUCK_NS (60 * SECOND)  // a record as old as this is worth a word
#define BAR_MAX 30
#define BAR_MIN 8
#define STEP_WIDTH 44 // of a step's name among those that run
#define STEP_MIN 16

// What a line is worth on a screen that has no room for all of them; less goes first.
enum rank { VITAL, WORK, OWNER, STAGES, STEPS, HEADINGS, EXTRAS, BLANKS, RANKS };

struct page_text {
    struct buf text;
    int width;           // columns; 0: as wide as it gets
    unsigned char *rank; // of each line
    size_t n, cap;
};

// Ends the line that was begun in `text`.
static void end_line(struct page_text *p, enum rank rank) {
    buf_puts(&p->text, "\n");
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 64 : 2 * p->cap;
        p->rank = must_realloc(p->rank, p->cap, sizeof *p->rank);
    }
    p->rank[p->n++] = (unsigned char)rank;
}

// Nanoseconds since a time of the journal's, by this machine's clock; -1 when it is none.
static int64_t age_of(const char *text) {
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL || *rest != '.')
        return -1;
    char *end;
    long ms = strtol(rest + 1, &end, 10);
    if (ms < 0 || ms > 999 || strcmp(end, "Z") != 0)
        return -1;
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

// The bar takes what room the rest of its line leaves.
static void put_head(const struct report *r, struct page_text *p) {
    AUTO_BUF struct buf left = BUF_INIT(1 << 12);
    size_t begin = p->text.len;
    if (r->held)
        put_eta(r, &left);
    buf_printf(&p->text, "%s: %s, %.1f %%", r->name, status_word(r), 100 * r->share);
    size_t used = p->text.len - begin + left.len + (left.len > 0 ? 2 : 0) + strlen("  []");
    size_t room = p->width == 0 || (size_t)p->width > used + BAR_MAX ? BAR_MAX
                  : (size_t)p->width > used                          ? (size_t)p->width - used
                                                                     : 0;
    if (room >= BAR_MIN) {
        size_t full = (size_t)(r->share * (double)room);
        buf_puts(&p->text, "  [");
        for (size_t i = 0; i < room; i++)
            buf_puts(&p->text, i < full ? "#" : ".");
        buf_puts(&p->text, "]");
    }
    if (left.len > 0)
        buf_printf(&p->text, "  %s", buf_str(&left));
    end_line(p, VITAL);
}

static void put_work(const struct report *r, struct page_text *p) {
    char n[5][HUMAN_TEXT];
    struct buf *out = &p->text;
    bool rates = r->held && r->seconds > 0;
    buf_printf(out, "  items    %s of %s", human_count(r->items, n[0]),
               human_count(r->expected_items, n[1]));
    if (rates)
        buf_printf(out, ", %s/s", human_count((uint64_t)rate(r->run_items, r), n[4]));
    buf_printf(out, " (%s files, %s documents)", human_count(r->files, n[2]),
               human_count(r->documents, n[3]));
    end_line(p, WORK);
    buf_printf(out, "  bytes    %s of %s", human_bytes(r->bytes, n[0]),
               human_bytes(r->expected_bytes, n[1]));
    if (rates)
        buf_printf(out, ", %s/s", human_bytes((uint64_t)rate(r->run_bytes, r), n[4]));
    end_line(p, WORK);
}

// Whether it moves: how long ago anything was recorded last.
static void put_record(const struct report *r, int64_t old, struct page_text *p) {
    char age[HUMAN_TEXT];
    if (!r->held || r->ended[0] != 0 || old < STUCK_NS)
        return;
    buf_printf(&p->text,
               "  slow     nothing was recorded for %s: large files are on their way, or something "
               "is stuck",
               human_duration(old, age));
    end_line(p, VITAL);
}

static void put_owner(const struct report *r, struct page_text *p) {
    char age[HUMAN_TEXT];
    struct buf *out = &p->text;
    int64_t silent = age_of(r->beat_at), old = age_of(r->as_of);
    const char *word = status_word(r);
    if (r->held) {
        if (silent >= 0)
            buf_printf(out, "  beat     %s ago, ", human_duration(silent, age));
        else
            buf_puts(out, "  holder   ");
        if (r->ended[0] == 0 && old >= 0)
            buf_printf(out, "record %s ago, ", human_duration(old, age));
        buf_printf(out, "by %s", r->holder);
        end_line(p, OWNER);
    }
    put_record(r, old, p);
    if (strcmp(word, "silent") == 0) {
        buf_puts(out, "  silent   for over a minute: look at that host; `mvimig unlock` takes the "
                      "lock away");
        end_line(p, VITAL);
    }
    if (strcmp(word, "stale") == 0) {
        buf_printf(out, "  stale    since %s (%s ago): that run was killed", r->beat_at,
                   silent >= 0 ? human_duration(silent, age) : "?");
        end_line(p, VITAL);
    }
    if (r->runs == 0)
        return;
    buf_printf(out, "  run      number %lld, began %s", (long long)r->runs, r->started);
    if (r->ended[0] != 0)
        buf_printf(out, ", ended %s: %s", r->ended, r->outcome);
    end_line(p, r->ended[0] != 0 ? OWNER : EXTRAS);
}

#define CELLS 6
#define CELL_MAX (2 * HUMAN_TEXT + 2)

static void fill_row(const struct report_stage *s, char cells[CELLS][CELL_MAX]) {
    char a[HUMAN_TEXT], b[HUMAN_TEXT];
    snprintf(cells[0], CELL_MAX, "%s", s->stage);
    snprintf(cells[1], CELL_MAX, "%s/%s", human_count(s->done, a), human_count(s->steps, b));
    snprintf(cells[2], CELL_MAX, "%s", human_count(s->running, a));
    snprintf(cells[3], CELL_MAX, "%s", human_count(s->failed, a));
    snprintf(cells[4], CELL_MAX, "%s/%s", human_count(s->items, a),
             human_count(s->expected_items, b));
    snprintf(cells[5], CELL_MAX, "%s/%s", human_bytes(s->bytes, a),
             human_bytes(s->expected_bytes, b));
}

static void put_row(const char cells[CELLS][CELL_MAX], const int widths[CELLS], int n,
                    enum rank rank, struct page_text *p) {
    buf_printf(&p->text, "  %-*s", widths[0], cells[0]);
    for (int i = 1; i < n; i++)
        buf_printf(&p->text, "  %*s", widths[i], cells[i]);
    end_line(p, rank);
}

// Columns are as wide as what they hold; the last ones go where the terminal is too narrow.
static void put_stages(const struct report *r, struct page_text *p) {
    static const char heads[CELLS][CELL_MAX] = {"stage",  "steps", "running",
                                                "failed", "items", "bytes"};
    char cells[CELLS][CELL_MAX];
    int widths[CELLS], n = CELLS, total = 0;
    for (int k = 0; k < CELLS; k++)
        widths[k] = (int)strlen(heads[k]);
    for (size_t i = 0; i < r->n_stages; i++) {
        fill_row(&r->stages[i], cells);
        for (int k = 0; k < CELLS; k++)
            widths[k] = (int)strlen(cells[k]) > widths[k] ? (int)strlen(cells[k]) : widths[k];
    }
    for (int k = 0; k < CELLS; k++)
        total += 2 + widths[k];
    while (p->width > 0 && n > 1 && total > p->width)
        total -= 2 + widths[--n];
    end_line(p, BLANKS);
    put_row(heads, widths, n, STAGES, p);
    for (size_t i = 0; i < r->n_stages; i++) {
        fill_row(&r->stages[i], cells);
        put_row((const char(*)[CELL_MAX])cells, widths, n, STAGES, p);
    }
}

// A step's name in `width` columns: of a longer one the end, which tells it from its neighbours.
static void put_name(const char *name, int width, struct buf *out) {
    int len = (int)strlen(name);
    if (len > width)
        buf_printf(out, "..%s", name + len - (width - 2));
    else
        buf_printf(out, "%-*s", width, name);
}

static void put_running(const struct report *r, struct page_text *p) {
    char n[3][HUMAN_TEXT], rest[4 * HUMAN_TEXT];
    if (r->n_running == 0 || !r->held)
        return;
    end_line(p, BLANKS);
    buf_puts(&p->text, "  running now");
    end_line(p, HEADINGS);
    for (size_t i = 0; i < r->n_running; i++) {
        const struct report_running *s = &r->running[i];
        int64_t age = age_of(s->since);
        int len =
            snprintf(rest, sizeof rest, "  %s of %s items, for %s", human_count(s->items, n[0]),
                     human_count(s->expected_items, n[1]), human_duration(age < 0 ? 0 : age, n[2]));
        int room = p->width == 0 ? STEP_WIDTH : p->width - 4 - len;
        room = room > STEP_WIDTH ? STEP_WIDTH : room < STEP_MIN ? STEP_MIN : room;
        buf_puts(&p->text, "    ");
        put_name(s->step, room, &p->text);
        buf_puts(&p->text, rest);
        end_line(p, STEPS);
    }
}

static void put_end(const struct report *r, const char *dir, struct page_text *p) {
    char n[3][HUMAN_TEXT];
    struct buf *out = &p->text;
    end_line(p, BLANKS);
    buf_printf(out, "  failed steps %s, conflicts %s, problems %s",
               human_count(r->n_failures, n[0]), human_count(r->conflicts, n[1]),
               human_count(r->problems, n[2]));
    end_line(p, WORK);
    for (size_t i = 0; i < r->n_failures; i++) {
        buf_printf(out, "  failed: %s (attempt %lld): %s", r->failures[i].step,
                   (long long)r->failures[i].attempts, r->failures[i].error);
        end_line(p, i == 0 ? OWNER : STEPS);
    }
    buf_printf(out, "  journal  %s/journal.db", dir);
    end_line(p, EXTRAS);
    if (!r->held && !r->finished)
        buf_printf(out, "  Next: mvimig resume %s", dir);
    else if (r->problems > 0 && r->finished)
        buf_printf(out, "  Next: look at what was left over: %s/" LEFT_FILE, dir);
    else if (r->conflicts > 0 && r->finished)
        buf_printf(out, "  Next: mvimig conflicts %s", dir);
    else
        return;
    end_line(p, VITAL);
}

static void put_page(const struct report *r, const char *dir, struct page_text *p) {
    put_head(r, p);
    put_work(r, p);
    put_owner(r, p);
    put_stages(r, p);
    put_running(r, p);
    put_end(r, dir, p);
}

void status_text(const struct report *r, const char *dir, struct buf *out) {
    struct page_text p = {.text = BUF_INIT(1 << 24)};
    put_page(r, dir, &p);
    buf_put(out, p.text.data, p.text.len);
    buf_free(&p.text);
    free(p.rank);
}

// Of the lines worth the most as many as there is room for, in their order.
static void fit(const struct page_text *p, size_t rows, struct buf *out) {
    size_t of_rank[RANKS] = {0}, room = rows;
    for (size_t i = 0; i < p->n; i++)
        of_rank[p->rank[i]]++;
    for (int k = 0; k < RANKS; k++) {
        of_rank[k] = of_rank[k] < room ? of_rank[k] : room;
        room -= of_rank[k];
    }
    const char *line = (const char *)p->text.data;
    for (size_t i = 0; i < p->n; i++) {
        size_t len = strcspn(line, "\n") + 1;
        if (of_rank[p->rank[i]] > 0) {
            of_rank[p->rank[i]]--;
            buf_put(out, line, len);
        }
        line += len;
    }
}

void status_page(const struct report *r, const char *dir, int width, int rows, struct buf *out) {
    struct page_text p = {.text = BUF_INIT(1 << 24), .width = width};
    put_page(r, dir, &p);
    if (r->held) {
        buf_puts(&p.text, "  Ctrl-C ends this watch, not the migration");
        end_line(&p, EXTRAS);
    }
    fit(&p, rows > 0 ? (size_t)rows : 1, out);
    buf_free(&p.text);
    free(p.rank);
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
