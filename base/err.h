// SPDX-License-Identifier: Apache-2.0
// Errors travel to the caller as a code and a text that is ready to show.
//
// A function that can fail returns 0 or a negative code of base/errcodes.tbl.h and fills the
// caller's struct err. The text names the thing, what went wrong and the mend, in one line, without
// a final full stop or newline, and never holds a secret. Callers add context in front of it on the
// way up: err_wrap(e, "restore/DataSets/0001"). Only commands print it. A NULL struct err is never
// passed. Text longer than the buffer ends in "...".
#pragma once

#include <stddef.h>

enum err_code {
#define ERRCODE(name, code, exit, meaning) ERR_##name = (code),
#include "base/errcodes.tbl.h"
#undef ERRCODE
};

#define ERR_TEXT_MAX 2048

struct err {
    int code; // 0 while nothing failed
    char text[ERR_TEXT_MAX];
};

// Sets code and text. Returns the code, so that `return err_set(...)` is one statement.
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

// As err_set, with ": " and strerror(errnum) behind the text, and the mend where it follows from
// that: a full disk, a quota, a mount for reading, a disk that fails, too many open files.
int err_sys(struct err *e, int code, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

// Puts "CONTEXT: " in front of the text and keeps the code, which it returns.
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Adds to the end of the text; returns the code.
int err_append(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// The exit status and name ("LOCKED") of a code; an unknown code counts as FAILED.
int err_exit_status(int code);
const char *err_name(int code);
