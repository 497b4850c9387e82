// SPDX-License-Identifier: Apache-2.0
// mvimig status: how far a migration is, from its journal, also while it runs.
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stop.h"
#include "commands/command.h"
#include "commands/ends.h"
#include "commands/migration_dir.h"
#include "commands/status.h"

#define WATCH_MS 1000
#define WATCH_LINE_MS 10000 // where nobody redraws

struct page {
    struct command_context *c;
    const char *dir;
    int fd;
    bool redraw;
};

static int columns(void) {
    struct winsize w = {0};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

// Shows it once; *held: a run goes on.
static int show(const struct page *p, bool *held, struct err *e) {
    AUTO_ARENA struct arena *a = arena_new();
    AUTO_BUF struct buf text = BUF_INIT(1 << 26);
    struct report r = {0};
    struct err late;
    int rc = report_read(p->fd, a, &r, e);
    if (rc != 0)
        return rc;
    *held = r.held;
    if (p->c->options->json)
        status_json(&r, &text);
    else if (p->c->options->watch && !p->redraw)
        status_line(&r, &text);
    else
        status_text(&r, p->dir, p->redraw ? columns() : 0, &text);
    if (p->redraw)
        out_raw(p->c->out, "\033[H\033[2J", 7);
    out_result_text(p->c->out, buf_str(&text));
    return out_finish(p->c->out, &late) != 0 ? late.code : 0;
}

static int watch(const struct page *p, struct err *e) {
    bool held = true;
    int rc = 0;
    while (rc == 0 && held && !stop_asked()) {
        rc = show(p, &held, e);
        if (rc == 0 && held)
            clock_sleep_ms(p->redraw ? WATCH_MS : WATCH_LINE_MS);
    }
    return rc; // to leave a watch by ^C is no failure
}

static int run(struct command_context *c, struct err *e) {
    AUTO_ENDS struct ends ends = ENDS_INIT;
    AUTO_CLOSE int fd = -1;
    const char *dir = NULL;
    bool held;
    int rc = c->options->config != NULL ? ends_configure(&ends, c, NULL, e) : 0;
    if (rc == 0)
        rc = migration_dir_find(c, &ends, c->options->n_words > 0 ? c->options->words[0] : NULL,
                                false, &dir, e);
    if (rc == 0)
        rc = migration_dir_open(dir, false, &fd, e);
    if (rc != 0)
        return rc;
    struct page p = {.c = c,
                     .dir = dir,
                     .fd = fd,
                     .redraw =
                         c->options->watch && !c->options->json && isatty(STDOUT_FILENO) == 1};
    return c->options->watch ? watch(&p, e) : show(&p, &held, e);
}

const struct command command_status = {
    .name = "status",
    .bit = C_STATUS,
    .synopsis = "[NAME | DIR] [--watch] [--json]",
    .summary = "how far a migration is, also while it runs",
    .max_words = 1,
    .run = run,
};
