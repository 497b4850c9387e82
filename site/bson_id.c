// SPDX-License-Identifier: Apache-2.0
#include "site/bson_id.h"

#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/must.h"
#include "plans/range.h"
#include "site/bson_frame.h"

#define HEX_PREFIX "hex:"
#define ID_TEXT_MAX (64u * 1024 * 1024) // an _id of 16 MiB in escaped JSON or in hexadecimal

int docid_find(const uint8_t *doc, size_t len, struct docid *id) {
    struct doc_element el;
    *id = (struct docid){0};
    int rc = doc_find(doc, len, "_id", &el);
    if (rc == 1) {
        *id = (struct docid){.type = el.type, .value = el.value, .len = el.value_len};
    }
    return rc;
}

bool docid_equal(const struct docid *a, const struct docid *b) {
    return a->type == b->type && a->len == b->len &&
           (a->len == 0 || memcmp(a->value, b->value, a->len) == 0);
}

static void put_le32(uint8_t out[4], size_t n) {
    for (int i = 0; i < 4; i++) {
        out[i] = (uint8_t)(n >> (8 * i));
    }
}

static void put_element(const struct docid *id, const char *key, struct buf *out) {
    buf_put(out, &id->type, 1);
    buf_put(out, key, strlen(key) + 1);
    if (id->len) {
        buf_put(out, id->value, id->len);
    }
}

// Writes the length of the document that began at `from` and ends here.
static void close_document(struct buf *out, size_t from) {
    buf_put(out, "", 1);
    put_le32(out->data + from, out->len - from);
}

bool docid_front(const uint8_t *doc, size_t len, struct buf *out) {
    struct doc_element id;
    if (doc_find(doc, len, "_id", &id) != 1 || id.start == doc + 4) {
        return false;
    }
    const uint8_t *behind = id.value + id.value_len;
    buf_put(out, doc, 4);
    buf_put(out, id.start, (size_t)(behind - id.start));
    buf_put(out, doc + 4, (size_t)(id.start - (doc + 4)));
    buf_put(out, behind, (size_t)(doc + len - behind));
    return true;
}

void docid_document(const struct docid *id, const char *key, struct buf *out) {
    size_t from = out->len;
    buf_put(out, "\0\0\0", 4);
    put_element(id, key, out);
    close_document(out, from);
}

void docid_filter(const struct docid *id, bson_t *filter) {
    AUTO_BUF struct buf raw = BUF_INIT(DOC_MAX + 64);
    docid_document(id, "$eq", &raw);
    bson_t eq;
    MUST(bson_init_static(&eq, raw.data, raw.len));
    bson_init(filter);
    MUST(BSON_APPEND_DOCUMENT(filter, "_id", &eq));
}

static bool dollar_document(const struct docid *id) {
    return id->type == BSON_TYPE_DOCUMENT && id->len > DOC_MIN + 1 && id->value[5] == '$';
}

void docid_filter_in(const struct docid *ids, size_t n, bson_t *filter) {
    AUTO_BUF struct buf raw = BUF_INIT(2u * DOC_MAX);
    size_t at = 0;
    buf_put(&raw, "\0\0\0", 4);
    for (size_t i = 0; i < n; i++) {
        if (!dollar_document(&ids[i])) {
            char key[24];
            (void)snprintf(key, sizeof key, "%zu", at++);
            put_element(&ids[i], key, &raw);
        }
    }
    close_document(&raw, 0);
    bson_t in, list;
    MUST(bson_init_static(&list, raw.data, raw.len));
    bson_init(filter);
    MUST(BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in));
    MUST(BSON_APPEND_ARRAY(&in, "$in", &list));
    MUST(bson_append_document_end(filter, &in));
}

static bool reads_back(const struct docid *id, const char *text) {
    bson_t again = BSON_INITIALIZER;
    struct err ignored = {0};
    if (docid_parse(text, &again, &ignored)) {
        return false;
    }
    struct docid found;
    bool same =
        docid_find(bson_get_data(&again), again.len, &found) == 1 && docid_equal(id, &found);
    bson_destroy(&again);
    return same;
}

// The value in libbson's `{ "_id" : VALUE }`.
static char *json_value(const struct docid *id) {
    AUTO_BUF struct buf raw = BUF_INIT(DOC_MAX + 64);
    docid_document(id, "_id", &raw);
    bson_t doc;
    size_t len;
    MUST(bson_init_static(&doc, raw.data, raw.len));
    char *json = bson_as_canonical_extended_json(&doc, &len);
    const char *head = "{ \"_id\" : ", *tail = " }";
    size_t head_len = strlen(head), tail_len = strlen(tail);
    char *value = NULL;
    if (json && len > head_len + tail_len && memcmp(json, head, head_len) == 0 &&
        strcmp(json + len - tail_len, tail) == 0) {
        value = must_strndup(json + head_len, len - head_len - tail_len);
    }
    bson_free(json);
    return value;
}

static void put_hex(const struct docid *id, struct buf *out) {
    buf_printf(out, HEX_PREFIX "%02x", id->type);
    for (size_t i = 0; i < id->len; i++) {
        buf_printf(out, "%02x", id->value[i]);
    }
}

void docid_text(const struct docid *id, struct buf *out) {
    AUTO_BUF struct buf text = BUF_INIT(ID_TEXT_MAX);
    if (id->type == BSON_TYPE_UTF8) {
        const char *string = (const char *)id->value + 4;
        if (escape_is_utf8(string, id->len - 5) && !memchr(string, 0, id->len - 5)) {
            range_put_string(&text, string, id->len - 5);
        }
    } else {
        AUTO_FREE char *json = json_value(id);
        buf_puts(&text, json ? json : "");
    }
    if (text.len && reads_back(id, buf_str(&text))) {
        buf_put(out, text.data, text.len);
    } else {
        put_hex(id, out);
    }
}

static void copy_id(const struct docid *id, bson_t *out) {
    AUTO_BUF struct buf raw = BUF_INIT(DOC_MAX + 64);
    bson_t view;
    docid_document(id, "_id", &raw);
    MUST(bson_init_static(&view, raw.data, raw.len));
    bson_copy_to(&view, out);
}

static int hex_digit(char c) {
    const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c) : NULL;
    return p ? (int)(p - digits) : -1;
}

static int parse_hex(const char *text, bson_t *out, struct err *e) {
    AUTO_BUF struct buf bytes = BUF_INIT(DOC_MAX);
    AUTO_BUF struct buf raw = BUF_INIT(DOC_MAX + 64);
    for (const char *p = text; *p; p += 2) {
        int high = hex_digit(p[0]), low = high < 0 ? -1 : hex_digit(p[1]);
        uint8_t byte = low < 0 ? 0 : (uint8_t)(high << 4 | low);
        if (low < 0 || buf_append(&bytes, &byte, 1, e)) {
            return err_set(e, ERR_DATA, "an _id in hexadecimal has pairs of 0-9 and a-f");
        }
    }
    if (bytes.len == 0) {
        return err_set(e, ERR_DATA, "an _id in hexadecimal begins with its type");
    }
    struct docid id = {.type = bytes.data[0], .value = bytes.data + 1, .len = bytes.len - 1};
    docid_document(&id, "_id", &raw);
    size_t offset;
    const char *wrong = doc_check(raw.data, raw.len, &offset);
    struct docid found;
    if (wrong || docid_find(raw.data, raw.len, &found) != 1 || !docid_equal(&id, &found)) {
        return err_set(e, ERR_DATA, "the bytes of the hexadecimal _id are no BSON value");
    }
    copy_id(&id, out);
    return 0;
}

// A member behind the value shows that the text was one value, whole: libbson stops reading at the
// end of the first document.
static bool one_value(const bson_t *doc, struct docid *id) {
    struct doc_element end;
    return bson_count_keys(doc) == 2 && docid_find(bson_get_data(doc), doc->len, id) == 1 &&
           doc_find(bson_get_data(doc), doc->len, "end", &end) == 1;
}

int docid_parse(const char *text, bson_t *out, struct err *e) {
    if (strncmp(text, HEX_PREFIX, strlen(HEX_PREFIX)) == 0) {
        return parse_hex(text + strlen(HEX_PREFIX), out, e);
    }
    AUTO_BUF struct buf json = BUF_INIT(ID_TEXT_MAX + 64);
    bson_error_t be;
    bson_t doc;
    buf_puts(&json, "{\"_id\":");
    if (buf_append(&json, text, strlen(text), e)) {
        return e->code;
    }
    buf_puts(&json, ",\"end\":1}");
    if (!bson_init_from_json(&doc, buf_str(&json), (ssize_t)json.len, &be)) {
        return err_set(e, ERR_DATA, "not an _id in extended JSON: %s", be.message);
    }
    struct docid id;
    bool one = one_value(&doc, &id);
    if (one) {
        copy_id(&id, out);
    }
    bson_destroy(&doc);
    return one ? 0 : err_set(e, ERR_DATA, "not one _id in extended JSON");
}
