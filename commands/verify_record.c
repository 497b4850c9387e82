// SPDX-License-Identifier: Apache-2.0
#include "commands/verify_record.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/strtab.h"
#include "base/tempfile.h"

#define RECORD_MAX (256u << 20) // a larger one is begun anew

struct verify_record {
    int fd;
    char began[CLOCK_TEXT];
};

static int put(int fd, json_t *line, struct err *e) {
    AUTO_FREE char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    MUST(text != NULL);
    size_t len = strlen(text);
    text[len] = '\n'; // one write a line: a kill leaves whole ones
    return fd_write_all(fd, text, len + 1) == 0
               ? 0
               : err_sys(e, ERR_IO, errno, VERIFY_FILE " cannot be written in the work directory");
}

static json_t *text_or(const char *text) {
    json_t *value = json_string(text != NULL ? text : "");
    return value != NULL ? value : json_string("(not UTF-8)");
}

static json_t *difference_line(const struct plan_step *s, const struct step_difference *d) {
    return json_pack("{ss ss so so ss so}", "type", "difference", "step", s->id, "object",
                     text_or(d->object), "id", text_or(d->id), "what", d->what, "detail",
                     text_or(d->detail));
}

static const char *field(json_t *line, const char *key) {
    const char *text = json_string_value(json_object_get(line, key));
    return text != NULL ? text : "";
}

static uint64_t number(json_t *line, const char *key) {
    json_int_t n = json_integer_value(json_object_get(line, key));
    return n > 0 ? (uint64_t)n : 0;
}

// --- the record of a verify before

struct before {
    struct run *r;
    bool live;
    json_t *lines; // in order, the first is the head
    bool *passed;
    struct strtab *steps; // ID -> 1 + index
};

// Whole lines up to the first that is none; NULL when there is nothing to go on from.
static json_t *read_lines(const struct run *r) {
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    struct err ignored = {0};
    json_t *lines = json_array();
    if (file_read(r->workdir_fd, VERIFY_FILE, RECORD_MAX, &text, &len, &ignored) != 0)
        return lines;
    for (char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        json_t *line = json_loadb(at, (size_t)(end - at), 0, NULL);
        if (line == NULL || json_array_append_new(lines, line) != 0)
            break;
    }
    return lines;
}

static bool goes_on(const struct before *b) {
    size_t n = json_array_size(b->lines);
    json_t *head = n > 0 ? json_array_get(b->lines, 0) : NULL;
    return head != NULL && strcmp(field(head, "type"), "verify") == 0 &&
           strcmp(field(head, "plan"), b->r->plan->digest) == 0 &&
           json_is_true(json_object_get(head, "checksum")) == b->r->checksum &&
           json_is_true(json_object_get(head, "live")) == b->live &&
           strcmp(field(json_array_get(b->lines, n - 1), "type"), "end") != 0;
}

static const struct plan_step *step_of(const struct before *b, json_t *line) {
    const char *id = field(line, "step");
    uintptr_t at = strtab_get(b->steps, id, strlen(id), 0);
    return at > 0 ? &b->r->plan->steps[at - 1] : NULL;
}

// A step counts when it is still the one that was compared.
static void mark(const struct before *b, json_t *line, struct verify_outcome *o) {
    const struct plan_step *s = step_of(b, line);
    if (s == NULL || strcmp(field(line, "type"), "step") != 0)
        return;
    size_t i = (size_t)(s - b->r->plan->steps);
    if (strcmp(field(line, "hash"), s->hash_text) != 0 || b->passed[i] ||
        b->r->known[i].state != STEP_DONE ||
        number(line, "attempts") != (uint64_t)b->r->known[i].attempts)
        return;
    b->passed[i] = true;
    o->steps++;
    o->compared += number(line, "compared");
    o->same += number(line, "same");
    o->differ += number(line, "differ");
    o->changed += number(line, "changed");
}

static void read_before(struct before *b, struct verify_outcome *o) {
    for (size_t i = 0; i < b->r->plan->n_steps; i++) {
        const char *id = b->r->plan->steps[i].id;
        *strtab_slot(b->steps, id, strlen(id), NULL) = i + 1;
    }
    for (size_t i = 1; i < json_array_size(b->lines); i++)
        mark(b, json_array_get(b->lines, i), o);
}

// --- the record of this one

static json_t *head_line(const struct run *r, bool live, const char *began) {
    return json_pack("{ss ss sb sb ss}", "type", "verify", "plan", r->plan->digest, "checksum",
                     (int)r->checksum, "live", (int)live, "began", began);
}

static int copy_line(const struct before *b, json_t *line, int fd,
                     int (*difference)(void *arg, const struct plan_step *s,
                                       const struct step_difference *d, struct err *e),
                     void *arg, struct err *e) {
    const struct plan_step *s = step_of(b, line);
    if (s == NULL || !b->passed[s - b->r->plan->steps])
        return 0; // of a step that is compared again
    int rc = put(fd, json_incref(line), e);
    if (rc != 0 || strcmp(field(line, "type"), "difference") != 0)
        return rc;
    struct step_difference d = {.object = field(line, "object"),
                                .id = field(line, "id"),
                                .what = field(line, "what"),
                                .detail = field(line, "detail")};
    return difference(arg, s, &d, e);
}

int verify_record_open(struct run *r, bool live, bool *passed, struct verify_outcome *before,
                       int (*difference)(void *arg, const struct plan_step *s,
                                         const struct step_difference *d, struct err *e),
                       void *arg, struct verify_record **out, struct err *e) {
    AUTO_STRTAB struct strtab *steps = strtab_new();
    struct before b = {.r = r, .live = live, .lines = read_lines(r), .steps = steps};
    b.passed = passed;
    AUTO_TEMPFILE struct tempfile t = TEMPFILE_INIT;
    struct verify_record v = {.fd = -1};
    char now[CLOCK_TEXT];
    clock_format(clock_wall_ns(), now);
    if (goes_on(&b))
        read_before(&b, before);
    if (before->steps > 0)
        snprintf(v.began, sizeof v.began, "%s", field(json_array_get(b.lines, 0), "began"));
    int rc = tempfile_create(&t, r->workdir_fd, VERIFY_FILE, 0600, e);
    if (rc == 0)
        rc = put(t.fd, head_line(r, live, v.began[0] != 0 ? v.began : now), e);
    for (size_t i = 1; rc == 0 && before->steps > 0 && i < json_array_size(b.lines); i++)
        rc = copy_line(&b, json_array_get(b.lines, i), t.fd, difference, arg, e);
    json_decref(b.lines);
    if (rc == 0)
        rc = tempfile_publish(&t, e);
    if (rc != 0)
        return rc;
    v.fd = openat(r->workdir_fd, VERIFY_FILE, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (v.fd < 0)
        return err_sys(e, ERR_IO, errno, VERIFY_FILE " cannot be opened in the work directory");
    *out = must_calloc(1, sizeof **out);
    **out = v;
    return 0;
}

const char *verify_record_began(const struct verify_record *v) {
    return v->began;
}

int verify_record_difference(struct verify_record *v, const struct plan_step *s,
                             const struct step_difference *d, struct err *e) {
    return put(v->fd, difference_line(s, d), e);
}

int verify_record_step(struct verify_record *v, const struct plan_step *s, int64_t attempts,
                       const struct step_verify *sv, struct err *e) {
    return put(v->fd,
               json_pack("{ss ss ss sI sI sI sI sI}", "type", "step", "step", s->id, "hash",
                         s->hash_text, "attempts", (json_int_t)attempts, "compared",
                         (json_int_t)sv->compared, "same", (json_int_t)sv->same, "differ",
                         (json_int_t)sv->differ, "changed", (json_int_t)sv->changed),
               e);
}

int verify_record_end(struct verify_record *v, struct err *e) {
    return put(v->fd, json_pack("{ss}", "type", "end"), e);
}

void verify_record_close(struct verify_record *v) {
    if (v == NULL)
        return;
    auto_close(&v->fd);
    free(v);
}
