// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"

static const struct {
    int code;
    int exit_status;
    const char *name;
} err_table[] = {
#define ERRCODE(name, code, exit, meaning) {(code), (exit), #name},
#include "base/errcodes.tbl.h"
#undef ERRCODE
};

// Ends a text that was cut in "...", without leaving half a UTF-8 character before it.
static void err_mark_cut(char text[ERR_TEXT_MAX]) {
    size_t at = ERR_TEXT_MAX - 4;
    while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80) {
        at--;
    }
    memcpy(text + at, "...", 4);
}

static void err_keep(struct err *e, const char *text, bool cut) {
    memcpy(e->text, text, ERR_TEXT_MAX);
    if (cut) {
        err_mark_cut(e->text);
    }
}

// Appends to a text in the making; true when it did not fit. The text is made beside the old one,
// which the arguments may point into.
static __attribute__((format(printf, 2, 0))) bool err_put(char text[ERR_TEXT_MAX], const char *fmt,
                                                          va_list ap) {
    size_t used = strlen(text);
    int n = vsnprintf(text + used, ERR_TEXT_MAX - used, fmt, ap);
    MUST(n >= 0);
    return (size_t)n >= ERR_TEXT_MAX - used;
}

static __attribute__((format(printf, 2, 3))) bool err_add(char text[ERR_TEXT_MAX], const char *fmt,
                                                          ...) {
    va_list ap;
    va_start(ap, fmt);
    bool cut = err_put(text, fmt, ap);
    va_end(ap);
    return cut;
}

int err_set(struct err *e, int code, const char *fmt, ...) {
    char text[ERR_TEXT_MAX] = "";
    va_list ap;
    va_start(ap, fmt);
    bool cut = err_put(text, fmt, ap);
    va_end(ap);
    err_keep(e, text, cut);
    e->code = code;
    return code;
}

// What mends it wherever it happens; NULL when that depends on the thing.
static const char *err_sys_mend(int errnum) {
    switch (errnum) {
    case ENOSPC:
        return "make room there";
    case EDQUOT:
        return "make room there, or raise the quota";
    case EROFS:
        return "mount it for writing";
    case EIO:
        return "its disk or its mount fails: look at the system's log";
    case EMFILE:
    case ENFILE:
        return "raise the limit of open files";
    default:
        return NULL;
    }
}

int err_sys(struct err *e, int code, int errnum, const char *fmt, ...) {
    char text[ERR_TEXT_MAX] = "";
    char reason[128];
    const char *mend = err_sys_mend(errnum);
    va_list ap;
    va_start(ap, fmt);
    bool cut = err_put(text, fmt, ap);
    va_end(ap);
    cut = err_add(text, ": %s", strerror_r(errnum, reason, sizeof reason)) || cut;
    cut = (mend != NULL && err_add(text, "; %s", mend)) || cut;
    err_keep(e, text, cut);
    e->code = code;
    return code;
}

int err_wrap(struct err *e, const char *fmt, ...) {
    char text[ERR_TEXT_MAX] = "";
    va_list ap;
    va_start(ap, fmt);
    bool cut = err_put(text, fmt, ap);
    va_end(ap);
    cut = err_add(text, ": %s", e->text) || cut;
    err_keep(e, text, cut);
    return e->code;
}

int err_append(struct err *e, const char *fmt, ...) {
    char text[ERR_TEXT_MAX];
    memcpy(text, e->text, sizeof text);
    va_list ap;
    va_start(ap, fmt);
    bool cut = err_put(text, fmt, ap);
    va_end(ap);
    err_keep(e, text, cut);
    return e->code;
}

static size_t err_row(int code) {
    for (size_t i = 0; i < sizeof err_table / sizeof err_table[0]; i++) {
        if (err_table[i].code == code) {
            return i;
        }
    }
    return 0; // FAILED is the first row
}

int err_exit_status(int code) {
    return code == 0 ? 0 : err_table[err_row(code)].exit_status;
}

const char *err_name(int code) {
    return err_table[err_row(code)].name;
}
