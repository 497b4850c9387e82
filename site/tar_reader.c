// SPDX-License-Identifier: Apache-2.0
#include "site/tar_reader.h"

#include <stdlib.h>
#include <string.h>

#include "site/tar_header.h"

enum state {
    AT_HEADER,  // a header, or the first block of zeros
    AT_MEMBER,  // the header that an extended one belongs to
    AT_END,     // the second block of zeros
    AT_NOTHING, // the archive is over
    IN_PAX,     // body of an extended header
    IN_MAP,     // map of a sparse file
    IN_DATA,
    IN_PADDING, // up to the next block
};

struct extent {
    uint64_t offset, len;
};

struct tar_reader {
    struct tar_sink sink;
    enum state state, after; // `after`: behind the padding
    uint8_t block[TAR_BLOCK];
    size_t fill;    // bytes of `block`
    uint64_t left;  // of the body
    size_t padding; // of the body
    struct tar_pax pax;
    struct tar_header header;
    // The content of the member: `n` extents, the one at `i` filled up to `at`.
    struct extent *extents;
    size_t n, cap, i;
    uint64_t at;
    size_t map_values; // numbers of the map still to come, the count included
    bool map_counted;
    uint64_t map_number; // the one that is being read
    size_t map_digits;
    size_t map_len;
};

struct tar_reader *tar_reader_new(const struct tar_sink *sink) {
    struct tar_reader *r = must_calloc(1, sizeof *r);
    r->sink = *sink;
    r->pax.body = (struct buf)BUF_INIT(TAR_PAX_MAX);
    r->pax.names = (struct buf)BUF_INIT(2 * TAR_PAX_MAX);
    return r;
}

void tar_reader_free(struct tar_reader *r) {
    if (r != NULL) {
        tar_pax_free(&r->pax);
        free(r->extents);
        free(r);
    }
}

static bool all_zero(const uint8_t *data, size_t len) {
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

static void to_padding(struct tar_reader *r, enum state after) {
    r->after = after;
    r->state = r->padding > 0 ? IN_PADDING : after;
}

static void set_body(struct tar_reader *r, uint64_t size) {
    r->left = size;
    r->padding = (size_t)(-size % TAR_BLOCK);
}

static int end_member(struct tar_reader *r, struct err *e) {
    int rc = r->sink.end(r->sink.arg, e);
    tar_pax_clear(&r->pax);
    to_padding(r, AT_HEADER);
    return rc;
}

// --- sparse maps: "COUNT\n" and COUNT times "OFFSET\nLENGTH\n", padded to a block

static int bad_map(struct err *e) {
    return err_set(e, ERR_DATA, "tar stream: a sparse file whose map is wrong");
}

static bool map_add(struct tar_reader *r, uint64_t v) {
    if (!r->map_counted) {
        r->map_counted = true;
        r->map_values = v > TAR_EXTENTS_MAX ? 0 : (size_t)v * 2;
        return v > 0 && v <= TAR_EXTENTS_MAX;
    }
    if (r->map_values % 2 == 0) {
        if (r->n == r->cap) {
            r->cap = 2 * r->cap + 16;
            r->extents = must_realloc(r->extents, r->cap, sizeof *r->extents);
        }
        uint64_t before = r->n == 0 ? 0 : r->extents[r->n - 1].offset + r->extents[r->n - 1].len;
        r->extents[r->n++] = (struct extent){.offset = v};
        r->map_values--;
        return v >= before && v <= r->header.m.size;
    }
    struct extent *x = &r->extents[r->n - 1];
    x->len = v;
    r->map_values--;
    return v <= r->header.m.size - x->offset;
}

static bool map_done(const struct tar_reader *r) {
    return r->map_counted && r->map_values == 0;
}

static bool map_byte(struct tar_reader *r, uint8_t c) {
    if (map_done(r)) {
        return c == 0;
    }
    if (c == '\n' && r->map_digits > 0) {
        uint64_t v = r->map_number;
        r->map_number = r->map_digits = 0;
        return map_add(r, v);
    }
    r->map_number = r->map_number * 10 + (uint64_t)(c - '0');
    return c >= '0' && c <= '9' && ++r->map_digits <= 18;
}

static int map_block(struct tar_reader *r, struct err *e) {
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        if (!map_byte(r, r->block[i])) {
            return bad_map(e);
        }
    }
    r->left -= TAR_BLOCK;
    if (!map_done(r)) {
        return r->left < TAR_BLOCK ? bad_map(e) : 0;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < r->n; i++) {
        sum += r->extents[i].len; // each is below the file's size, and there are few
    }
    if (sum != r->left) {
        return bad_map(e);
    }
    r->state = IN_DATA;
    return r->left == 0 ? end_member(r, e) : 0;
}

// --- headers

static int begin_pax(struct tar_reader *r, struct err *e) {
    if (r->state == AT_MEMBER || r->header.size == 0 || r->header.size > TAR_PAX_MAX) {
        return err_set(e, ERR_DATA, "tar stream: an extended header where none may be");
    }
    set_body(r, r->header.size);
    r->state = IN_PAX;
    return 0;
}

static int begin_member(struct tar_reader *r, struct err *e) {
    int sparse = tar_pax_apply(&r->pax, &r->header, e);
    if (sparse < 0) {
        return sparse;
    }
    set_body(r, r->header.size);
    r->i = r->n = 0;
    r->at = 0;
    r->map_counted = false;
    r->map_values = r->map_digits = 0;
    r->map_number = 0;
    if (sparse == TAR_PAX_SPARSE && r->left < TAR_BLOCK) {
        return bad_map(e);
    }
    int rc = r->sink.member(r->sink.arg, &r->header.m, e);
    r->state = sparse == TAR_PAX_SPARSE ? IN_MAP : IN_DATA;
    return rc == 0 && r->left == 0 ? end_member(r, e) : rc;
}

static int take_block(struct tar_reader *r, struct err *e) {
    if (r->state == IN_MAP) {
        return map_block(r, e);
    }
    if (r->state == AT_HEADER && all_zero(r->block, TAR_BLOCK)) {
        r->state = AT_END;
        return 0;
    }
    if (r->state == AT_END) {
        r->state = AT_NOTHING;
        return all_zero(r->block, TAR_BLOCK)
                   ? 0
                   : err_set(e, ERR_DATA, "tar stream: an end that is none");
    }
    int rc = tar_header_read(r->block, &r->header, e);
    if (rc < 0) {
        return rc;
    }
    return r->header.flag == 'x' ? begin_pax(r, e) : begin_member(r, e);
}

// --- bodies

static int take_pax(struct tar_reader *r, const uint8_t *data, size_t len, struct err *e) {
    int rc = buf_append(&r->pax.body, data, len, e);
    r->left -= len;
    if (rc < 0 || r->left > 0) {
        return rc;
    }
    to_padding(r, AT_MEMBER);
    return tar_pax_read(&r->pax, e);
}

// A sparse file's content comes extent by extent; any other is one extent.
static int take_data(struct tar_reader *r, const uint8_t *data, size_t len, struct err *e) {
    int rc = 0;
    r->left -= len;
    while (rc == 0 && len > 0) {
        size_t part = len;
        uint64_t offset = r->at;
        if (r->n > 0) {
            struct extent *x = &r->extents[r->i];
            if (r->at == x->len) {
                r->i++;
                r->at = 0;
                continue;
            }
            part = x->len - r->at < len ? (size_t)(x->len - r->at) : len;
            offset += x->offset;
        }
        rc = r->sink.data(r->sink.arg, offset, data, part, e);
        r->at += part;
        data += part;
        len -= part;
    }
    return rc == 0 && r->left == 0 ? end_member(r, e) : rc;
}

static int take_padding(struct tar_reader *r, const uint8_t *data, size_t len, struct err *e) {
    if (!all_zero(data, len)) {
        return err_set(e, ERR_DATA, "tar stream: padding that is not empty");
    }
    r->padding -= len;
    r->state = r->padding > 0 ? IN_PADDING : r->after;
    return 0;
}

static size_t at_most(uint64_t a, size_t b) {
    return a < b ? (size_t)a : b;
}

int tar_reader_feed(struct tar_reader *r, const uint8_t *data, size_t len, struct err *e) {
    int rc = 0;
    while (rc == 0 && len > 0) {
        size_t part = 0;
        switch (r->state) {
        case AT_NOTHING:
            return err_set(e, ERR_DATA, "tar stream: something behind its end");
        case IN_PAX:
            part = at_most(r->left, len);
            rc = take_pax(r, data, part, e);
            break;
        case IN_DATA:
            part = at_most(r->left, len);
            rc = take_data(r, data, part, e);
            break;
        case IN_PADDING:
            part = at_most(r->padding, len);
            rc = take_padding(r, data, part, e);
            break;
        default:
            part = at_most(TAR_BLOCK - r->fill, len);
            memcpy(r->block + r->fill, data, part);
            r->fill += part;
            if (r->fill == TAR_BLOCK) {
                r->fill = 0;
                rc = take_block(r, e);
            }
        }
        data += part;
        len -= part;
    }
    return rc;
}

int tar_reader_finish(struct tar_reader *r, struct err *e) {
    if (r->state != AT_NOTHING) {
        return err_set(e, ERR_DATA, "tar stream: cut off");
    }
    r->state = AT_HEADER;
    return 0;
}
