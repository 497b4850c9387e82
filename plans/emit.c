// SPDX-License-Identifier: Apache-2.0
// The written plan. docs/plan-format.md says what the keys mean; this is how they are laid out:
//
//     # TOP COMMENT, A LINE EACH
//     mvimig: 1
//     name: NAME
//     pass: N
//     base: [NAME, ...]
//     scope: TEXT                            left out when there is none
//     source: {server: TEXT, database: TEXT, root: PATH, fingerprint: TEXT}      those it has
//     destination: {...}
//     fixups: []                             or a flow mapping on each line:
//       - {collection: NAME, field: NAME, pattern: TEXT, replacement: TEXT}
//     excludes: []                           or a text on each line
//     sets: {}                               or
//       NAME:  # COMMENT
//         - "ID"  # COMMENT
//     steps: []                              or
//       - {id: ID, kind: KIND, PARAMETERS, needs: [ID, PREFIX/], onConflict: POLICY,
//          expect: {files: N, documents: N, bytes: N}}  # COMMENT
//
// One step is one line, however long, so that `diff` and `grep` show whole steps. Parameters come
// in the order of plans/params.tbl.h, `except` behind them; what a step does not have is left out,
// and so are zeros in expect; onConflict always stands where the kind has it. An empty set is
// `NAME: []`. A set's name that is longer than YAML allows a key to be gets `? "NAME"` and `:` on
// two lines.
#include <inttypes.h>
#include <string.h>

#include "plans/params.h"
#include "plans/scalar.h"

#define EMIT_COMMENT_MAX 200 // of a comment behind something
#define EMIT_LINE_MAX 1000   // of a line of the top comment
#define EMIT_KEY_MAX 1000    // libyaml takes keys of up to 1,024 characters

static void emit_comment(struct buf *out, const char *comment) {
    if (comment == NULL) {
        return;
    }
    static const char mark[] = "  # ";
    size_t before = out->len;
    buf_puts(out, mark);
    scalar_put_comment(out, comment, strlen(comment), EMIT_COMMENT_MAX);
    if (out->len == before + sizeof mark - 1) {
        out->len = before;
    }
}

static void emit_top_comment(struct buf *out, const char *comment) {
    for (const char *line = comment; line != NULL;) {
        const char *end = strchrnul(line, '\n');
        size_t indent = strspn(line, " ");
        indent = indent > (size_t)(end - line) ? 0 : indent;
        buf_puts(out, "#");
        size_t before = out->len;
        buf_printf(out, " %.*s", (int)indent, line);
        size_t blank = out->len;
        scalar_put_comment(out, line, (size_t)(end - line), EMIT_LINE_MAX);
        if (out->len == blank) {
            out->len = before;
        }
        buf_puts(out, "\n");
        line = *end != 0 ? end + 1 : NULL;
    }
}

static void emit_list(struct buf *out, const char *const *items, size_t n) {
    buf_puts(out, "[");
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i > 0 ? ", " : "");
        scalar_put(out, items[i]);
    }
    buf_puts(out, "]");
}

// One pair of a flow mapping; none when it has no value.
static void emit_pair(struct buf *out, const char **separator, const char *key, const char *value) {
    if (value != NULL) {
        buf_printf(out, "%s%s: ", *separator, key);
        scalar_put(out, value);
        *separator = ", ";
    }
}

static void emit_end(struct buf *out, const char *key, const struct plan_end *end) {
    const char *separator = "";
    buf_printf(out, "%s: {", key);
    emit_pair(out, &separator, "server", end->server);
    emit_pair(out, &separator, "database", end->database);
    emit_pair(out, &separator, "root", end->root);
    emit_pair(out, &separator, "fingerprint", end->fingerprint);
    buf_puts(out, "}\n");
}

static void emit_fixups(struct buf *out, const struct plan *p) {
    buf_puts(out, p->n_fixups > 0 ? "fixups:\n" : "fixups: []\n");
    for (size_t i = 0; i < p->n_fixups; i++) {
        const struct plan_fixup *f = &p->fixups[i];
        const char *separator = "";
        buf_puts(out, "  - {");
        emit_pair(out, &separator, "collection", f->collection);
        emit_pair(out, &separator, "field", f->field);
        emit_pair(out, &separator, "pattern", f->pattern);
        emit_pair(out, &separator, "replacement", f->replacement);
        buf_puts(out, "}\n");
    }
}

static void emit_excludes(struct buf *out, const struct plan *p) {
    buf_puts(out, p->n_excludes > 0 ? "excludes:\n" : "excludes: []\n");
    for (size_t i = 0; i < p->n_excludes; i++) {
        buf_puts(out, "  - ");
        scalar_put_quoted(out, p->excludes[i]);
        buf_puts(out, "\n");
    }
}

// The key of a set's mapping pair, and the comment behind it.
static void emit_set_name(struct buf *out, const struct plan_set *s) {
    const char *none = s->n == 0 ? " []" : "";
    size_t before = out->len;
    buf_puts(out, "  ");
    scalar_put(out, s->name);
    if (out->len - before <= EMIT_KEY_MAX) {
        buf_printf(out, ":%s", none);
        emit_comment(out, s->comment);
        return;
    }
    out->len = before;
    buf_puts(out, "  ? ");
    scalar_put(out, s->name);
    emit_comment(out, s->comment);
    buf_printf(out, "\n  :%s", none);
}

static void emit_set(struct buf *out, const struct plan_set *s) {
    emit_set_name(out, s);
    buf_puts(out, "\n");
    for (size_t i = 0; i < s->n; i++) {
        buf_puts(out, "    - ");
        scalar_put_quoted(out, s->ids[i]);
        emit_comment(out, s->id_comments != NULL ? s->id_comments[i] : NULL);
        buf_puts(out, "\n");
    }
}

static void emit_expect(struct buf *out, const struct plan_expect *e) {
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {{"files", e->files}, {"documents", e->documents}, {"bytes", e->bytes}};
    const char *separator = "";
    buf_puts(out, ", expect: {");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].value > 0) {
            buf_printf(out, "%s%s: %" PRIu64, separator, counts[i].key, counts[i].value);
            separator = ", ";
        }
    }
    buf_puts(out, "}");
}

static void emit_named_list(struct buf *out, const char *key, const char *const *items, size_t n) {
    if (n > 0) {
        buf_printf(out, ", %s: ", key);
        emit_list(out, items, n);
    }
}

static void emit_step(struct buf *out, const struct plan_step *s) {
    const struct plan_kind *kind = &plan_kinds[s->kind];
    const char *separator = "";
    buf_puts(out, "  - {");
    emit_pair(out, &separator, "id", s->id);
    emit_pair(out, &separator, "kind", kind->name);
    for (size_t i = 0; i < N_PLAN_PARAMS; i++) {
        emit_pair(out, &separator, plan_params[i].key, plan_param_value(s, &plan_params[i]));
    }
    emit_named_list(out, "except", s->except, s->n_except);
    emit_named_list(out, "needs", s->needs, s->n_needs);
    if (kind->params & P_CONFLICT) {
        emit_pair(out, &separator, "onConflict", conflict_policy_names[s->on_conflict]);
    }
    if (s->expect.any) {
        emit_expect(out, &s->expect);
    }
    buf_puts(out, "}");
    emit_comment(out, s->comment);
    buf_puts(out, "\n");
}

static void emit_header(struct buf *out, const struct plan *p) {
    emit_top_comment(out, p->comment);
    buf_puts(out, "mvimig: 1\nname: ");
    scalar_put(out, p->name);
    buf_printf(out, "\npass: %d\nbase: ", p->pass);
    emit_list(out, p->base, p->n_base);
    buf_puts(out, "\n");
    if (p->scope != NULL) {
        buf_puts(out, "scope: ");
        scalar_put(out, p->scope);
        buf_puts(out, "\n");
    }
    emit_end(out, "source", &p->source);
    emit_end(out, "destination", &p->destination);
    emit_fixups(out, p);
    emit_excludes(out, p);
}

void plan_emit(const struct plan *p, struct buf *out) {
    emit_header(out, p);
    buf_puts(out, p->n_sets > 0 ? "sets:\n" : "sets: {}\n");
    for (size_t i = 0; i < p->n_sets; i++) {
        emit_set(out, &p->sets[i]);
    }
    buf_puts(out, p->n_steps > 0 ? "steps:\n" : "steps: []\n");
    for (size_t i = 0; i < p->n_steps; i++) {
        emit_step(out, &p->steps[i]);
    }
}
