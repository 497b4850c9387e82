// SPDX-License-Identifier: Apache-2.0
#include "site/backup_read.h"

#include <bson/bson.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "site/backup_private.h"
#include "site/backup_write.h"

int backup_see(struct backup_reading *r, const char *collection, struct err *e) {
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->seen[i].collection, collection) == 0) {
            return err_set(e, ERR_DATA, "%s holds collection %s twice", r->path, collection);
        }
    }
    if (r->n == BACKUP_COLLECTIONS_MAX) {
        return err_set(e, ERR_LIMIT, "%s holds more than %d collections", r->path,
                       BACKUP_COLLECTIONS_MAX);
    }
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 32;
        r->seen = must_realloc(r->seen, r->cap, sizeof *r->seen);
    }
    struct backup_seen *s = &r->seen[r->n++];
    *s = (struct backup_seen){.collection = must_strdup(collection)};
    return r->taker->collection(r->taker->arg, collection, &s->take, e);
}

int backup_take_all(struct backup_reading *r, struct backup_in *in, struct err *e) {
    AUTO_HASH struct hash *hash = hash_new();
    struct backup_seen *s = &r->seen[r->n - 1];
    uint8_t digest[HASH_SIZE];
    const uint8_t *doc;
    size_t len;
    int rc;
    while ((rc = backup_in_document(in, &doc, &len, e)) == 1) {
        hash_update(hash, doc, len);
        s->documents++;
        s->bytes += len;
        rc = s->take ? r->taker->document(r->taker->arg, s->collection, doc, len, e) : 0;
        if (rc) {
            return rc;
        }
    }
    hash_final(hash, digest);
    hash_hex(digest, s->digest);
    return rc;
}

static const char *text_of(const bson_t *b, const char *name) {
    bson_iter_t it;
    return bson_iter_init_find(&it, b, name) && BSON_ITER_HOLDS_UTF8(&it)
               ? bson_iter_utf8(&it, NULL)
               : "";
}

static uint64_t number_of(const bson_t *b, const char *name) {
    bson_iter_t it;
    return bson_iter_init_find(&it, b, name) && BSON_ITER_HOLDS_NUMBER(&it)
               ? (uint64_t)bson_iter_as_int64(&it)
               : UINT64_MAX;
}

static int check_entry(const struct backup_reading *r, const bson_t *entry, struct err *e) {
    const char *name = text_of(entry, "name");
    for (size_t i = 0; i < r->n; i++) {
        const struct backup_seen *s = &r->seen[i];
        if (strcmp(s->collection, name) != 0) {
            continue;
        }
        return s->documents == number_of(entry, "documents") &&
                       s->bytes == number_of(entry, "bytes") &&
                       strcmp(s->digest, text_of(entry, "sha256")) == 0
                   ? 0
                   : err_set(e, ERR_DATA,
                             "%s: collection %s is not what the manifest says (documents, bytes, "
                             "SHA-256): the backup is damaged or was altered",
                             r->path, name);
    }
    return err_set(e, ERR_DATA, "%s: collection %s of the manifest is missing", r->path, name);
}

static int check_entries(const struct backup_reading *r, const bson_t *manifest, struct err *e) {
    bson_iter_t it, list;
    size_t n = 0;
    if (number_of(manifest, "mvimigBackup") != 1) {
        return err_set(e, ERR_DATA, "%s: " BACKUP_MANIFEST " is of no form that this version reads",
                       r->path);
    }
    if (!bson_iter_init_find(&it, manifest, "collections") || !BSON_ITER_HOLDS_ARRAY(&it) ||
        !bson_iter_recurse(&it, &list)) {
        return err_set(e, ERR_DATA, "%s: " BACKUP_MANIFEST " lists no collections", r->path);
    }
    for (; bson_iter_next(&list); n++) {
        uint32_t len;
        const uint8_t *data;
        bson_t entry;
        if (!BSON_ITER_HOLDS_DOCUMENT(&list)) {
            return err_set(e, ERR_DATA, "%s: " BACKUP_MANIFEST " is damaged", r->path);
        }
        bson_iter_document(&list, &len, &data);
        MUST(bson_init_static(&entry, data, len));
        int rc = check_entry(r, &entry, e);
        if (rc) {
            return rc;
        }
    }
    return n == r->n ? 0
                     : err_set(e, ERR_DATA,
                               "%s: it holds collections that its manifest does not "
                               "name",
                               r->path);
}

// Holds what was read against the manifest.
static int check_manifest(const struct backup_reading *r, struct err *e) {
    bson_error_t why;
    if (!r->manifest) {
        return 0;
    }
    bson_t *manifest = bson_new_from_json((const uint8_t *)r->manifest, -1, &why);
    if (!manifest) {
        return err_set(e, ERR_DATA, "%s: " BACKUP_MANIFEST " is damaged: %s", r->path, why.message);
    }
    int rc = check_entries(r, manifest, e);
    bson_destroy(manifest);
    return rc;
}

static int hex_digit(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

char *backup_collection_of(const char *file, const char *suffix) {
    size_t len = strlen(file), tail = strlen(suffix), n = 0;
    if (len <= tail || strcmp(file + len - tail, suffix) != 0) {
        return NULL;
    }
    char *out = must_calloc(len, 1);
    for (size_t i = 0; i < len - tail; i++) {
        int high = file[i] == '%' ? hex_digit(file[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(file[i + 2]) : -1;
        bool escape = low >= 0 && (high || low);
        out[n++] = escape ? (char)(high << 4 | low) : file[i];
        i += escape ? 2 : 0;
    }
    return out;
}

static bool is_servers_own(const char *name) {
    return strcmp(name, "admin") == 0 || strcmp(name, "config") == 0 ||
           strcmp(name, "local") == 0 || name[0] == 0;
}

int backup_choose(const struct backup_reading *r, char *const *names, size_t n, const char **out,
                  struct err *e) {
    AUTO_BUF struct buf all = BUF_INIT(4096);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (r->taker->database && strcmp(names[i], r->taker->database) == 0) {
            *out = names[i];
            return 0;
        }
        if (!is_servers_own(names[i])) {
            *out = names[i];
            if (all.len < 1000) {
                buf_printf(&all, "%s%.200s", found ? ", " : "", names[i]);
            }
            found++;
        }
    }
    if (found == 1) {
        return 0;
    }
    return found ? err_set(e, ERR_USAGE,
                           "%s holds several databases (%s), and none is called as the "
                           "destination's; restore from the folder of one of them, or set "
                           "mongoDatabase",
                           r->path, buf_str(&all))
                 : err_set(e, ERR_USAGE, "%s holds no database: it is no backup", r->path);
}

static int read_file(struct backup_reading *r, struct err *e) {
    AUTO_BACKUP_FILE struct backup_file *f = NULL;
    int rc = backup_file_open(AT_FDCWD, r->path, &f, e);
    if (rc == 0) {
        rc = backup_in_fill(backup_file_in(f), 4, e);
    }
    if (rc < 0) {
        return rc;
    }
    struct backup_in *in = backup_file_in(f);
    if (rc && memcmp(in->data, BACKUP_ARCHIVE_MAGIC, 4) == 0) {
        return backup_read_archive(r, in, e);
    }
    if (rc && memcmp(in->data, "PK", 2) == 0) {
        return backup_read_zip(r, e);
    }
    return err_set(e, ERR_USAGE,
                   "%s is no backup: neither a zip nor an archive of mongodump --archive; a single "
                   ".bson file is restored by the folder that holds it",
                   r->path);
}

int backup_read(const char *path, const struct backup_taker *t, struct backup_facts *facts,
                struct err *e) {
    struct stat st;
    struct backup_reading r = {.taker = t, .facts = facts, .path = path};
    *facts = (struct backup_facts){0};
    if (stat(path, &st) != 0) {
        return err_sys(e, ERR_USAGE, errno, "backup %s cannot be read", path);
    }
    int rc = S_ISDIR(st.st_mode) ? backup_read_folder(&r, e) : read_file(&r, e);
    if (rc == 0) {
        rc = check_manifest(&r, e);
    }
    for (size_t i = 0; i < r.n; i++) {
        free(r.seen[i].collection);
    }
    free(r.seen);
    free(r.manifest);
    return rc;
}
