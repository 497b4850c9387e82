// SPDX-License-Identifier: Apache-2.0
#include "commands/show_explain.h"

#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/human.h"
#include "base/ytree.h"
#include "commands/ends.h"
#include "commands/migration_dir.h"
#include "state/report.h"

#define OBJECTS_MAX 20 // told by name; the rest is counted
#define STEPS_MAX 10

static void head(struct buf *b, const char *label) {
    buf_printf(b, "%-10s ", label);
}

static const struct plan_step *find(const struct plan *p, const char *id) {
    for (size_t i = 0; i < p->n_steps; i++)
        if (strcmp(p->steps[i].id, id) == 0)
            return &p->steps[i];
    return NULL;
}

static int no_such_step(const struct plan *p, const char *id, struct err *e) {
    const char **ids = must_calloc(p->n_steps + 1, sizeof *ids);
    for (size_t i = 0; i < p->n_steps; i++)
        ids[i] = p->steps[i].id;
    const char *near = ytree_nearest(id, ids, p->n_steps);
    int rc = near != NULL
                 ? err_set(e, ERR_USAGE, "the plan has no step %s; did you mean %s?", id, near)
                 : err_set(e, ERR_USAGE,
                           "the plan has no step %s; `mvimig show PLAN --graph` lists them", id);
    free(ids);
    return rc;
}

// A restore moves what its dump has read.
static const struct plan_step *selecting(const struct plan *p, const struct plan_step *s) {
    const struct plan_step *dump = s->kind == KIND_RESTORE ? find(p, s->from) : NULL;
    return dump != NULL ? dump : s;
}

// Steps of these names move what no line of a set names; the compiler gives the names.
static const struct reason {
    const char *prefix, *why;
} reasons[] = {
    {"files/undocumented/",
     "no document names these; they lie in a directory that the scope takes"},
    {"files/paths/", "documents that move name these by their path"},
    {"files/rest/", "the scope takes the whole directory; other steps have the rest of it"},
    {"files/whole/", "the scope takes these directories whole; no document names what is in them"},
    {"files/loose", "they lie at the top of the data directory, in nobody's directory"},
};

static void put_names(struct buf *b, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%s", i > 0 ? ", " : "", names[i]);
}

static void put_delete_reason(struct buf *b, const struct plan *p, const struct plan_step *s) {
    buf_puts(b, "--delete: laid here by ");
    put_names(b, p->base, p->n_base);
    buf_puts(b, ", as it was laid, and gone at the source\n");
    if (s->max != NULL) {
        head(b, "at most");
        buf_printf(b, "%s deletions of all steps together, else none\n", s->max);
    }
}

static void put_why(struct buf *b, const struct plan *p, const struct plan_step *s) {
    const char *why =
        s->orphans_of != NULL   ? "all of the collection, less objects whose line was taken out"
        : s->kind == KIND_INDEX ? "--create-indexes: the source has it and the destination lacks it"
        : s->kind == KIND_RESTORE ? "what its dump has read belongs to the scope"
        : s->n_sets > 0           ? "the scope selects the objects below"
                                  : "the scope takes all of it";
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strncmp(s->id, reasons[i].prefix, strlen(reasons[i].prefix)) == 0)
            why = reasons[i].why;
    head(b, "because");
    if (s->kind == KIND_DELETE)
        put_delete_reason(b, p, s);
    else
        buf_printf(b, "%s\n", why);
}

static void put_reads(struct buf *b, const struct plan *p, const struct plan_step *s) {
    head(b, "reads");
    if (s->kind == KIND_RESTORE)
        buf_printf(b, "the file that %s writes\n", s->from);
    else if (s->kind == KIND_INDEX)
        buf_puts(b, "nothing at the source; its index stands in the plan\n");
    else if (s->kind == KIND_DELETE)
        buf_puts(b, "what the migrations that the plan names as base have laid there\n");
    else if (s->backup != NULL)
        buf_printf(b, "a file of the work directory, made of a %s by mvimig restore\n",
                   p->source.server);
    else if (s->kind == KIND_DUMP)
        buf_printf(b, "collection %s of database %s at %s\n", s->collection, p->source.database,
                   p->source.server);
    else
        buf_printf(b, "%s%s%s at the source\n", p->source.root, s->under != NULL ? "/" : "",
                   s->under != NULL ? s->under : "");
}

static void put_writes(struct buf *b, const struct plan *p, const struct plan_step *s) {
    const char *collection = selecting(p, s)->collection;
    head(b, s->kind == KIND_DELETE ? "deletes" : "writes");
    if (s->kind == KIND_DUMP)
        buf_puts(b, "a file of the work directory; nothing at the destination\n");
    else if (s->kind == KIND_INDEX)
        buf_printf(b, "index %s\n%-11sof collection %s of database %s at %s\n", s->index, "",
                   collection, p->destination.database, p->destination.server);
    else if (collection != NULL)
        buf_printf(b, "in collection %s of database %s at %s\n", collection,
                   p->destination.database, p->destination.server);
    else
        buf_printf(b, "%s%s%s at the destination\n", p->destination.root,
                   s->under != NULL ? "/" : "", s->under != NULL ? s->under : "");
    if ((plan_kinds[s->kind].params & P_CONFLICT) != 0) {
        static const char *const then[] = {[CONFLICT_KEEP] = "what is there stays",
                                           [CONFLICT_REPLACE] = "what is there is replaced",
                                           [CONFLICT_FAIL] = "the step fails"};
        head(b, "conflict");
        buf_printf(b, "%s (onConflict: %s)\n", then[s->on_conflict],
                   conflict_policy_names[s->on_conflict]);
    }
}

static void put_selection(struct buf *b, const struct plan_step *s) {
    if (s->from_id != NULL || s->to_id != NULL) {
        head(b, "range");
        buf_printf(b, "_id from %s to %s\n", s->from_id != NULL ? s->from_id : "the first",
                   s->to_id != NULL ? s->to_id : "the last");
    }
    size_t told = 0, n = 0;
    for (size_t i = 0; i < s->n_sets; i++)
        n += s->sets[i]->n;
    if (n == 0)
        return;
    head(b, "objects");
    buf_printf(b, "%zu, of %s by %s\n", n, s->set, s->by != NULL ? s->by : "ID");
    for (size_t i = 0; i < s->n_sets; i++)
        for (size_t k = 0; k < s->sets[i]->n && told < OBJECTS_MAX; k++, told++) {
            const char *comment =
                s->sets[i]->id_comments != NULL ? s->sets[i]->id_comments[k] : NULL;
            buf_printf(b, "%-11s%s%s%s\n", "", s->sets[i]->ids[k], comment != NULL ? "  # " : "",
                       comment != NULL ? comment : "");
        }
    if (n > told)
        buf_printf(b, "%-11sand %zu more\n", "", n - told);
}

static void put_expect(struct buf *b, const struct plan_expect *x) {
    char n[3][HUMAN_TEXT];
    if (!x->any)
        return;
    head(b, "expected");
    if (x->files > 0)
        buf_printf(b, "%s files, ", human_count(x->files, n[0]));
    if (x->documents > 0)
        buf_printf(b, "%s documents, ", human_count(x->documents, n[1]));
    buf_printf(b, "%s, as the scan saw it\n", human_bytes(x->bytes, n[2]));
}

static bool is_group(const char *need) {
    size_t len = strlen(need);
    return len > 0 && need[len - 1] == '/';
}

static bool waits_for(const struct plan_step *s, const char *id) {
    for (size_t i = 0; i < s->n_needs; i++) {
        const char *need = s->needs[i];
        if (is_group(need) ? strncmp(id, need, strlen(need)) == 0 : strcmp(id, need) == 0)
            return true;
    }
    return s->from != NULL && strcmp(s->from, id) == 0;
}

static void put_order(struct buf *b, const struct plan *p, const struct plan_step *s) {
    head(b, "waits for");
    const char *gap = "";
    if (s->from != NULL)
        buf_printf(b, "%s", s->from), gap = ", ";
    for (size_t i = 0; i < s->n_needs; i++, gap = ", ")
        buf_printf(b, "%s%s%s", gap, s->needs[i], is_group(s->needs[i]) ? " (all of them)" : "");
    buf_puts(b, *gap == 0 ? "nothing\n" : "\n");
    size_t n = 0;
    for (size_t i = 0; i < p->n_steps; i++)
        n += waits_for(&p->steps[i], s->id);
    head(b, "waited for");
    buf_printf(b, "by %zu step%s", n, n == 1 ? "" : "s");
    size_t told = 0;
    for (size_t i = 0; i < p->n_steps && told < STEPS_MAX; i++)
        if (waits_for(&p->steps[i], s->id))
            buf_printf(b, "%s %s", told++ == 0 ? ":" : ",", p->steps[i].id);
    buf_puts(b, n > told ? ", ...\n" : "\n");
}

// The work directory by --work-dir or configuration, else where the plan says that the source is.
static int open_work_dir(struct command_context *c, const struct plan *p, struct err *e) {
    AUTO_ENDS struct ends ends = ENDS_INIT;
    const char *dir = arena_printf(c->arena, "%s/logs/migrations/%s",
                                   p->source.root != NULL ? p->source.root : "", p->name);
    int fd = -1;
    int rc = c->options->config != NULL ? ends_configure(&ends, c, NULL, e) : 0;
    if (rc == 0 && (c->options->config != NULL || c->options->work_dir != NULL))
        rc = migration_dir_path(c, &ends, p->name, &dir, e);
    if (rc == 0)
        rc = migration_dir_open(dir, false, &fd, e);
    return rc == 0 ? fd : -1;
}

// By the step's hash: another pass, or the step before it was edited, has another one.
static void put_history(struct buf *b, struct command_context *c, const struct plan *p,
                        const struct plan_step *s) {
    struct report_step h;
    struct err ignored = {0};
    AUTO_CLOSE int fd = open_work_dir(c, p, &ignored);
    head(b, "journal");
    if (fd < 0 || report_step(fd, s->hash_text, c->arena, &h, &ignored) != 0) {
        buf_puts(b, "none here: not begun, or elsewhere (name it with -c or --work-dir)\n");
        return;
    }
    if (h.attempts == 0) {
        buf_puts(b, "not begun\n");
        return;
    }
    buf_printf(b, "%s after %lld attempt%s%s%s\n", h.state, (long long)h.attempts,
               h.attempts == 1 ? "" : "s", h.ended[0] != 0 ? ", " : "", h.ended);
    if (h.error[0] != 0) {
        head(b, "last error");
        buf_printf(b, "%s\n", h.error);
    }
}

int show_explain(struct command_context *c, const struct plan *p, const char *id, struct err *e) {
    const struct plan_step *s = find(p, id);
    if (s == NULL)
        return no_such_step(p, id, e);
    AUTO_BUF struct buf b = BUF_INIT(4 << 20);
    buf_printf(&b, "%s (%s)\n", s->id, plan_kinds[s->kind].name);
    head(&b, "asked for");
    buf_printf(&b, "by the scope %s\n", p->scope != NULL ? p->scope : "of the plan");
    put_why(&b, p, s);
    put_reads(&b, p, s);
    put_selection(&b, selecting(p, s));
    put_writes(&b, p, s);
    put_expect(&b, &s->expect);
    put_order(&b, p, s);
    head(&b, "hash");
    buf_printf(&b, "%s\n", s->hash_text);
    put_history(&b, c, p, s);
    out_result_text(c->out, buf_str(&b));
    return 0;
}
