// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <string.h>

#include "compiler/internal.h"

#define INDENT 2
#define GAP 2

void table_row(struct table *t, ...) {
    struct table_line line = {{NULL}};
    va_list ap;
    va_start(ap, t);
    const char *cell = va_arg(ap, const char *);
    for (size_t i = 0; cell != NULL; i++, cell = va_arg(ap, const char *)) {
        MUST(i < TABLE_COLUMNS);
        line.cells[i] = cell;
    }
    va_end(ap);
    ARENA_PUSH(t->arena, t->lines, t->n, t->cap, line);
}

static size_t column_width(const struct table *t, size_t column) {
    size_t width = 0;
    for (size_t r = 0; r < t->n; r++) {
        const char *cell = t->lines[r].cells[column];
        size_t len = cell != NULL ? strlen(cell) : 0;
        width = len > width ? len : width;
    }
    return width;
}

void table_put(const struct table *t, struct buf *out) {
    for (size_t r = 0; r < t->n; r++) {
        buf_printf(out, "%*s%-*s", INDENT, "", (int)column_width(t, 0), t->lines[r].cells[0]);
        for (size_t k = 1; k < TABLE_COLUMNS && t->lines[r].cells[k] != NULL; k++) {
            buf_printf(out, "%*s", (int)column_width(t, k) + GAP, t->lines[r].cells[k]);
        }
        buf_puts(out, "\n");
    }
}
