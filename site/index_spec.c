// SPDX-License-Identifier: Apache-2.0
#include "site/index_spec.h"

#include <math.h>
#include <string.h>

#include "base/must.h"

#define EPSILON 1e-9
#define OLD_VERSION 2 // of an index: lower ones are of servers before 3.4

// index_descriptor.h of the server.
static const char *const options[] = {
    "2dsphereIndexVersion",
    "bits",
    "bucketSize",
    "coarsestIndexedLevel",
    "collation",
    "hidden",
    "default_language",
    "expireAfterSeconds",
    "finestIndexedLevel",
    "max",
    "language_override",
    "min",
    "name",
    "sparse",
    "partialFilterExpression",
    "storageEngine",
    "textIndexVersion",
    "unique",
    "weights",
    "wildcardProjection",
};

// Versions of the kinds of index are the server's.
static const char *const compared[] = {
    "bits", "bucketSize", "default_language", "expireAfterSeconds", "hidden",
    "max",  "unique",     "weights",          "language_override",  "partialFilterExpression",
    "min",  "sparse",     "storageEngine",    "wildcardProjection",
};

static bool listed(const char *const *list, size_t n, const char *word) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i], word) == 0) {
            return true;
        }
    }
    return false;
}

// The document under a name; false when there is none.
static bool part(const bson_t *spec, const char *name, bson_t *out) {
    bson_iter_t it;
    uint32_t len;
    const uint8_t *data;
    if (!bson_iter_init_find(&it, spec, name) || !BSON_ITER_HOLDS_DOCUMENT(&it)) {
        return false;
    }
    bson_iter_document(&it, &len, &data);
    return bson_init_static(out, data, len);
}

bool index_spec_is_id(const bson_t *spec) {
    bson_t key;
    bson_iter_t it;
    return part(spec, "key", &key) && bson_iter_init(&it, &key) && bson_iter_next(&it) &&
           strcmp(bson_iter_key(&it), "_id") == 0 && BSON_ITER_HOLDS_NUMBER(&it) &&
           !bson_iter_next(&it);
}

static bool decimal_is_zero(const bson_iter_t *it) {
    bson_decimal128_t d;
    char text[BSON_DECIMAL128_STRING];
    if (!bson_iter_decimal128(it, &d)) {
        return false;
    }
    bson_decimal128_to_string(&d, text);
    size_t number = strcspn(text, "E");
    return text[strspn(text, "-")] != 'N' && text[strspn(text, "-")] != 'I' &&
           strspn(text, "-.0") >= number;
}

// 0: the value stays; else what old servers took it for.
static int legacy_value(const bson_iter_t *it) {
    switch (bson_iter_type(it)) {
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        return bson_iter_as_int64(it) == 0 ? 1 : 0;
    case BSON_TYPE_DOUBLE:
        return fabs(bson_iter_double(it)) >= EPSILON || isnan(bson_iter_double(it)) ? 0
               : bson_iter_double(it) >= 0                                          ? 1
                                                                                    : -1;
    case BSON_TYPE_DECIMAL128:
        return decimal_is_zero(it) ? 1 : 0;
    case BSON_TYPE_UTF8:
        return bson_iter_utf8(it, NULL)[0] == 0 ? 1 : 0;
    default:
        return 1;
    }
}

static bool convert_key(const bson_t *key, bson_t *out) {
    bson_iter_t it;
    bool changed = false;
    MUST(bson_iter_init(&it, key));
    while (bson_iter_next(&it)) {
        int value = legacy_value(&it);
        changed |= value != 0;
        MUST(value != 0 ? bson_append_int32(out, bson_iter_key(&it), -1, value)
                        : bson_append_iter(out, bson_iter_key(&it), -1, &it));
    }
    return changed;
}

bool index_spec_convert(const bson_t *spec, bson_t *out) {
    bson_iter_t it;
    bson_t key, to;
    bool changed = false;
    bson_init(out);
    if (part(spec, "key", &key)) {
        MUST(BSON_APPEND_DOCUMENT_BEGIN(out, "key", &to));
        changed = convert_key(&key, &to);
        MUST(bson_append_document_end(out, &to));
    }
    MUST(bson_iter_init(&it, spec));
    while (bson_iter_next(&it)) {
        const char *name = bson_iter_key(&it);
        if (listed(options, sizeof options / sizeof *options, name)) {
            MUST(bson_append_iter(out, name, -1, &it));
        } else if (strcmp(name, "v") == 0) {
            changed |= BSON_ITER_HOLDS_NUMBER(&it) && bson_iter_as_int64(&it) < OLD_VERSION;
        } else {
            changed |= strcmp(name, "key") != 0 && strcmp(name, "ns") != 0;
        }
    }
    return changed;
}

// --- comparing

// Of options, false and 0 say what absence says.
static bool is_off(bson_iter_t *it) {
    return (BSON_ITER_HOLDS_BOOL(it) || BSON_ITER_HOLDS_NUMBER(it)) && !bson_iter_as_bool(it);
}

static bool same_value(const bson_iter_t *a, const bson_iter_t *b) {
    bool numbers = BSON_ITER_HOLDS_NUMBER(a) && BSON_ITER_HOLDS_NUMBER(b);
    if (numbers) {
        return fabs(bson_iter_as_double(a) - bson_iter_as_double(b)) < EPSILON;
    }
    if (BSON_ITER_HOLDS_BOOL(a) || BSON_ITER_HOLDS_BOOL(b)) {
        return bson_iter_as_bool(a) == bson_iter_as_bool(b);
    }
    bson_t x = BSON_INITIALIZER, y = BSON_INITIALIZER;
    MUST(bson_append_iter(&x, "", 0, a) && bson_append_iter(&y, "", 0, b));
    bool same = bson_equal(&x, &y);
    bson_destroy(&x);
    bson_destroy(&y);
    return same;
}

static bool same_option(const bson_t *a, const bson_t *b, const char *name) {
    bson_iter_t x, y;
    bool in_a = bson_iter_init_find(&x, a, name) &&
                (strcmp(name, "expireAfterSeconds") == 0 || !is_off(&x));
    bool in_b = bson_iter_init_find(&y, b, name) &&
                (strcmp(name, "expireAfterSeconds") == 0 || !is_off(&y));
    return in_a == in_b && (!in_a || same_value(&x, &y));
}

static bool same_key(const bson_t *a, const bson_t *b) {
    bson_t x, y;
    bson_iter_t i, j;
    if (!part(a, "key", &x) || !part(b, "key", &y)) {
        return false;
    }
    MUST(bson_iter_init(&i, &x) && bson_iter_init(&j, &y));
    for (;;) {
        bool more = bson_iter_next(&i);
        if (more != bson_iter_next(&j)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (strcmp(bson_iter_key(&i), bson_iter_key(&j)) != 0 || !same_value(&i, &j)) {
            return false;
        }
    }
}

// Less the version of the rules, which the server fills in.
static bool same_collation(const bson_t *a, const bson_t *b) {
    bson_t x, y, p = BSON_INITIALIZER, q = BSON_INITIALIZER;
    bool in_a = part(a, "collation", &x), in_b = part(b, "collation", &y);
    if (in_a && in_b) {
        bson_copy_to_excluding_noinit(&x, &p, "version", NULL);
        bson_copy_to_excluding_noinit(&y, &q, "version", NULL);
    }
    bool same = in_a == in_b && bson_equal(&p, &q);
    bson_destroy(&p);
    bson_destroy(&q);
    return same;
}

static bool same_name(const bson_t *a, const bson_t *b) {
    bson_iter_t x, y;
    return bson_iter_init_find(&x, a, "name") && bson_iter_init_find(&y, b, "name") &&
           same_value(&x, &y);
}

enum index_match index_spec_match(const bson_t *wanted, const bson_t *there) {
    if (!same_key(wanted, there) || !same_collation(wanted, there)) {
        return same_name(wanted, there) ? INDEX_DIFFERS : INDEX_OTHER;
    }
    for (size_t i = 0; i < sizeof compared / sizeof *compared; i++) {
        if (!same_option(wanted, there, compared[i])) {
            return INDEX_DIFFERS;
        }
    }
    return INDEX_SAME;
}
