// SPDX-License-Identifier: Apache-2.0
// What `mongodump --archive` writes (mongo-tools, common/archive): a magic number, then blocks of
// a header document, further documents, and the terminator 0xFFFFFFFF. The first block is the
// prelude: about the dump, and a document for each collection. Each further one belongs to the
// collection that its header names and holds some of its documents; those of several collections
// take turns. A header with EOF ends a collection and has the CRC-64 (ECMA-182, reflected) of all
// its documents. An archive is whole when every collection of its prelude was ended.
#include <bson/bson.h>
#include <stdlib.h>
#include <string.h>

#include "site/backup_private.h"

#define CRC64_POLYNOMIAL UINT64_C(0xC96C5795D7870F42)

struct space {
    char *database, *collection;
    bool take, view, ended;
    uint64_t crc;
};

struct archive_in {
    struct backup_reading *r;
    struct backup_in *in;
    struct space *items;
    size_t n, cap;
    const char *database; // the one that is restored
    uint64_t table[256];
};

static void crc_prepare(struct archive_in *a) {
    for (uint64_t i = 0; i < 256; i++) {
        uint64_t c = i;
        for (int k = 0; k < 8; k++) {
            c = c & 1 ? CRC64_POLYNOMIAL ^ (c >> 1) : c >> 1;
        }
        a->table[i] = c;
    }
}

static void crc_add(const struct archive_in *a, uint64_t *crc, const uint8_t *data, size_t len) {
    uint64_t c = ~*crc;
    for (size_t i = 0; i < len; i++) {
        c = a->table[(c ^ data[i]) & 0xff] ^ (c >> 8);
    }
    *crc = ~c;
}

// 1: a document; 0: the terminator; 2: the end of the file.
static int next(struct archive_in *a, const uint8_t **doc, size_t *len, struct err *e) {
    static const uint8_t terminator[4] = {0xff, 0xff, 0xff, 0xff};
    int rc = backup_in_fill(a->in, 4, e);
    if (rc < 0) {
        return rc;
    }
    if (rc == 1 && memcmp(a->in->data + a->in->start, terminator, 4) == 0) {
        backup_in_take(a->in, 4);
        return 0;
    }
    rc = backup_in_document(a->in, doc, len, e);
    return rc == 0 ? 2 : rc;
}

static const char *text_of(const bson_t *b, const char *name) {
    bson_iter_t it;
    return bson_iter_init_find(&it, b, name) && BSON_ITER_HOLDS_UTF8(&it)
               ? bson_iter_utf8(&it, NULL)
               : "";
}

static int note_space(struct archive_in *a, const uint8_t *doc, size_t len, struct err *e) {
    bson_t b;
    MUST(bson_init_static(&b, doc, len));
    if (a->n == BACKUP_COLLECTIONS_MAX) {
        return err_set(e, ERR_LIMIT, "%s holds too many collections", a->r->path);
    }
    if (a->n == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 32;
        a->items = must_realloc(a->items, a->cap, sizeof *a->items);
    }
    a->items[a->n++] = (struct space){.database = must_strdup(text_of(&b, "db")),
                                      .collection = must_strdup(text_of(&b, "collection")),
                                      .view = strcmp(text_of(&b, "type"), "view") == 0};
    return 0;
}

static int read_prelude(struct archive_in *a, struct err *e) {
    const uint8_t *doc;
    size_t len;
    bson_t head;
    int rc = next(a, &doc, &len, e);
    if (rc < 0) {
        return rc;
    }
    if (rc != 1) {
        return backup_in_damaged(a->in, "the archive has no beginning", e);
    }
    MUST(bson_init_static(&head, doc, len));
    if (strncmp(text_of(&head, "version"), "0.", 2) != 0) {
        return backup_in_damaged(a->in, "the archive is of a version that is not known", e);
    }
    while ((rc = next(a, &doc, &len, e)) == 1) {
        rc = note_space(a, doc, len, e);
        if (rc) {
            return rc;
        }
    }
    return rc == 2 ? backup_in_damaged(a->in, "the archive is cut short", e) : rc;
}

static int choose(struct archive_in *a, struct err *e) {
    AUTO_FREE char **names = must_calloc(a->n + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) {
        bool known = false;
        for (size_t k = 0; k < n; k++) {
            known = known || strcmp(names[k], a->items[i].database) == 0;
        }
        if (!known) {
            names[n++] = a->items[i].database;
        }
    }
    int rc = backup_choose(a->r, names, n, &a->database, e);
    for (size_t i = 0; rc == 0 && i < a->n; i++) {
        struct space *s = &a->items[i];
        if (strcmp(s->database, a->database) == 0 && !s->view) {
            rc = backup_see(a->r, s->collection, e);
            s->take = rc == 0 && a->r->seen[a->r->n - 1].take;
        }
    }
    return rc;
}

// NULL when there is none that this block may go on with, with e filled.
static struct space *find_space(struct archive_in *a, const bson_t *header, struct err *e) {
    const char *database = text_of(header, "db"), *collection = text_of(header, "collection");
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->items[i].database, database) == 0 &&
            strcmp(a->items[i].collection, collection) == 0) {
            if (!a->items[i].ended) {
                return &a->items[i];
            }
            backup_in_damaged(a->in, "documents of a collection that had ended", e);
            return NULL;
        }
    }
    backup_in_damaged(a->in, "documents of a collection that the prelude does not name", e);
    return NULL;
}

static int end_space(struct archive_in *a, struct space *s, const bson_t *header, struct err *e) {
    bson_iter_t it;
    bool same = bson_iter_init_find(&it, header, "CRC") && BSON_ITER_HOLDS_INT64(&it) &&
                (uint64_t)bson_iter_int64(&it) == s->crc;
    s->ended = true;
    return same ? 0
                : err_set(e, ERR_DATA,
                          "%s: collection %s is not what was dumped (CRC-64): the archive is "
                          "damaged",
                          a->r->path, s->collection);
}

static int read_body(struct archive_in *a, struct space *s, bool ended, struct err *e) {
    const uint8_t *doc;
    size_t len;
    int rc;
    while ((rc = next(a, &doc, &len, e)) == 1) {
        if (ended) {
            return backup_in_damaged(a->in, "documents behind the end of their collection", e);
        }
        crc_add(a, &s->crc, doc, len);
        rc = s->take ? a->r->taker->document(a->r->taker->arg, s->collection, doc, len, e) : 0;
        if (rc) {
            return rc;
        }
    }
    return rc == 2 ? backup_in_damaged(a->in, "the archive is cut short", e) : rc;
}

// 1: there is more.
static int read_block(struct archive_in *a, struct err *e) {
    const uint8_t *doc;
    size_t len;
    bson_t header;
    bson_iter_t it;
    int rc = next(a, &doc, &len, e);
    if (rc != 1) {
        return rc == 0 ? backup_in_damaged(a->in, "a block without a header", e) : rc == 2 ? 0 : rc;
    }
    MUST(bson_init_static(&header, doc, len));
    bool ended = bson_iter_init_find(&it, &header, "EOF") && bson_iter_as_bool(&it);
    struct space *s = find_space(a, &header, e);
    if (s == NULL) {
        return e->code;
    }
    rc = ended ? end_space(a, s, &header, e) : 0;
    rc = rc ? rc : read_body(a, s, ended, e);
    return rc ? rc : 1;
}

static int check_ended(const struct archive_in *a, struct err *e) {
    for (size_t i = 0; i < a->n; i++) {
        if (!a->items[i].ended && !a->items[i].view) {
            return err_set(e, ERR_DATA, "%s is cut short: collection %s has no end", a->r->path,
                           a->items[i].collection);
        }
    }
    return 0;
}

int backup_read_archive(struct backup_reading *r, struct backup_in *in, struct err *e) {
    struct archive_in a = {.r = r, .in = in};
    crc_prepare(&a);
    backup_in_take(in, 4);
    r->facts->form = BACKUP_ARCHIVE;
    int rc = read_prelude(&a, e);
    if (rc == 0) {
        rc = choose(&a, e);
    }
    if (rc == 0) {
        (void)snprintf(r->facts->database, sizeof r->facts->database, "%s", a.database);
    }
    for (int more = 1; rc == 0 && more;) {
        more = read_block(&a, e);
        rc = more < 0 ? more : 0;
    }
    if (rc == 0) {
        rc = check_ended(&a, e);
    }
    for (size_t i = 0; i < a.n; i++) {
        free(a.items[i].database);
        free(a.items[i].collection);
    }
    free(a.items);
    return rc;
}
