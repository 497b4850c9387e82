// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>

#include "base/escape.h"
#include "base/hash.h"
#include "compiler/internal.h"

#define NAME_MAX_BYTES 80 // of a component, before it ends in a hash
#define NAME_KEPT 56
#define SHARED "shared"

static bool name_is_plain(char c) {
    return c != 0 &&
           strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@+-", c) != NULL;
}

// The first byte of these is escaped, so that they mean nothing else.
static bool name_is_taken(const char *text) {
    return strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || strcmp(text, SHARED) == 0;
}

const char *name_component(struct arena *a, const char *text) {
    if (text == NULL) {
        return SHARED;
    }
    size_t len = strlen(text);
    AUTO_BUF struct buf b = BUF_INIT((size_t)64 + 3 * len);
    for (size_t i = 0; i < len && b.len <= NAME_MAX_BYTES; i++) {
        bool plain = name_is_plain(text[i]) && !(i == 0 && name_is_taken(text));
        if (plain) {
            buf_put(&b, &text[i], 1);
        } else {
            buf_printf(&b, "%%%02X", (unsigned char)text[i]);
        }
    }
    if (b.len > NAME_MAX_BYTES) {
        return arena_printf(a, "%.*s%%%016" PRIx64, NAME_KEPT, buf_str(&b), hash_mix64(text, len));
    }
    return b.len == 0 ? "%" : arena_strdup(a, buf_str(&b));
}

const char *name_path(struct arena *a, const char *path) {
    const char *name = "";
    for (const char *at = path; at != NULL;) {
        const char *slash = strchr(at, '/');
        const char *part = arena_strndup(a, at, slash ? (size_t)(slash - at) : strlen(at));
        name = arena_printf(a, "%s%s%s", name, name[0] != 0 ? "/" : "", name_component(a, part));
        at = slash ? slash + 1 : NULL;
    }
    return name;
}

const char *last_component(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

const char *plan_text(struct arena *a, const char *text) {
    size_t len = strlen(text);
    if (escape_is_utf8(text, len) && len < PLAN_TEXT_MAX) {
        return text;
    }
    char shown[1024];
    return arena_strdup(a, escape_into(shown, sizeof shown, text, len));
}
