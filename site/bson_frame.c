// SPDX-License-Identifier: Apache-2.0
#include "site/bson_frame.h"

#include <string.h>

static uint32_t le32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t doc_length(const uint8_t *data) {
    uint32_t n = le32(data);
    return n < DOC_MIN || n > DOC_MAX ? 0 : n;
}

bool doc_framed(const uint8_t *data, size_t len) {
    return len >= DOC_MIN && doc_length(data) == len && data[len - 1] == 0;
}

void doc_iter_init(struct doc_iter *it, const uint8_t *doc, size_t len) {
    it->at = doc + 4;
    it->end = doc + len - 1;
}

// The types of the specification, deprecated ones included.
enum value_shape {
    SHAPE_NONE, // no such type
    SHAPE_FIXED,
    SHAPE_STRING,  // int32 length with its final zero, bytes
    SHAPE_NESTED,  // a document or array
    SHAPE_BINARY,  // int32 length, subtype, bytes
    SHAPE_REGEX,   // two C strings
    SHAPE_POINTER, // string, 12 bytes
    SHAPE_SCOPED,  // int32 length of all, string, document
};
struct value_type {
    uint8_t shape, size;
};
#define TYPE(shape_, size_)                                                                        \
    { SHAPE_##shape_, size_ }
static const struct value_type types[256] = {
    [0x01] = TYPE(FIXED, 8),  [0x02] = TYPE(STRING, 0), [0x03] = TYPE(NESTED, 0),
    [0x04] = TYPE(NESTED, 0), [0x05] = TYPE(BINARY, 0), [0x06] = TYPE(FIXED, 0),
    [0x07] = TYPE(FIXED, 12), [0x08] = TYPE(FIXED, 1),  [0x09] = TYPE(FIXED, 8),
    [0x0a] = TYPE(FIXED, 0),  [0x0b] = TYPE(REGEX, 0),  [0x0c] = TYPE(POINTER, 0),
    [0x0d] = TYPE(STRING, 0), [0x0e] = TYPE(STRING, 0), [0x0f] = TYPE(SCOPED, 0),
    [0x10] = TYPE(FIXED, 4),  [0x11] = TYPE(FIXED, 8),  [0x12] = TYPE(FIXED, 8),
    [0x13] = TYPE(FIXED, 16), [0x7f] = TYPE(FIXED, 0),  [0xff] = TYPE(FIXED, 0),
};

// Length of a string value with its prefix, or -1.
static int64_t string_size(const uint8_t *p, size_t room) {
    if (room < 5) {
        return -1;
    }
    uint32_t n = le32(p);
    if (n < 1 || n > room - 4 || p[4 + n - 1] != 0) {
        return -1;
    }
    return 4 + (int64_t)n;
}

static int64_t regex_size(const uint8_t *p, size_t room) {
    const uint8_t *first = memchr(p, 0, room);
    if (!first) {
        return -1;
    }
    size_t used = (size_t)(first - p) + 1;
    const uint8_t *second = memchr(p + used, 0, room - used);
    return second ? (int64_t)(second - p) + 1 : -1;
}

static int64_t scoped_size(const uint8_t *p, size_t room) {
    if (room < 4 + 5 + DOC_MIN) {
        return -1;
    }
    uint32_t all = le32(p);
    if (all > room || all < 4 + 5 + DOC_MIN) {
        return -1;
    }
    int64_t code = string_size(p + 4, all - 4);
    if (code < 0 || (uint64_t)code + 4 + DOC_MIN > all) {
        return -1;
    }
    return doc_framed(p + 4 + code, all - 4 - (size_t)code) ? (int64_t)all : -1;
}

static int64_t nested_size(const uint8_t *p, size_t room) {
    uint32_t n = room < DOC_MIN ? 0 : doc_length(p);
    return n && n <= room && p[n - 1] == 0 ? (int64_t)n : -1;
}

static int64_t binary_size(const uint8_t *p, size_t room) {
    uint32_t n = room < 5 ? UINT32_MAX : le32(p);
    return n > DOC_MAX || n > room - 5 ? -1 : 5 + (int64_t)n;
}

// Bytes of the value at p, or -1 when it does not fit into `room` or is of no known type.
static int64_t value_size(uint8_t type, const uint8_t *p, size_t room) {
    int64_t n;
    switch ((enum value_shape)types[type].shape) {
    case SHAPE_FIXED:
        return types[type].size <= room ? types[type].size : -1;
    case SHAPE_STRING:
        return string_size(p, room);
    case SHAPE_NESTED:
        return nested_size(p, room);
    case SHAPE_BINARY:
        return binary_size(p, room);
    case SHAPE_REGEX:
        return regex_size(p, room);
    case SHAPE_POINTER:
        n = string_size(p, room);
        return n < 0 || room - (size_t)n < 12 ? -1 : n + 12;
    case SHAPE_SCOPED:
        return scoped_size(p, room);
    case SHAPE_NONE:
        break;
    }
    return -1;
}

int doc_next(struct doc_iter *it, struct doc_element *el) {
    if (it->at == it->end) {
        return 0;
    }
    el->start = it->at;
    el->type = *it->at;
    el->name = (const char *)it->at + 1;
    const uint8_t *zero = memchr(it->at + 1, 0, (size_t)(it->end - it->at) - 1);
    if (!zero) {
        return -1;
    }
    el->value = zero + 1;
    int64_t n = value_size(el->type, el->value, (size_t)(it->end - el->value));
    if (n < 0) {
        return -1;
    }
    el->value_len = (size_t)n;
    it->at = el->value + n;
    return 1;
}

int doc_find(const uint8_t *doc, size_t len, const char *name, struct doc_element *el) {
    struct doc_iter it;
    doc_iter_init(&it, doc, len);
    int rc;
    while ((rc = doc_next(&it, el)) > 0) {
        if (strcmp(el->name, name) == 0) {
            return 1;
        }
    }
    return rc;
}

static bool nested_in(const struct doc_element *el, const uint8_t **doc, size_t *len) {
    if (types[el->type].shape == SHAPE_NESTED) {
        *doc = el->value;
        *len = el->value_len;
        return true;
    }
    if (types[el->type].shape == SHAPE_SCOPED) {
        size_t skip = 4 + 4 + (size_t)le32(el->value + 4);
        *doc = el->value + skip;
        *len = el->value_len - skip;
        return true;
    }
    return false;
}

const char *doc_check(const uint8_t *doc, size_t len, size_t *offset) {
    struct doc_iter stack[DOC_DEPTH_MAX];
    int depth = 0;
    *offset = 0;
    if (!doc_framed(doc, len)) {
        return "length and end do not fit";
    }
    doc_iter_init(&stack[0], doc, len);
    while (depth >= 0) {
        struct doc_element el;
        *offset = (size_t)(stack[depth].at - doc);
        int rc = doc_next(&stack[depth], &el);
        if (rc < 0) {
            return "an element of unknown type or false length";
        }
        if (rc == 0) {
            depth--;
            continue;
        }
        if (el.type == 0x08 && *el.value > 1) {
            return "a boolean that is neither true nor false";
        }
        const uint8_t *inner;
        size_t inner_len;
        if (nested_in(&el, &inner, &inner_len)) {
            if (++depth == DOC_DEPTH_MAX) {
                return "nested too deep";
            }
            doc_iter_init(&stack[depth], inner, inner_len);
        }
    }
    return NULL;
}
