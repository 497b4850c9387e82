// SPDX-License-Identifier: Apache-2.0
#include "schema/bson_walk.h"

#include <string.h>

#include "base/must.h"

#define BSON_DOCUMENT_MIN 5 // length and final zero
#define BSON_STRING 0x02

static uint32_t bson_get_length(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void bson_put_length(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static int walk_fail(size_t at, const char *what, struct err *e) {
    return err_set(e, ERR_DATA, "damaged BSON at byte %zu: %s", at, what);
}

int bson_walk_begin(struct bson_walk *w, const uint8_t *doc, size_t len, struct err *e) {
    if (len < BSON_DOCUMENT_MIN) {
        return walk_fail(0, "shorter than any document", e);
    }
    if (bson_get_length(doc) != len) {
        return walk_fail(0, "the length it states is not its own", e);
    }
    if (doc[len - 1] != 0) {
        return walk_fail(len - 1, "no zero at the end", e);
    }
    *w = (struct bson_walk){.doc = doc, .len = len, .at = 4};
    return 0;
}

// The bytes between `at` and the document's final zero.
static size_t walk_left(const struct bson_walk *w, size_t at) {
    return w->len - 1 - at;
}

// Each size_ function returns how many bytes stand at `at`, 0 when that is not well formed.

static size_t size_cstring(const struct bson_walk *w, size_t at) {
    const uint8_t *end = memchr(w->doc + at, 0, walk_left(w, at));
    return end == NULL ? 0 : (size_t)(end - (w->doc + at)) + 1;
}

static size_t size_string(const struct bson_walk *w, size_t at) {
    size_t left = walk_left(w, at);
    if (left < 5) {
        return 0;
    }
    size_t n = bson_get_length(w->doc + at);
    return n >= 1 && n <= left - 4 && w->doc[at + 4 + n - 1] == 0 ? 4 + n : 0;
}

static size_t size_document(const struct bson_walk *w, size_t at) {
    size_t left = walk_left(w, at);
    if (left < BSON_DOCUMENT_MIN) {
        return 0;
    }
    size_t n = bson_get_length(w->doc + at);
    return n >= BSON_DOCUMENT_MIN && n <= left && w->doc[at + n - 1] == 0 ? n : 0;
}

static size_t size_binary(const struct bson_walk *w, size_t at) {
    size_t left = walk_left(w, at);
    if (left < 5) {
        return 0;
    }
    size_t n = bson_get_length(w->doc + at);
    return n <= left - 5 ? 5 + n : 0;
}

static size_t size_regex(const struct bson_walk *w, size_t at) {
    size_t first = size_cstring(w, at);
    size_t second = first == 0 ? 0 : size_cstring(w, at + first);
    return second == 0 ? 0 : first + second;
}

static size_t size_pointer(const struct bson_walk *w, size_t at) {
    size_t name = size_string(w, at);
    return name != 0 && walk_left(w, at + name) >= 12 ? name + 12 : 0;
}

// Code with scope: its own length, a string, a document, and nothing else.
static size_t size_scoped_code(const struct bson_walk *w, size_t at) {
    size_t left = walk_left(w, at);
    if (left < 4) {
        return 0;
    }
    size_t code = size_string(w, at + 4);
    size_t scope = code == 0 ? 0 : size_document(w, at + 4 + code);
    return scope != 0 && bson_get_length(w->doc + at) == 4 + code + scope ? 4 + code + scope : 0;
}

static size_t size_fixed(const struct bson_walk *w, size_t at, size_t n) {
    return walk_left(w, at) >= n ? n : 0;
}

// False when the type is unknown or the value not well formed.
static bool walk_value(const struct bson_walk *w, uint8_t type, size_t at, size_t *size) {
    switch (type) {
    case 0x06: // undefined
    case 0x0A: // null
    case 0x7F: // MaxKey
    case 0xFF: // MinKey
        *size = 0;
        return true;
    case 0x08: // boolean
        *size = size_fixed(w, at, 1);
        return *size != 0 && w->doc[at] <= 1;
    case 0x10: // int32
        *size = size_fixed(w, at, 4);
        break;
    case 0x01: // double
    case 0x09: // date
    case 0x11: // timestamp
    case 0x12: // int64
        *size = size_fixed(w, at, 8);
        break;
    case 0x07: // ObjectId
        *size = size_fixed(w, at, 12);
        break;
    case 0x13: // decimal128
        *size = size_fixed(w, at, 16);
        break;
    case BSON_STRING:
    case 0x0D: // code
    case 0x0E: // symbol
        *size = size_string(w, at);
        break;
    case 0x03: // document
    case 0x04: // array
        *size = size_document(w, at);
        break;
    case 0x05:
        *size = size_binary(w, at);
        break;
    case 0x0B:
        *size = size_regex(w, at);
        break;
    case 0x0C:
        *size = size_pointer(w, at);
        break;
    case 0x0F:
        *size = size_scoped_code(w, at);
        break;
    default:
        return false;
    }
    return *size != 0;
}

int bson_walk_next(struct bson_walk *w, struct bson_element *el, struct err *e) {
    if (w->at == w->len - 1) {
        return 0;
    }
    MUST(w->at < w->len - 1);
    uint8_t type = w->doc[w->at];
    if (type == 0) {
        return walk_fail(w->at, "it ends before its length", e);
    }
    size_t name = size_cstring(w, w->at + 1);
    if (name == 0) {
        return walk_fail(w->at + 1, "a field name without an end", e);
    }
    size_t value = w->at + 1 + name, size = 0;
    if (!walk_value(w, type, value, &size)) {
        err_set(e, ERR_DATA, "damaged BSON at byte %zu: a value of type 0x%02X that is unknown, ",
                value, type);
        return err_append(e, "malformed or runs over the end");
    }
    *el = (struct bson_element){.type = type,
                                .name = (const char *)w->doc + w->at + 1,
                                .start = w->at,
                                .value = value,
                                .end = value + size};
    if (type == BSON_STRING) {
        el->text = (const char *)w->doc + value + 4;
        el->text_len = size - 5;
    }
    w->at = el->end;
    return 1;
}
