// SPDX-License-Identifier: Apache-2.0
#include "base/problems.h"

#include <stdarg.h>

#include "base/buf.h"

#define PROBLEMS_KEPT 200
#define PROBLEMS_TEXT_MAX ((size_t)4 << 20)

void problems_add(struct problems *p, int line, const char *where, const char *fmt, ...) {
    if (p->n >= PROBLEMS_KEPT) {
        p->more++;
        return;
    }
    AUTO_BUF struct buf text = BUF_INIT(PROBLEMS_TEXT_MAX);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    struct problem one = {.line = line,
                          .where = arena_strdup(p->arena, where != NULL ? where : ""),
                          .text = arena_strndup(p->arena, buf_str(&text), text.len)};
    ARENA_PUSH(p->arena, p->items, p->n, p->cap, one);
}

char *problems_text(const struct problems *p, const char *name, struct arena *a) {
    AUTO_BUF struct buf out = BUF_INIT((PROBLEMS_KEPT + 1) * PROBLEMS_TEXT_MAX);
    for (size_t i = 0; i < p->n; i++) {
        const struct problem *one = &p->items[i];
        buf_printf(&out, "%s%s", i > 0 ? "\n" : "", name);
        if (one->line > 0) {
            buf_printf(&out, ":%d", one->line);
        }
        if (one->where[0] != 0) {
            buf_printf(&out, ": %s", one->where);
        }
        buf_printf(&out, ": %s", one->text);
    }
    if (p->more > 0) {
        buf_printf(&out, "\n%s: and %zu more", name, p->more);
    }
    return arena_strndup(a, buf_str(&out), out.len);
}
