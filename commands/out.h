// SPDX-License-Identifier: Apache-2.0
// The one place that prints. Results go to standard output; log lines and the progress line to
// standard error. Whatever is printed passes the redactor first, and control bytes are escaped.
#pragma once

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

enum out_level { OUT_DEBUG, OUT_INFO, OUT_WARNING, OUT_ERROR };

struct out {
    struct redact *redact;
    enum out_level level; // what is less is not printed
    bool json_log;
    bool terminal;   // standard error is one
    bool line_shown; // a progress line stands on the terminal
    pthread_mutex_t lock;
};

void out_init(struct out *o);
void out_free(struct out *o);
// ERR_USAGE when the text names no level or format.
int out_set_level(struct out *o, const char *level, struct err *e);
int out_set_format(struct out *o, const char *format, struct err *e);

// A result, on standard output; newlines stay, all else is made printable.
void out_result(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_result_text(struct out *o, const char *text);
// What out_result_text would print: redacted, and printable but for newlines.
void out_clean(struct out *o, const char *text, struct buf *to);
// A result as JSON, indented or as one line of NDJSON; `value` is given away. Its strings are as
// they are, less secrets: JSON's own escapes make them printable.
void out_json(struct out *o, json_t *value, bool on_one_line);
// A graph, whose labels the plan has escaped by DOT's own rules: as it is, less secrets.
void out_dot(struct out *o, const char *text);
// Bytes that are not for people (a plan on standard output): as they are.
void out_raw(struct out *o, const void *data, size_t len);
// Flushes standard output; ERR_IO when it cannot take what was written (disk full, pipe closed).
int out_finish(struct out *o, struct err *e);

void out_log(struct out *o, enum out_level level, const char *step, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
// The progress line: redrawn on a terminal, a line of log otherwise.
void out_progress(struct out *o, const char *text);
void out_progress_end(struct out *o); // takes it away
