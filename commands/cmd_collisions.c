// SPDX-License-Identifier: Apache-2.0
// mvimig collisions: what two plans would both bring to a destination, compared at their sources
// before anything moves. Of each plan 32 bytes are kept for a document or file.
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/human.h"
#include "base/path.h"
#include "commands/command.h"
#include "commands/execution.h"
#include "executor/collect.h"

#define HALF 16
#define COMPARED_AT_ONCE 65536

struct fact {
    uint8_t key[HALF]; // of collection and _id, or of the path
    uint8_t is[HALF];  // a document's digest; a file's type and size
};
struct planned {
    const char *name; // as given
    struct execution x;
    struct fact *facts; // sorted when all are there
    size_t n, cap;
};
struct collisions {
    struct command_context *c;
    struct planned *plans;
    size_t n, now; // the plan that is read
    uint64_t identical, different;
};

// --- telling

static void tell(struct collisions *x, const char *object, const char *id, bool same,
                 const struct planned *other) {
    const char *what = same ? "identical" : "different";
    struct out *out = x->c->out;
    x->identical += same;
    x->different += !same;
    if (!x->c->options->json) {
        out_result(out, "%s  %s %s  in %s and %s\n", what, object, id, other->name,
                   x->plans[x->now].name);
        return;
    }
    json_t *line = json_pack("{ss ss ss ss s[ss]}", "type", "collision", "what", what, "object",
                             object, "id", id, "plans", other->name, x->plans[x->now].name);
    MUST(line != NULL);
    out_json(out, line, true);
}

// --- comparing

static int compare_keys(const void *a, const void *b) {
    return memcmp(((const struct fact *)a)->key, ((const struct fact *)b)->key, HALF);
}

static const struct fact *find(const struct planned *p, const struct fact *wanted) {
    return p->n == 0 ? NULL : bsearch(wanted, p->facts, p->n, sizeof *p->facts, compare_keys);
}

static void keep(struct planned *p, const struct fact *f) {
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 1024 : 2 * p->cap;
        p->facts = must_realloc(p->facts, p->cap, sizeof *p->facts);
    }
    p->facts[p->n++] = *f;
}

static void key_of(const char *object, const void *key, size_t len, struct fact *f) {
    uint8_t whole[HASH_SIZE];
    AUTO_HASH struct hash *h = hash_new();
    hash_field_str(h, object);
    hash_field(h, key, len);
    hash_final(h, whole);
    memcpy(f->key, whole, HALF);
}

static int on_document(void *arg, const char *collection, const struct buf *key, const char *id,
                       const uint8_t digest[HASH_SIZE], struct err *e) {
    struct collisions *x = arg;
    struct fact f;
    (void)e;
    key_of(collection, key->data, key->len, &f);
    memcpy(f.is, digest, HALF);
    for (size_t i = 0; i < x->now; i++) {
        const struct fact *other = find(&x->plans[i], &f);
        if (other != NULL)
            tell(x, collection, id, memcmp(other->is, f.is, HALF) == 0, &x->plans[i]);
    }
    keep(&x->plans[x->now], &f);
    return 0;
}

static int open_source(const struct planned *p, const char *path, struct err *e) {
    char shown[300];
    int fd = path_open(p->x.ends.source_root, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        err_sys(e, ERR_IO, errno, "%s: %s cannot be read", p->name,
                escape_into(shown, sizeof shown, path, strlen(path)));
    return fd;
}

static int same_content(int a, int b, bool *same, struct err *e) {
    AUTO_FREE char *one = must_calloc(2, COMPARED_AT_ONCE);
    char *two = one + COMPARED_AT_ONCE;
    *same = true;
    for (off_t at = 0; *same; at += COMPARED_AT_ONCE) {
        ssize_t n = pread(a, one, COMPARED_AT_ONCE, at), m = pread(b, two, COMPARED_AT_ONCE, at);
        if (n < 0 || m < 0)
            return err_sys(e, ERR_IO, errno, "cannot be read");
        *same = n == m && memcmp(one, two, (size_t)n) == 0;
        if (n < COMPARED_AT_ONCE)
            break;
    }
    return 0;
}

static int same_target(const struct planned *a, const struct planned *b, const char *path,
                       bool *same) {
    struct tree_parent one = TREE_PARENT_INIT(a->x.ends.source_root),
                       two = TREE_PARENT_INIT(b->x.ends.source_root);
    char x[PATH_REL_MAX + 1], y[PATH_REL_MAX + 1];
    const char *leaf;
    int dir = tree_parent_of(&one, path, &leaf);
    ssize_t n = dir < 0 ? -1 : readlinkat(dir, leaf, x, sizeof x);
    dir = tree_parent_of(&two, path, &leaf);
    ssize_t m = dir < 0 ? -1 : readlinkat(dir, leaf, y, sizeof y);
    *same = n >= 0 && n == m && memcmp(x, y, (size_t)n) == 0;
    tree_parent_close(&one);
    tree_parent_close(&two);
    return 0;
}

// Two of one type and size.
static int compare_files(const struct planned *a, const struct planned *b,
                         const struct tree_entry *t, bool *same, struct err *e) {
    if (t->type == TREE_LINK)
        return same_target(a, b, t->path, same);
    AUTO_CLOSE int one = open_source(a, t->path, e);
    AUTO_CLOSE int two = one < 0 ? -1 : open_source(b, t->path, e);
    if (two < 0)
        return e->code;
    char shown[300];
    return same_content(one, two, same, e) < 0
               ? err_wrap(e, "%s", escape_into(shown, sizeof shown, t->path, strlen(t->path)))
               : 0;
}

static int on_file(void *arg, const struct tree_entry *t, struct err *e) {
    struct collisions *x = arg;
    struct fact f = {.is = {(uint8_t)t->type}};
    char shown[PATH_REL_MAX + 1];
    int rc = 0;
    if (t->type == TREE_OTHER)
        return 0;
    uint64_t size = t->type == TREE_FILE ? t->size : 0;
    memcpy(f.is + HALF - sizeof size, &size, sizeof size);
    key_of("file", t->path, strlen(t->path), &f);
    for (size_t i = 0; rc == 0 && i < x->now; i++) {
        const struct fact *other = find(&x->plans[i], &f);
        bool same = other != NULL && memcmp(other->is, f.is, HALF) == 0;
        if (other == NULL || (same && t->type == TREE_DIR)) // directories are shared
            continue;
        if (same)
            rc = compare_files(&x->plans[i], &x->plans[x->now], t, &same, e);
        if (rc == 0)
            tell(x, "file", escape_into(shown, sizeof shown, t->path, strlen(t->path)), same,
                 &x->plans[i]);
    }
    keep(&x->plans[x->now], &f);
    return rc;
}

// --- the command

// Each plan has a network configuration of its own, unless one serves all.
static int open_plan(struct collisions *x, size_t i, struct command_context *context,
                     struct options *options, struct err *e) {
    struct planned *p = &x->plans[i];
    *options = *x->c->options;
    *context = *x->c;
    context->options = options;
    if (i < options->plan_configs.n)
        options->config = options->plan_configs.items[i];
    const char *path = options->words[i];
    char *shown = arena_alloc(x->c->arena, 4 * strlen(path) + 1);
    p->name = escape_into(shown, 4 * strlen(path) + 1, path, strlen(path));
    execution_init(&p->x, context);
    int rc = execution_load(&p->x, path, e);
    if (rc == 0)
        rc = ends_configure(&p->x.ends, context, NULL, e);
    if (rc == 0)
        rc = execution_open_source(&p->x, e);
    if (rc == 0)
        execution_fill_run(&p->x);
    return rc == 0 ? 0 : err_wrap(e, "%s", p->name);
}

static int read_plan(struct collisions *x, size_t i, struct err *e) {
    struct planned *p = &x->plans[i];
    const struct collect what = {.document = on_document, .file = on_file, .arg = x};
    x->now = i;
    int rc = collect(&p->x.run, &what, e);
    if (rc != 0)
        return err_wrap(e, "%s", p->name);
    if (p->n > 0)
        qsort(p->facts, p->n, sizeof *p->facts, compare_keys);
    return 0;
}

static void tell_sum(const struct collisions *x) {
    char n[2][HUMAN_TEXT];
    if (x->c->options->json)
        out_result(x->c->out,
                   "{\"type\":\"summary\",\"plans\":%zu,\"identical\":%llu,\"different\":%llu}\n",
                   x->n, (unsigned long long)x->identical, (unsigned long long)x->different);
    else if (x->identical + x->different == 0)
        out_result(x->c->out, "No collisions: nothing that two of these plans would both bring\n");
    else
        out_result(x->c->out, "%s different, %s identical in two plans\n",
                   human_count(x->different, n[0]), human_count(x->identical, n[1]));
}

static int run(struct command_context *c, struct err *e) {
    size_t n = c->options->n_words, opened = 0;
    if (c->options->plan_configs.n != 0 && c->options->plan_configs.n != n)
        return err_set(e, ERR_USAGE, "give --plan-config once for each plan, in their order");
    struct collisions x = {.c = c, .n = n, .plans = must_calloc(n, sizeof *x.plans)};
    struct command_context *contexts = must_calloc(n, sizeof *contexts);
    struct options *options = must_calloc(n, sizeof *options);
    int rc = 0;
    while (rc == 0 && opened < n) {
        rc = open_plan(&x, opened, &contexts[opened], &options[opened], e);
        opened++;
    }
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = read_plan(&x, i, e);
    if (rc == 0)
        tell_sum(&x);
    for (size_t i = 0; i < opened; i++) {
        execution_close(&x.plans[i].x);
        free(x.plans[i].facts);
    }
    free(x.plans);
    free(contexts);
    free(options);
    return rc == 0 && x.different > 0 ? ERR_CONFLICTS : rc;
}

const struct command command_collisions = {
    .name = "collisions",
    .bit = C_COLLISIONS,
    .synopsis = "PLAN PLAN... [-c FILE | --plan-config FILE --plan-config FILE...]",
    .summary = "name what two plans would both bring, identical or different",
    .min_words = 2,
    .max_words = 64,
    .run = run,
};
