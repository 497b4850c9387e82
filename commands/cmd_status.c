// SPDX-License-Identifier: Apache-2.0
// mvimig status: how far a migration is, from its journal, also while it runs.
#include "base/clock.h"
#include "base/stop.h"
#include "commands/command.h"
#include "commands/migration_dir.h"
#include "commands/screen.h"
#include "commands/status.h"

#define WATCH_MS 1000
#define WATCH_LINE_MS 10000 // where nobody redraws

struct page {
    struct command_context *c;
    const char *dir;
    int fd;
    bool redraw;
};

static void draw(const struct page *p, const struct report *r) {
    AUTO_BUF struct buf text = BUF_INIT(1 << 26);
    int columns, rows;
    screen_size(&columns, &rows);
    status_page(r, p->dir, columns, rows, &text);
    screen_draw(p->c->out, buf_str(&text), columns);
}

static void print(const struct page *p, const struct report *r) {
    AUTO_BUF struct buf text = BUF_INIT(1 << 26);
    if (p->c->options->json)
        status_json(r, &text);
    else if (p->c->options->watch && !p->redraw)
        status_line(r, &text);
    else
        status_text(r, p->dir, &text);
    out_result_text(p->c->out, buf_str(&text));
}

// Shows it once; *held: a run goes on.
static int show(const struct page *p, bool on_screen, bool *held, struct err *e) {
    AUTO_ARENA struct arena *a = arena_new();
    struct report r = {0};
    struct err late;
    int rc = report_read(p->fd, a, &r, e);
    if (rc != 0)
        return rc;
    *held = r.held;
    if (on_screen)
        draw(p, &r);
    else
        print(p, &r);
    return out_finish(p->c->out, &late) != 0 ? late.code : 0;
}

// A line now and then, for logs and pipes.
static int watch_lines(const struct page *p, struct err *e) {
    bool held = true;
    int rc = 0;
    while (rc == 0 && held && !stop_asked()) {
        rc = show(p, false, &held, e);
        if (rc == 0 && held)
            clock_sleep_ms(WATCH_LINE_MS);
    }
    return rc;
}

// The last picture is printed whole, and stays where the screen before it comes back.
static int watch_screen(const struct page *p, struct err *e) {
    bool held = true;
    int rc = 0;
    screen_begin(p->c->out);
    while (rc == 0 && held && !stop_asked()) {
        rc = show(p, true, &held, e);
        if (rc == 0 && held)
            screen_wait_ms(WATCH_MS);
    }
    screen_end(p->c->out);
    return rc == 0 ? show(p, false, &held, e) : rc;
}

// To leave a watch by Ctrl-C is no failure.
static int watch(const struct page *p, struct err *e) {
    return p->redraw ? watch_screen(p, e) : watch_lines(p, e);
}

static int run(struct command_context *c, struct err *e) {
    AUTO_CLOSE int fd = -1;
    const char *dir = NULL;
    bool held;
    int rc = migration_dir_named(c, &dir, &fd, e);
    if (rc != 0)
        return rc;
    struct page p = {.c = c,
                     .dir = dir,
                     .fd = fd,
                     .redraw = c->options->watch && !c->options->json && screen_usable()};
    return c->options->watch ? watch(&p, e) : show(&p, false, &held, e);
}

const struct command command_status = {
    .name = "status",
    .bit = C_STATUS,
    .synopsis = "[NAME | DIR] [--watch] [--json]",
    .summary = "how far a migration is, also while it runs",
    .max_words = 1,
    .run = run,
};
