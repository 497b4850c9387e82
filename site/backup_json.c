// SPDX-License-Identifier: Apache-2.0
// An array of JSON documents, as the migration scripts that came before wrote one for each
// collection. Objects are cut out by their braces and read by libbson, which knows extended JSON.
#include <bson/bson.h>
#include <string.h>

#include "site/backup_private.h"
#include "site/bson_frame.h"

#define OBJECT_MAX (64u << 20) // of text; a document of 16 MiB in base64 and escapes is less

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The next byte that is no space, not taken; 0: the end.
static int peek(struct backup_in *in, uint8_t *c, struct err *e) {
    for (;;) {
        int rc = backup_in_fill(in, 1, e);
        if (rc <= 0) {
            return rc;
        }
        *c = in->data[in->start];
        if (!is_space(*c)) {
            return 1;
        }
        backup_in_take(in, 1);
    }
}

static int expect(struct backup_in *in, const char *what, uint8_t *c, struct err *e) {
    int rc = peek(in, c, e);
    return rc == 0                  ? backup_in_damaged(in, "the JSON text is cut short", e)
           : rc < 0                 ? rc
           : strchr(what, *c) && *c ? 1
                                    : backup_in_damaged(in, "it is no array of JSON documents", e);
}

// The length of the object that begins here: up to its closing brace.
static int object_length(struct backup_in *in, size_t *out, struct err *e) {
    size_t depth = 0;
    bool text = false;
    for (size_t n = 0; n < OBJECT_MAX; n++) {
        int rc = backup_in_fill(in, n + 1, e);
        if (rc <= 0) {
            return rc ? rc : backup_in_damaged(in, "the last document is cut short", e);
        }
        uint8_t c = in->data[in->start + n];
        if (text) {
            n += c == '\\';
            text = c != '"';
        } else if (c == '"') {
            text = true;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && --depth == 0) {
            *out = n + 1;
            return 1;
        }
    }
    return backup_in_damaged(in, "a document is larger than 64 MiB of text", e);
}

static int take_object(struct backup_reading *r, struct backup_in *in, struct err *e) {
    struct backup_seen *s = &r->seen[r->n - 1];
    bson_error_t why;
    size_t len = 0;
    int rc = object_length(in, &len, e);
    if (rc < 0) {
        return rc;
    }
    bson_t *doc = bson_new_from_json(in->data + in->start, (ssize_t)len, &why);
    if (!doc) {
        return backup_in_damaged(in, why.message, e);
    }
    s->documents++;
    s->bytes += doc->len;
    if (doc->len > DOC_MAX) {
        rc = backup_in_damaged(in, "a document is larger than a server takes", e);
    } else {
        rc = s->take
                 ? r->taker->document(r->taker->arg, s->collection, bson_get_data(doc), doc->len, e)
                 : 0;
    }
    bson_destroy(doc);
    backup_in_take(in, len);
    return rc;
}

int backup_read_json(struct backup_reading *r, struct backup_in *in, struct err *e) {
    uint8_t c = 0;
    int rc = expect(in, "[", &c, e);
    if (rc < 0) {
        return rc;
    }
    backup_in_take(in, 1);
    rc = expect(in, "{]", &c, e);
    while (rc == 1 && c == '{') {
        rc = take_object(r, in, e);
        rc = rc ? rc : expect(in, ",]", &c, e);
        if (rc == 1 && c == ',') {
            backup_in_take(in, 1);
            rc = expect(in, "{", &c, e);
        }
    }
    if (rc < 0) {
        return rc;
    }
    backup_in_take(in, 1);
    rc = peek(in, &c, e);
    return rc == 1 ? backup_in_damaged(in, "something stands behind the array", e) : rc;
}
