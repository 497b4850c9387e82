// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "site/tar_header.h"

enum keyword {
    K_CHARSET,
    K_PATH,
    K_LINKPATH,
    K_SIZE,
    K_UID,
    K_GID,
    K_MTIME,
    K_MAJOR,
    K_MINOR,
    K_NAME,
    K_REALSIZE,
    N_KEYWORDS
};
static const char *const keywords[N_KEYWORDS] = {"hdrcharset",
                                                 "path",
                                                 "linkpath",
                                                 "size",
                                                 "uid",
                                                 "gid",
                                                 "mtime",
                                                 "GNU.sparse.major",
                                                 "GNU.sparse.minor",
                                                 "GNU.sparse.name",
                                                 "GNU.sparse.realsize"};
static const char xattr_prefix[] = "SCHILY.xattr.";
#define SPARSE (1u << K_MAJOR | 1u << K_MINOR | 1u << K_NAME | 1u << K_REALSIZE)

struct record {
    const char *key, *value;
    size_t key_len, value_len;
};

static bool has(const struct tar_pax *p, enum keyword k) {
    return (p->seen & 1u << k) != 0;
}

void tar_pax_clear(struct tar_pax *p) {
    p->seen = 0;
    p->n_xattrs = 0;
    buf_clear(&p->body);
    buf_clear(&p->names);
}

void tar_pax_free(struct tar_pax *p) {
    buf_free(&p->body);
    buf_free(&p->names);
    free(p->xattrs);
}

static bool read_decimal(const char *s, size_t len, uint64_t max, uint64_t *out) {
    uint64_t v = 0;
    if (len == 0 || len > 20) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v)) {
            return false;
        }
    }
    *out = v;
    return v <= max;
}

// "[-]SECONDS[.FRACTION]".
static bool read_time(const char *s, size_t len, int64_t *out) {
    bool negative = len > 0 && s[0] == '-';
    s += negative;
    len -= negative;
    const char *dot = memchr(s, '.', len);
    size_t whole = dot == NULL ? len : (size_t)(dot - s),
           digits = dot == NULL ? 0 : len - whole - 1;
    uint64_t seconds, fraction = 0;
    if (digits > 9 || !read_decimal(s, whole, INT64_MAX / 1000000000 - 1, &seconds) ||
        (dot != NULL && !read_decimal(dot + 1, digits, 999999999, &fraction))) {
        return false;
    }
    for (; digits < 9; digits++) {
        fraction *= 10;
    }
    *out = (negative ? -1 : 1) * (int64_t)seconds * 1000000000 + (int64_t)fraction;
    return true;
}

static bool read_string(const struct record *r, char out[PATH_REL_MAX + 1]) {
    if (r->value_len == 0 || r->value_len > PATH_REL_MAX || memchr(r->value, 0, r->value_len)) {
        return false;
    }
    memcpy(out, r->value, r->value_len);
    out[r->value_len] = 0;
    return true;
}

static bool is_text(const struct record *r, const char *text) {
    return r->value_len == strlen(text) && memcmp(r->value, text, r->value_len) == 0;
}

static bool read_value(struct tar_pax *p, enum keyword k, const struct record *r) {
    switch (k) {
    case K_CHARSET:
        return is_text(r, "BINARY");
    case K_PATH:
        return read_string(r, p->path);
    case K_LINKPATH:
        return read_string(r, p->linkpath);
    case K_NAME:
        return read_string(r, p->name);
    case K_SIZE:
        return read_decimal(r->value, r->value_len, INT64_MAX, &p->size);
    case K_UID:
        return read_decimal(r->value, r->value_len, UINT32_MAX, &p->uid);
    case K_GID:
        return read_decimal(r->value, r->value_len, UINT32_MAX, &p->gid);
    case K_REALSIZE:
        return read_decimal(r->value, r->value_len, INT64_MAX, &p->realsize);
    case K_MTIME:
        return read_time(r->value, r->value_len, &p->mtime_ns);
    case K_MAJOR:
        return is_text(r, "1");
    case K_MINOR:
        return is_text(r, "0");
    default:
        return false;
    }
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "user.a%20b"; only the user's own attributes travel.
static bool read_xattr(struct tar_pax *p, const struct record *r) {
    const char *s = r->key + sizeof xattr_prefix - 1;
    size_t len = r->key_len - (sizeof xattr_prefix - 1), from = p->names.len;
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(s[i + 2]) : -1;
            c = high < 0 || low < 0 ? 0 : (char)(high << 4 | low);
            i += 2;
        }
        if (c == 0) {
            return false;
        }
        buf_put(&p->names, &c, 1);
    }
    buf_put(&p->names, "", 1);
    if (p->n_xattrs == p->cap_xattrs) {
        p->cap_xattrs = 2 * p->cap_xattrs + 8;
        p->xattrs = must_realloc(p->xattrs, p->cap_xattrs, sizeof *p->xattrs);
    }
    p->xattrs[p->n_xattrs++] =
        (struct tar_xattr){.value = (const uint8_t *)r->value, .len = r->value_len};
    const char *name = (const char *)p->names.data + from;
    return strncmp(name, "user.", 5) == 0 && name[5] != 0 && strlen(name) <= 255;
}

static bool read_record(struct tar_pax *p, const struct record *r) {
    for (unsigned k = 0; k < N_KEYWORDS; k++) {
        if (strlen(keywords[k]) == r->key_len && memcmp(keywords[k], r->key, r->key_len) == 0) {
            bool again = has(p, k);
            p->seen |= 1u << k;
            return !again && read_value(p, k, r);
        }
    }
    return r->key_len > sizeof xattr_prefix - 1 &&
           memcmp(r->key, xattr_prefix, sizeof xattr_prefix - 1) == 0 && read_xattr(p, r);
}

// "LENGTH KEY=VALUE\n", where LENGTH counts itself.
static bool next_record(const char **rest, size_t *left, struct record *r) {
    const char *space = memchr(*rest, ' ', *left < 8 ? *left : 8);
    uint64_t len;
    if (space == NULL || (*rest)[0] == '0' ||
        !read_decimal(*rest, (size_t)(space - *rest), *left, &len) ||
        len < (size_t)(space - *rest) + 4 || (*rest)[len - 1] != '\n') {
        return false;
    }
    r->key = space + 1;
    const char *end = *rest + len - 1;
    const char *equals = memchr(r->key, '=', (size_t)(end - r->key));
    if (equals == NULL) {
        return false;
    }
    r->key_len = (size_t)(equals - r->key);
    r->value = equals + 1;
    r->value_len = (size_t)(end - r->value);
    *rest += len;
    *left -= len;
    return true;
}

int tar_pax_read(struct tar_pax *p, struct err *e) {
    const char *rest = (const char *)p->body.data;
    size_t left = p->body.len;
    struct record r;
    while (left > 0) {
        if (!next_record(&rest, &left, &r)) {
            return err_set(e, ERR_DATA, "tar stream: an extended header that is not well formed");
        }
        if (!read_record(p, &r)) {
            char shown[80];
            return err_set(e, ERR_DATA, "tar stream: an extended header with a wrong \"%s\"",
                           escape_into(shown, sizeof shown, r.key, r.key_len));
        }
    }
    const char *name = (const char *)p->names.data; // they may have moved while they were added
    for (size_t i = 0; i < p->n_xattrs; i++) {
        p->xattrs[i].name = name;
        name += strlen(name) + 1;
    }
    return 0;
}

// --- over the header

static void lay_over(const struct tar_pax *p, struct tar_header *h) {
    struct tar_member *m = &h->m;
    if (has(p, K_PATH)) {
        memcpy(m->path, p->path, sizeof m->path);
    }
    if (has(p, K_LINKPATH)) {
        memcpy(m->target, p->linkpath, sizeof m->target);
    }
    h->size = has(p, K_SIZE) ? p->size : h->size;
    m->uid = has(p, K_UID) ? (uint32_t)p->uid : m->uid;
    m->gid = has(p, K_GID) ? (uint32_t)p->gid : m->gid;
    m->mtime_ns = has(p, K_MTIME) ? p->mtime_ns : m->mtime_ns;
    m->size = h->size;
    if ((p->seen & SPARSE) == SPARSE) {
        memcpy(m->path, p->name, sizeof m->path);
        m->size = p->realsize;
    }
    m->xattrs = p->xattrs;
    m->n_xattrs = p->n_xattrs;
}

static char type_of(char flag) {
    return flag == '0' ? TREE_FILE : flag == '1' ? TAR_HARD : flag == '2' ? TREE_LINK : TREE_DIR;
}

static bool whole_ok(const struct tar_pax *p, const struct tar_header *h) {
    const struct tar_member *m = &h->m;
    bool file = m->type == TREE_FILE, link = m->type == TREE_LINK || m->type == TAR_HARD;
    bool sparse = (p->seen & SPARSE) != 0;
    return path_relative_ok(m->path) && (file || h->size == 0) && link == (m->target[0] != 0) &&
           (m->type != TAR_HARD || path_relative_ok(m->target)) && (file || p->n_xattrs == 0) &&
           (!sparse || (file && (p->seen & SPARSE) == SPARSE));
}

int tar_pax_apply(const struct tar_pax *p, struct tar_header *h, struct err *e) {
    lay_over(p, h);
    h->m.type = type_of(h->flag);
    size_t len = strlen(h->m.path);
    if (h->m.type == TREE_DIR && len > 1 && h->m.path[len - 1] == '/') {
        h->m.path[len - 1] = 0; // as tar writes directories
    }
    if (!whole_ok(p, h)) {
        char shown[200];
        return err_set(e, ERR_DATA, "tar stream: a member that may not be, \"%s\"",
                       escape_into(shown, sizeof shown, h->m.path, strlen(h->m.path)));
    }
    return (p->seen & SPARSE) != 0 ? TAR_PAX_SPARSE : 0;
}
