// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/human.h"
#include "executor/restore.h"
#include "site/bson_frame.h"

#define FIELDS_MAX 8    // told; the rest is counted
#define VALUE_MAX 60    // characters of a value
#define JSON_FROM 4096u // bytes: longer values are told by their size

static bool is_secret(const char *name) {
    static const char *const words[] = {"pass", "pwd",  "secret", "token",
                                        "hash", "salt", "key",    "credential"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasestr(name, words[i])) {
            return true;
        }
    }
    return false;
}

// The value as JSON, cut; "none" for NULL. The element alone is made a document with an empty name.
static void put_value(struct buf *out, const struct doc_element *el) {
    char size[HUMAN_TEXT], shown[VALUE_MAX];
    if (!el) {
        buf_puts(out, "none");
        return;
    }
    if (is_secret(el->name) || el->value_len > JSON_FROM) {
        buf_printf(out, "(%s)", human_bytes(el->value_len, size));
        return;
    }
    uint8_t doc[JSON_FROM + 16];
    uint32_t len = (uint32_t)(4 + 2 + el->value_len + 1);
    bson_t one;
    uint32_t le = BSON_UINT32_TO_LE(len);
    memcpy(doc, &le, 4);
    doc[4] = el->type;
    doc[5] = 0;
    memcpy(doc + 6, el->value, el->value_len);
    doc[len - 1] = 0;
    size_t n = 0;
    char *json = bson_init_static(&one, doc, len) ? bson_as_relaxed_extended_json(&one, &n) : NULL;
    static const char head[] = "{ \"\" : ", tail[] = " }";
    size_t around = sizeof head - 1 + sizeof tail - 1;
    if (json && n > around && strncmp(json, head, sizeof head - 1) == 0) {
        buf_puts(out, escape_into(shown, sizeof shown, json + sizeof head - 1, n - around));
    } else {
        buf_printf(out, "(%s)", human_bytes(el->value_len, size));
    }
    bson_free(json);
}

static bool same_value(const struct doc_element *a, const struct doc_element *b) {
    return a->type == b->type && a->value_len == b->value_len &&
           memcmp(a->value, b->value, a->value_len) == 0;
}

struct telling {
    struct buf *out;
    size_t n;
};

static void tell(struct telling *t, const struct doc_element *ours,
                 const struct doc_element *theirs) {
    char name[80];
    const char *raw = ours ? ours->name : theirs->name;
    if (t->n++ >= FIELDS_MAX) {
        return;
    }
    buf_printf(t->out, "%s%s: source ", t->n > 1 ? "; " : "",
               escape_into(name, sizeof name, raw, strlen(raw)));
    put_value(t->out, ours);
    buf_puts(t->out, ", destination ");
    put_value(t->out, theirs);
}

char *restore_differences(const uint8_t *ours, size_t len, const uint8_t *there, size_t there_len) {
    AUTO_BUF struct buf out = BUF_INIT(16u * 1024);
    struct telling t = {.out = &out};
    struct doc_iter it;
    struct doc_element el, other;
    doc_iter_init(&it, ours, len);
    while (doc_next(&it, &el) > 0) {
        bool found = doc_find(there, there_len, el.name, &other) == 1;
        if (!found || !same_value(&el, &other)) {
            tell(&t, &el, found ? &other : NULL);
        }
    }
    doc_iter_init(&it, there, there_len);
    while (doc_next(&it, &el) > 0) {
        if (doc_find(ours, len, el.name, &other) != 1) {
            tell(&t, NULL, &el);
        }
    }
    if (t.n > FIELDS_MAX) {
        buf_printf(&out, "; and %zu more", t.n - FIELDS_MAX);
    }
    return must_strdup(t.n ? buf_str(&out) : "the same fields in another order");
}
