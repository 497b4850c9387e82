// SPDX-License-Identifier: Apache-2.0
#include "site/tree_name.h"

#include <stdio.h>
#include <string.h>

static bool is_word(char c) {
    unsigned char b = (unsigned char)c;
    return b >= 0x80 || (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z');
}

bool tree_name_of_id(const char *name, const char *id) {
    size_t n = strlen(id);
    return n > 0 && strncmp(name, id, n) == 0 && !is_word(name[n]);
}

static bool copy_part(char out[64], const char *from, size_t len) {
    if (len >= 64) {
        return false;
    }
    memcpy(out, from, len);
    out[len] = 0;
    return true;
}

int tree_template_read(const char *text, struct tree_template *out, struct err *e) {
    *out = (struct tree_template){0};
    if (text == NULL) {
        return 0;
    }
    const char *id = strstr(text, "{id}");
    if (id == NULL) {
        return err_set(e, ERR_USAGE, "name template \"%s\": it needs {id}", text);
    }
    const char *tail = id + 4;
    size_t n = strlen(tail);
    out->open = n > 0 && tail[n - 1] == '*';
    if (!copy_part(out->head, text, (size_t)(id - text)) ||
        !copy_part(out->tail, tail, out->open ? n - 1 : n) || strchr(out->head, '*') != NULL ||
        strchr(out->tail, '*') != NULL || (out->open && out->tail[0] != 0)) {
        return err_set(e, ERR_USAGE, "name template \"%s\": only {id}, {id}* and {id}.suffix",
                       text);
    }
    return 0;
}

bool tree_template_finds(const struct tree_template *t, const struct strtab *ids,
                         const char *name) {
    size_t head = strlen(t->head), tail = strlen(t->tail), len = strlen(name);
    if (len <= head + tail || memcmp(name, t->head, head) != 0 ||
        memcmp(name + len - tail, t->tail, tail) != 0) {
        return false;
    }
    const char *id = name + head;
    len -= head + tail;
    if (!t->open) {
        return strtab_has(ids, id, len);
    }
    for (size_t n = 1; n <= len; n++) {
        if (!is_word(id[n]) && strtab_has(ids, id, n)) {
            return true;
        }
    }
    return false;
}

bool tree_name_has_prefix(const char *name, const char *prefix) {
    const size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && strlen(name + n) == 2 * TREE_OWN_ID &&
           strspn(name + n, "0123456789abcdef") == 2 * TREE_OWN_ID;
}

bool tree_name_is_own(const char *name) {
    return tree_name_has_prefix(name, TREE_OWN_PREFIX) ||
           tree_name_has_prefix(name, TREE_PARTS_PREFIX);
}

void tree_own_name(const char *prefix, const uint8_t id[TREE_OWN_ID], char out[TREE_OWN_NAME_MAX]) {
    size_t at = (size_t)snprintf(out, TREE_OWN_NAME_MAX, "%s", prefix);
    for (size_t i = 0; i < TREE_OWN_ID; i++, at += 2) {
        snprintf(out + at, TREE_OWN_NAME_MAX - at, "%02x", id[i]);
    }
}
