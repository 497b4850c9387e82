// SPDX-License-Identifier: Apache-2.0
#include "commands/out.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/ytree.h"

#define OUT_MAX (256 << 20)

static const char *const out_level_names[4] = {"debug", "info", "warning", "error"};

void out_init(struct out *o) {
    memset(o, 0, sizeof *o);
    o->redact = redact_new();
    o->level = OUT_INFO;
    o->terminal = isatty(STDERR_FILENO) == 1;
    pthread_mutex_init(&o->lock, NULL);
}

void out_free(struct out *o) {
    out_progress_end(o);
    redact_free(o->redact);
    pthread_mutex_destroy(&o->lock);
}

int out_set_level(struct out *o, const char *level, struct err *e) {
    for (int i = 0; i < 4; i++)
        if (strcmp(level, out_level_names[i]) == 0) {
            o->level = (enum out_level)i;
            return 0;
        }
    return err_set(e, ERR_USAGE, "--log-level is one of debug, info, warning, error");
}

int out_set_format(struct out *o, const char *format, struct err *e) {
    if (strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
        return err_set(e, ERR_USAGE, "--log-format is text or json");
    o->json_log = strcmp(format, "json") == 0;
    return 0;
}

// Redacted first, escaped line by line after: an escape must not hide a secret from the redactor.
void out_clean(struct out *o, const char *text, struct buf *to) {
    AUTO_BUF struct buf red = BUF_INIT(OUT_MAX);
    redact_apply(o->redact, text, &red);
    const char *p = buf_str(&red);
    while (*p != 0) {
        size_t n = strcspn(p, "\n");
        escape_text(to, p, n);
        p += n;
        if (*p == '\n') {
            buf_puts(to, "\n");
            p++;
        }
    }
}

void out_result_text(struct out *o, const char *text) {
    AUTO_BUF struct buf shown = BUF_INIT(OUT_MAX);
    out_clean(o, text, &shown);
    out_raw(o, buf_str(&shown), shown.len);
}

void out_result(struct out *o, const char *fmt, ...) {
    AUTO_BUF struct buf text = BUF_INIT(OUT_MAX);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    out_result_text(o, buf_str(&text));
}

void out_dot(struct out *o, const char *text) {
    AUTO_BUF struct buf red = BUF_INIT(OUT_MAX);
    redact_apply(o->redact, text, &red);
    out_raw(o, buf_str(&red), red.len);
}

void out_raw(struct out *o, const void *data, size_t len) {
    pthread_mutex_lock(&o->lock);
    fwrite(data, 1, len, stdout);
    pthread_mutex_unlock(&o->lock);
}

static json_t *redacted_json(struct out *o, json_t *value) {
    AUTO_BUF struct buf red = BUF_INIT(OUT_MAX);
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_string(value)) {
        redact_apply(o->redact, json_string_value(value), &red);
        json_string_set(value, buf_str(&red));
    }
    json_object_foreach(value, key, item) redacted_json(o, item);
    json_array_foreach(value, i, item) redacted_json(o, item);
    return value;
}

void out_json(struct out *o, json_t *value, bool on_one_line) {
    MUST(value != NULL);
    AUTO_FREE char *text = json_dumps(
        redacted_json(o, value), JSON_ENSURE_ASCII | (on_one_line ? JSON_COMPACT : JSON_INDENT(2)));
    MUST(text != NULL);
    out_raw(o, text, strlen(text));
    out_raw(o, "\n", 1);
    json_decref(value);
}

int out_finish(struct out *o, struct err *e) {
    (void)o;
    if (fflush(stdout) != 0 || ferror(stdout))
        return err_sys(e, ERR_IO, errno, "standard output could not take the result");
    return 0;
}

static void erase_line(struct out *o) {
    if (o->line_shown)
        fputs("\r\033[K", stderr);
    o->line_shown = false;
}

static void log_json(enum out_level level, const char *step, const char *text) {
    char when[CLOCK_TEXT];
    clock_format(clock_wall_ns(), when);
    json_t *line = json_pack("{ss ss ss ss}", "time", when, "level", out_level_names[level], "step",
                             step != NULL ? step : "", "text", text);
    char *dumped = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
    if (dumped != NULL)
        fprintf(stderr, "%s\n", dumped);
    free(dumped);
    json_decref(line);
}

// With a time where nobody watches, without one on a terminal.
static void log_text(struct out *o, enum out_level level, const char *step, const char *text) {
    char when[CLOCK_TEXT];
    if (!o->terminal) {
        clock_format(clock_wall_ns(), when);
        fprintf(stderr, "%s ", when);
    }
    fprintf(stderr, "%s: ", level == OUT_INFO ? "mvimig" : out_level_names[level]);
    if (step != NULL && *step != 0)
        fprintf(stderr, "%s: ", step);
    fprintf(stderr, "%s\n", text);
}

void out_log(struct out *o, enum out_level level, const char *step, const char *fmt, ...) {
    if (level < o->level)
        return;
    AUTO_BUF struct buf text = BUF_INIT(OUT_MAX);
    AUTO_BUF struct buf shown = BUF_INIT(OUT_MAX);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    out_clean(o, buf_str(&text), &shown);
    pthread_mutex_lock(&o->lock);
    erase_line(o);
    if (o->json_log)
        log_json(level, step, buf_str(&shown));
    else
        log_text(o, level, step, buf_str(&shown));
    fflush(stderr);
    pthread_mutex_unlock(&o->lock);
}

void out_progress(struct out *o, const char *text) {
    if (!o->terminal || o->json_log) {
        out_log(o, OUT_INFO, NULL, "%s", text);
        return;
    }
    pthread_mutex_lock(&o->lock);
    fprintf(stderr, "\r\033[K%s", text);
    fflush(stderr);
    o->line_shown = true;
    pthread_mutex_unlock(&o->lock);
}

void out_progress_end(struct out *o) {
    pthread_mutex_lock(&o->lock);
    erase_line(o);
    fflush(stderr);
    pthread_mutex_unlock(&o->lock);
}
