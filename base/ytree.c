// SPDX-License-Identifier: Apache-2.0
#include "base/ytree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/escape.h"
#include "base/strtab.h"
#include "base/ymend.h"

#define YTREE_NAME_SHOWN 512
#define YTREE_KEY_SHOWN 80
#define YTREE_DEPTH_MAX 64
#define YTREE_LINEAR 16 // pairs up to which a mapping's keys are compared one by one

const struct ytree_limits ytree_config_limits = {
    .bytes = (size_t)1 << 20, .scalar = (size_t)64 << 10, .depth = 32, .json_comments = true};
const struct ytree_limits ytree_plan_limits = {
    .bytes = (size_t)64 << 20, .scalar = (size_t)64 << 10, .depth = 32};

// An open sequence or mapping.
struct frame {
    struct ynode *node;
    struct ynode *key;    // of a mapping: read, its value not yet
    size_t keys_cap, cap; // of node->keys and node->items
    struct strtab *known; // keys to lines, once there are more than YTREE_LINEAR
};

struct reader {
    struct arena *arena;
    char name[YTREE_NAME_SHOWN];
    const struct ytree_limits *limits;
    yaml_parser_t parser;
    struct frame stack[YTREE_DEPTH_MAX];
    int depth;
    struct ynode *root;
    struct err *e;
};

static int ytree_line(const yaml_event_t *ev) {
    return (int)ev->start_mark.line + 1;
}

static int ytree_fail(struct reader *r, int line, const char *what) {
    return err_set(r->e, ERR_USAGE, "%s:%d: %s", r->name, line, what);
}

static int ytree_fail_key(struct reader *r, const struct ynode *key, const char *what, int before) {
    char shown[YTREE_KEY_SHOWN];
    escape_into(shown, sizeof shown, key->text, key->len);
    err_set(r->e, ERR_USAGE, "%s:%d: key \"%s\" %s", r->name, key->line, shown, what);
    return before > 0 ? err_append(r->e, " on line %d", before) : r->e->code;
}

// libyaml's own complaint, with both places when it names two.
static int ytree_fail_parser(struct reader *r) {
    const yaml_parser_t *p = &r->parser;
    MUST(p->error != YAML_MEMORY_ERROR);
    int line = (int)p->problem_mark.line + 1;
    ytree_fail(r, line, p->problem != NULL ? p->problem : "cannot be read");
    if (p->context != NULL) {
        err_append(r->e, " (%s, begun on line %d)", p->context, (int)p->context_mark.line + 1);
    }
    return r->e->code;
}

static struct ynode *ytree_node(struct reader *r, enum ytype type, const yaml_event_t *ev) {
    struct ynode *n = arena_alloc(r->arena, sizeof *n);
    n->type = type;
    n->line = ytree_line(ev);
    return n;
}

// 0 when new, or the line of the same key before. (A line is never 0.)
static int ytree_note_key(struct frame *f, const struct ynode *key) {
    struct ynode *map = f->node;
    if (f->known == NULL && map->n < YTREE_LINEAR) {
        for (size_t i = 0; i < map->n; i++) {
            if (map->keys[i]->len == key->len &&
                memcmp(map->keys[i]->text, key->text, key->len) == 0) {
                return map->keys[i]->line;
            }
        }
        return 0;
    }
    bool added;
    if (f->known == NULL) {
        f->known = strtab_new();
        for (size_t i = 0; i < map->n; i++) {
            *strtab_slot(f->known, map->keys[i]->text, map->keys[i]->len, &added) =
                (uintptr_t)map->keys[i]->line;
        }
    }
    uintptr_t *line = strtab_slot(f->known, key->text, key->len, &added);
    if (!added) {
        return (int)*line;
    }
    *line = (uintptr_t)key->line;
    return 0;
}

static int ytree_add_key(struct reader *r, struct frame *f, struct ynode *n) {
    if (n->type != Y_SCALAR) {
        return ytree_fail(r, n->line, "a key has to be a plain text, not a list or mapping");
    }
    if (n->plain && strcmp(n->text, "<<") == 0) {
        return ytree_fail(r, n->line, "merge keys (<<) are not accepted; write the pairs out");
    }
    if (n->plain && n->len == 0) {
        return ytree_fail(r, n->line, "a key is missing");
    }
    int before = ytree_note_key(f, n);
    if (before > 0) {
        return ytree_fail_key(r, n, "stands here a second time, first", before);
    }
    f->key = n;
    return 0;
}

static int ytree_add(struct reader *r, struct ynode *n) {
    if (r->depth == 0) {
        r->root = n;
        return 0;
    }
    struct frame *f = &r->stack[r->depth - 1];
    struct ynode *to = f->node;
    if (to->type == Y_MAPPING && f->key == NULL) {
        return ytree_add_key(r, f, n);
    }
    if (to->type == Y_MAPPING) {
        size_t pairs = to->n;
        ARENA_PUSH(r->arena, to->keys, pairs, f->keys_cap, f->key);
        f->key = NULL;
    }
    ARENA_PUSH(r->arena, to->items, to->n, f->cap, n);
    return 0;
}

static int ytree_refuse_marks(struct reader *r, const yaml_event_t *ev, const yaml_char_t *anchor,
                              const yaml_char_t *tag) {
    if (anchor != NULL) {
        return ytree_fail(r, ytree_line(ev), "anchors (&) are not accepted; write the value out");
    }
    if (tag != NULL) {
        return ytree_fail(r, ytree_line(ev), "tags (!) are not accepted");
    }
    return 0;
}

static int ytree_scalar(struct reader *r, const yaml_event_t *ev) {
    int rc = ytree_refuse_marks(r, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
    if (rc != 0) {
        return rc;
    }
    const char *text = (const char *)ev->data.scalar.value;
    size_t len = ev->data.scalar.length;
    if (len > r->limits->scalar) {
        return err_set(r->e, ERR_USAGE, "%s:%d: a text longer than %zu bytes", r->name,
                       ytree_line(ev), r->limits->scalar);
    }
    if (memchr(text, 0, len) != NULL) {
        return ytree_fail(r, ytree_line(ev), "a zero byte (\\0) may not stand in a text");
    }
    struct ynode *n = ytree_node(r, Y_SCALAR, ev);
    n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->text = arena_strndup(r->arena, text, len);
    n->len = len;
    return ytree_add(r, n);
}

static int ytree_open(struct reader *r, const yaml_event_t *ev, enum ytype type) {
    bool map = type == Y_MAPPING;
    int rc = ytree_refuse_marks(
        r, ev, map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor,
        map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag);
    if (rc != 0) {
        return rc;
    }
    if (r->depth >= r->limits->depth) {
        return err_set(r->e, ERR_USAGE, "%s:%d: nested deeper than %d levels", r->name,
                       ytree_line(ev), r->limits->depth);
    }
    struct ynode *n = ytree_node(r, type, ev);
    rc = ytree_add(r, n);
    if (rc == 0) {
        r->stack[r->depth++] = (struct frame){.node = n};
    }
    return rc;
}

static void ytree_close(struct reader *r) {
    strtab_cleanup(&r->stack[--r->depth].known);
}

static int ytree_event(struct reader *r, const yaml_event_t *ev) {
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return ytree_scalar(r, ev);
    case YAML_SEQUENCE_START_EVENT:
        return ytree_open(r, ev, Y_SEQUENCE);
    case YAML_MAPPING_START_EVENT:
        return ytree_open(r, ev, Y_MAPPING);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        ytree_close(r);
        return 0;
    case YAML_ALIAS_EVENT:
        return ytree_fail(r, ytree_line(ev), "aliases (*) are not accepted; write the value out");
    case YAML_DOCUMENT_START_EVENT:
        if (r->root != NULL) {
            return ytree_fail(r, ytree_line(ev), "a second document begins; there may be one");
        }
        if (ev->data.document_start.tag_directives.start !=
            ev->data.document_start.tag_directives.end) {
            return ytree_fail(r, ytree_line(ev), "%TAG is not accepted");
        }
        return 0;
    default:
        return 0;
    }
}

static int ytree_parse(struct reader *r) {
    for (bool more = true; more;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(&r->parser, &ev)) {
            return ytree_fail_parser(r);
        }
        int rc = ytree_event(r, &ev);
        more = ev.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&ev);
        if (rc != 0) {
            return rc;
        }
    }
    return r->root != NULL ? 0 : ytree_fail(r, 1, "nothing in it");
}

static int ytree_parse_text(struct reader *r, const char *text, size_t len) {
    MUST(yaml_parser_initialize(&r->parser));
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, len);
    int rc = ytree_parse(r);
    while (r->depth > 0) {
        ytree_close(r);
    }
    yaml_parser_delete(&r->parser);
    return rc;
}

int ytree_read(struct arena *a, const char *name, const char *text, size_t len,
               const struct ytree_limits *limits, struct ynode **root, struct err *e) {
    MUST(limits->depth <= YTREE_DEPTH_MAX);
    struct reader r = {.arena = a, .limits = limits, .e = e};
    escape_into(r.name, sizeof r.name, name, strlen(name));
    if (len > limits->bytes) {
        return err_set(e, ERR_USAGE, "%s: larger than the limit of %zu bytes", r.name,
                       limits->bytes);
    }
    int rc = ymend_check(r.name, text, len, e);
    if (rc != 0) {
        return rc;
    }
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        len -= 3;
    }
    AUTO_BUF struct buf mended = BUF_INIT(len);
    if (limits->json_comments && ymend_is_json(text, len)) {
        rc = ymend_json(r.name, text, len, &mended, e);
        text = buf_str(&mended);
        len = mended.len;
    }
    if (rc == 0) {
        rc = ytree_parse_text(&r, text, len);
    }
    if (rc == 0) {
        *root = r.root;
    }
    return rc;
}

struct ynode *ytree_get(const struct ynode *map, const char *key) {
    MUST(map->type == Y_MAPPING);
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->keys[i]->text, key) == 0) {
            return map->items[i];
        }
    }
    return NULL;
}

int ytree_uint(const struct ynode *n, uint64_t max, uint64_t *out) {
    if (n->type != Y_SCALAR || !n->plain || n->len == 0 || (n->len > 1 && n->text[0] == '0')) {
        return -1;
    }
    uint64_t value = 0;
    for (const char *p = n->text; *p != 0; p++) {
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) {
            return -1;
        }
    }
    if (value > max) {
        return -1;
    }
    *out = value;
    return 0;
}

int ytree_bool(const struct ynode *n, bool *out) {
    bool is_true = n->type == Y_SCALAR && n->plain && strcmp(n->text, "true") == 0;
    if (!is_true && (n->type != Y_SCALAR || !n->plain || strcmp(n->text, "false") != 0)) {
        return -1;
    }
    *out = is_true;
    return 0;
}
