// SPDX-License-Identifier: Apache-2.0
#include "commands/yaml.h"

#include <string.h>

#include "plans/scalar.h"

#define YAML_DEPTH_MAX 32

static void put_scalar(struct buf *out, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_STRING:
        scalar_put(out, json_string_value(value));
        return;
    case JSON_INTEGER:
        buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        buf_puts(out, json_is_true(value) ? "true" : "false");
        return;
    default:
        MUST(!"a value that manifests do not have");
    }
}

static bool is_block(const json_t *value) {
    return json_object_size(value) > 0 || json_array_size(value) > 0;
}

static void put_block(struct buf *out, const json_t *value, int indent, int depth);

// What stands behind "KEY:" or "-": the rest of the line, or a block on the next ones.
static void put_behind(struct buf *out, const json_t *value, int indent, int depth) {
    if (is_block(value)) {
        buf_puts(out, "\n");
        put_block(out, value, indent, depth + 1);
        return;
    }
    buf_puts(out, " ");
    if (json_is_object(value))
        buf_puts(out, "{}");
    else if (json_is_array(value))
        buf_puts(out, "[]");
    else
        put_scalar(out, value);
    buf_puts(out, "\n");
}

static void put_block(struct buf *out, const json_t *value, int indent, int depth) {
    const char *key;
    json_t *item;
    size_t i;
    MUST(depth < YAML_DEPTH_MAX);
    json_object_foreach((json_t *)value, key, item) {
        buf_printf(out, "%*s", indent, "");
        scalar_put(out, key);
        buf_puts(out, ":");
        put_behind(out, item, indent + 2, depth);
    }
    json_array_foreach(value, i, item) {
        buf_printf(out, "%*s-", indent, "");
        if (!is_block(item)) {
            put_behind(out, item, indent + 2, depth);
            continue;
        }
        // The block's first line goes on behind the dash, in the place of its indent.
        size_t at = out->len;
        put_block(out, item, indent + 2, depth + 1);
        memmove(out->data + at, out->data + at + indent + 1, out->len - at - (size_t)indent - 1);
        out->len -= (size_t)indent + 1;
    }
}

void yaml_put(struct buf *out, const json_t *value) {
    MUST(is_block(value));
    put_block(out, value, 0, 0);
}
