// SPDX-License-Identifier: Apache-2.0
#include "schema/fixup.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "schema/bson_walk.h"
#include "schema/pattern.h"

#define FIXUP_TEXT_MAX ((size_t)1 << 20) // of one value that a rule makes

struct rule {
    char *field, *replacement;
    struct pattern *pattern;
};

struct fixups {
    struct rule *rules;
    size_t n;
};

static int fixups_add(struct fixups *f, const struct model_fixup *from, struct err *e) {
    struct pattern *p = NULL;
    int rc = pattern_compile(from->pattern, &p, e);
    if (rc == 0) {
        rc = pattern_check_replacement(p, from->replacement, e);
    }
    if (rc != 0) {
        pattern_free(p);
        return err_wrap(e, "fix-up of %s.%s", from->collection, from->field);
    }
    f->rules[f->n++] = (struct rule){must_strdup(from->field), must_strdup(from->replacement), p};
    return 0;
}

static void fixups_cleanup(struct fixups **f) {
    fixups_free(*f);
}

int fixups_compile(const struct model_fixup *rules, size_t n, const char *collection,
                   struct fixups **out, struct err *e) {
    AUTO(fixups_cleanup) struct fixups *f = must_calloc(1, sizeof *f);
    f->rules = must_calloc(n + 1, sizeof *f->rules);
    for (size_t i = 0; i < n; i++) {
        int rc = strcmp(rules[i].collection, collection) == 0 ? fixups_add(f, &rules[i], e) : 0;
        if (rc != 0) {
            return rc;
        }
    }
    *out = STEAL(f);
    return 0;
}

void fixups_free(struct fixups *f) {
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->n; i++) {
        free(f->rules[i].field);
        free(f->rules[i].replacement);
        pattern_free(f->rules[i].pattern);
    }
    free(f->rules);
    free(f);
}

bool fixups_empty(const struct fixups *f) {
    return f->n == 0;
}

// All rules for this field, one after the other. 1: *text is the new value.
static int fixup_text(const struct fixups *f, const struct bson_element *el, struct buf *text,
                      struct err *e) {
    int changed = 0;
    for (size_t i = 0; i < f->n; i++) {
        const struct rule *r = &f->rules[i];
        if (strcmp(r->field, el->name) != 0) {
            continue;
        }
        AUTO_BUF struct buf next = BUF_INIT(FIXUP_TEXT_MAX);
        const char *from = changed ? buf_str(text) : el->text;
        size_t len = changed ? text->len : el->text_len;
        int rc = pattern_replace(r->pattern, r->replacement, from, len, &next, e);
        if (rc < 0) {
            return err_wrap(e, "fix-up of %s", r->field);
        }
        if (rc > 0) {
            changed = 1;
            buf_clear(text);
            buf_put(text, buf_str(&next), next.len);
        }
    }
    return changed &&
           (text->len != el->text_len || memcmp(buf_str(text), el->text, text->len) != 0);
}

// What came before, then the element with its new value.
static int fixup_put(struct buf *out, const struct bson_walk *w, const struct bson_element *el,
                     size_t *copied, const struct buf *text, struct err *e) {
    uint8_t length[4];
    bson_put_length(length, (uint32_t)text->len + 1);
    int rc = buf_append(out, w->doc + *copied, el->value - *copied, e);
    rc = rc != 0 ? rc : buf_append(out, length, sizeof length, e);
    rc = rc != 0 ? rc : buf_append(out, buf_str(text), text->len, e);
    rc = rc != 0 ? rc : buf_append(out, "", 1, e);
    *copied = el->end;
    return rc;
}

int fixups_apply(const struct fixups *f, const uint8_t *doc, size_t len, struct buf *out,
                 struct err *e) {
    struct bson_walk w;
    struct bson_element el;
    AUTO_BUF struct buf made = BUF_INIT(out->max), text = BUF_INIT(FIXUP_TEXT_MAX);
    size_t copied = 0; // of the document into `made`; 0 while nothing changed
    int rc = bson_walk_begin(&w, doc, len, e);
    if (rc != 0) {
        return rc;
    }
    while ((rc = bson_walk_next(&w, &el, e)) > 0) {
        int changed = el.text == NULL ? 0 : fixup_text(f, &el, &text, e);
        int put = changed > 0 ? fixup_put(&made, &w, &el, &copied, &text, e) : changed;
        if (put < 0) {
            return put;
        }
    }
    if (rc < 0 || copied == 0) {
        return rc;
    }
    rc = buf_append(&made, doc + copied, len - copied, e);
    if (rc != 0) {
        return rc;
    }
    if (made.len > INT32_MAX) {
        return err_set(e, ERR_LIMIT, "the mended document is too large");
    }
    bson_put_length(made.data, (uint32_t)made.len);
    struct buf old = *out;
    *out = made;
    made = old;
    return 1;
}
