// SPDX-License-Identifier: Apache-2.0
#include "plans/report.h"

#include <string.h>

#include "base/escape.h"

#define REPORT_SHOWN 10
#define REPORT_TEXT 100 // of a text of the plan in a message
#define REPORT_NAME 512

static const char *report_escape(struct arena *a, const char *before, const char *text,
                                 const char *behind) {
    char shown[REPORT_TEXT];
    escape_into(shown, sizeof shown, text, strlen(text));
    return arena_printf(a, "%s%s%s", before, shown, behind);
}

const char *report_quote(struct arena *a, const char *text) {
    const char *mark = strchr(text, '"') != NULL && strchr(text, '\'') == NULL ? "'" : "\"";
    return report_escape(a, mark, text, mark);
}

const char *report_where_step(struct arena *a, const char *id) {
    return report_escape(a, "step ", id, "");
}

const char *report_where_set(struct arena *a, const char *name) {
    return report_escape(a, "set ", name, "");
}

size_t report_count(const struct problems *p) {
    return p->n + p->more;
}

int report_finish(const char *name, const struct problems *p, struct err *e) {
    if (report_count(p) == 0) {
        return 0;
    }
    AUTO_ARENA struct arena *a = arena_new();
    char shown[REPORT_NAME];
    escape_into(shown, sizeof shown, name, strlen(name));
    struct problems first = *p;
    first.n = p->n < REPORT_SHOWN ? p->n : REPORT_SHOWN;
    first.more = report_count(p) - first.n;
    return err_set(e, ERR_PLAN, "%s", problems_text(&first, shown, a));
}
