// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "site/manifest.h"
#include "site/tree.h"

// A path and a target of which every byte is escaped, and what stands before them.
#define LINE_MAX_LEN (2 * 4 * (PATH_REL_MAX + 1) + 512)
#define CHUNK (256u << 10)
#define EXCEPT_MAX 1000000

struct manifest_reader {
    int fd;
    struct arena *arena;
    const char *under;
    const char **except;
    size_t n_except, cap_except;
    uint64_t line, count;
    char *data; // CHUNK + LINE_MAX_LEN
    size_t at, len;
    bool ended;
    struct hash *content, *file;
    char file_digest[HASH_HEX];
    char path[PATH_REL_MAX + 1], target[PATH_REL_MAX + 1], last[PATH_REL_MAX + 1];
};

#define MEND "`mvimig apply PLAN --rerun=STEP` writes it anew"

static int bad_line(const struct manifest_reader *r, const char *what, struct err *e) {
    return err_set(e, ERR_DATA, "manifest, line %llu: %s; " MEND, (unsigned long long)r->line,
                   what);
}

// --- lines

static int fill(struct manifest_reader *r, struct err *e) {
    memmove(r->data, r->data + r->at, r->len - r->at);
    r->len -= r->at;
    r->at = 0;
    ssize_t got;
    do {
        got = read(r->fd, r->data + r->len, CHUNK + LINE_MAX_LEN - r->len);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return err_sys(e, ERR_IO, errno, "the manifest cannot be read");
    }
    r->ended = got == 0;
    r->len += (size_t)got;
    return 0;
}

// The next line, zero-terminated, in *line; its length with the newline in *len. 0 at the end.
static int next_line(struct manifest_reader *r, char **line, size_t *len, struct err *e) {
    char *end;
    *line = r->data + r->at;
    *len = 0;
    while ((end = memchr(r->data + r->at, '\n', r->len - r->at)) == NULL) {
        if (r->ended) {
            return r->at == r->len ? 0 : bad_line(r, "cut off", e);
        }
        if (r->len - r->at >= LINE_MAX_LEN) {
            return bad_line(r, "too long", e);
        }
        int rc = fill(r, e);
        if (rc < 0) {
            return rc;
        }
    }
    r->line++;
    *line = r->data + r->at;
    *len = (size_t)(end - *line) + 1;
    hash_update(r->file, *line, *len);
    *end = 0;
    r->at += *len;
    return strlen(*line) + 1 == *len ? 1 : bad_line(r, "a zero byte", e);
}

// A line is part of the content unless it is the last one; its newline was made a zero.
static void count_in(struct manifest_reader *r, const char *line, size_t len) {
    hash_update(r->content, line, len - 1);
    hash_update(r->content, "\n", 1);
}

// --- fields

static int hex_value(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Reads one escape behind a backslash; the bytes it took, 0 when it is none.
static size_t unescape_one(const char *s, char out[4], size_t *n) {
    *n = 1;
    if (*s == 'n' || *s == 't' || *s == '\\') {
        out[0] = *s == 'n' ? '\n' : *s == 't' ? '\t' : '\\';
        return 1;
    }
    int high = *s == 'x' ? hex_value(s[1]) : -1, low = high >= 0 ? hex_value(s[2]) : -1;
    if (low >= 0) {
        out[0] = (char)(high << 4 | low);
        return out[0] == 0 ? 0 : 3;
    }
    uint32_t c = 0;
    size_t i = 2;
    if (s[0] != 'u' || s[1] != '{') {
        return 0;
    }
    for (; hex_value(s[i]) >= 0 && i < 8; i++) {
        c = c << 4 | (uint32_t)hex_value(s[i]);
    }
    *n = utf8_encode(c, out);
    return s[i] == '}' && *n > 0 && c != 0 ? i + 1 : 0;
}

static bool unescape(const char *s, char out[PATH_REL_MAX + 1]) {
    size_t at = 0;
    while (*s != 0) {
        char bytes[4] = {*s};
        size_t n = 1, used = 0;
        if (*s == '\\') {
            used = unescape_one(s + 1, bytes, &n);
            if (used == 0) {
                return false;
            }
        }
        if (at + n > PATH_REL_MAX) {
            return false;
        }
        memcpy(out + at, bytes, n);
        at += n;
        s += 1 + used;
    }
    out[at] = 0;
    return at > 0;
}

// The next field as a number, and the space behind it.
static bool take_number(char **s, int base, uint64_t max, uint64_t *out) {
    char *end;
    errno = 0;
    if (**s < '0' || **s > '9') {
        return false;
    }
    unsigned long long v = strtoull(*s, &end, base);
    *out = v;
    *s = end + 1;
    return errno == 0 && *end == ' ' && v <= max;
}

static bool take_digest(char **s, char out[HASH_HEX]) {
    uint8_t ignored[HASH_SIZE];
    out[0] = 0;
    if (strncmp(*s, "- ", 2) == 0) {
        *s += 2;
        return true;
    }
    if (strnlen(*s, HASH_HEX) < HASH_HEX || (*s)[HASH_HEX - 1] != ' ') {
        return false;
    }
    memcpy(out, *s, HASH_HEX - 1);
    out[HASH_HEX - 1] = 0;
    *s += HASH_HEX;
    return hash_unhex(out, ignored) == 0;
}

static bool read_entry(struct manifest_reader *r, char *s, struct manifest_entry *m) {
    uint64_t mode, uid, gid, mtime;
    *m = (struct manifest_entry){.type = s[0], .mark = s[0] != 0 && s[1] == ' ' ? s[2] : 0};
    if (strchr("fdl", m->type) == NULL || (m->mark != '=' && m->mark != 'k') || s[3] != ' ') {
        return false;
    }
    s += 4;
    if (!take_number(&s, 8, 07777, &mode) || !take_number(&s, 10, UINT32_MAX, &uid) ||
        !take_number(&s, 10, UINT32_MAX, &gid) || !take_number(&s, 10, INT64_MAX, &m->size)) {
        return false;
    }
    bool negative = *s == '-';
    s += negative;
    if (!take_number(&s, 10, INT64_MAX, &mtime) || !take_digest(&s, m->digest)) {
        return false;
    }
    m->mode = (uint32_t)mode;
    m->uid = (uint32_t)uid;
    m->gid = (uint32_t)gid;
    m->mtime_ns = negative ? -(int64_t)mtime : (int64_t)mtime;
    char *tab = strchr(s, '\t');
    r->target[0] = 0;
    if ((tab != NULL) != (m->type == TREE_LINK)) {
        return false;
    }
    if (tab != NULL) {
        *tab = 0;
    }
    m->path = r->path;
    m->target = r->target;
    return unescape(s, r->path) && path_relative_ok(r->path) &&
           (tab == NULL || unescape(tab + 1, r->target));
}

// --- the whole

static int read_end(struct manifest_reader *r, const char *s, struct err *e) {
    uint8_t sum[HASH_SIZE];
    char digest[HASH_HEX], expected[HASH_HEX + 40];
    hash_final(r->content, sum);
    hash_hex(sum, digest);
    AUTO_BUF struct buf b = BUF_INIT(sizeof expected);
    buf_printf(&b, "end %llu %s", (unsigned long long)r->count, digest);
    if (strcmp(buf_str(&b), s) != 0) {
        return bad_line(r, "what stands above it was changed or cut", e);
    }
    char *line;
    size_t len;
    int rc = next_line(r, &line, &len, e);
    hash_final(r->file, sum);
    hash_hex(sum, r->file_digest);
    return rc > 0 ? bad_line(r, "something behind the end", e) : rc;
}

// The lines above the entries. The first entry's line is left unread.
static int read_header(struct manifest_reader *r, struct err *e) {
    char *line;
    size_t len;
    int rc = next_line(r, &line, &len, e);
    if (rc < 0 || rc == 0 || strcmp(line, "mvimig-manifest 1") != 0) {
        return rc < 0 ? rc : err_set(e, ERR_DATA, "no manifest, or of another version; " MEND);
    }
    count_in(r, line, len);
    rc = next_line(r, &line, &len, e);
    if (rc < 0 || rc == 0 || strncmp(line, "under ", 6) != 0 || !unescape(line + 6, r->path) ||
        (strcmp(r->path, ".") != 0 && !path_relative_ok(r->path))) {
        return rc < 0 ? rc : bad_line(r, "\"under PATH\" expected", e);
    }
    count_in(r, line, len);
    r->under = arena_strdup(r->arena, r->path);
    for (;;) {
        if (r->len - r->at < 7 && !r->ended && (rc = fill(r, e)) < 0) {
            return rc;
        }
        if (r->len - r->at < 7 || memcmp(r->data + r->at, "except ", 7) != 0) {
            return 0;
        }
        rc = next_line(r, &line, &len, e);
        if (rc <= 0 || r->n_except == EXCEPT_MAX || !unescape(line + 7, r->path)) {
            return rc < 0 ? rc : bad_line(r, "\"except PATH\" expected", e);
        }
        count_in(r, line, len);
        ARENA_PUSH(r->arena, r->except, r->n_except, r->cap_except,
                   arena_strdup(r->arena, r->path));
    }
}

int manifest_next(struct manifest_reader *r, struct manifest_entry *m, struct err *e) {
    char *line;
    size_t len;
    int rc = next_line(r, &line, &len, e);
    if (rc < 0 || rc == 0) {
        return rc < 0 ? rc : bad_line(r, "it ends without its last line", e);
    }
    if (strncmp(line, "end ", 4) == 0) {
        return read_end(r, line, e);
    }
    count_in(r, line, len);
    if (!read_entry(r, line, m)) {
        return bad_line(r, "not an entry", e);
    }
    if (r->count++ > 0 && tree_compare(r->last, r->path) >= 0) {
        return bad_line(r, "out of order", e);
    }
    memcpy(r->last, r->path, strlen(r->path) + 1);
    return 1;
}

int manifest_reader_new(int fd, struct manifest_reader **out, struct err *e) {
    if (lseek(fd, 0, SEEK_SET) != 0) {
        return err_sys(e, ERR_IO, errno, "the manifest cannot be read");
    }
    struct manifest_reader *r = must_calloc(1, sizeof *r);
    r->fd = fd;
    r->arena = arena_new();
    r->content = hash_new();
    r->file = hash_new();
    r->data = must_calloc(1, CHUNK + LINE_MAX_LEN);
    int rc = read_header(r, e);
    if (rc < 0) {
        manifest_reader_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

const char *manifest_under(const struct manifest_reader *r) {
    return r->under;
}

const char *const *manifest_except(const struct manifest_reader *r, size_t *n) {
    *n = r->n_except;
    return r->except;
}

void manifest_digest(const struct manifest_reader *r, char digest[HASH_HEX]) {
    memcpy(digest, r->file_digest, HASH_HEX);
}

void manifest_reader_free(struct manifest_reader *r) {
    if (r != NULL) {
        arena_free(r->arena);
        hash_free(r->content);
        hash_free(r->file);
        free(r->data);
        free(r);
    }
}
