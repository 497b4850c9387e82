// SPDX-License-Identifier: Apache-2.0
#include "site/backup_write.h"

#include <archive.h>
#include <archive_entry.h>
#include <bson/bson.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "site/backup_stage.h"
#include "site/bson_frame.h"

#define SPOOL "spool"
#define TREE "tree"
#define ZIP "zip"
#define GATHER (256u * 1024)
// Seldom more than a third larger than with level 6, and three times as fast.
#define ZIP_LEVEL "1"

struct backup_writer {
    struct backup_stage stage;
    char *database;
    int spool;
    int tree; // folder form: its root; -1 for a zip
    int file; // of the collection, or the zip
    struct archive *zip;
    struct archive_entry *entry;
    int zip_errno; // why a write to the zip failed
    bool zip_given_up;
    struct buf gathered;
    struct hash *hash;
    struct backup_entry *entries; // the last is being written between begin and end
    size_t n, cap;
    uint64_t promised; // bytes of the collection being written
};

static int cannot_write(const struct backup_writer *w, int why, struct err *e) {
    return err_sys(e, ERR_IO, why, "%s cannot be written; nothing was left there", w->stage.path);
}

static int zip_went(struct backup_writer *w, bool well, struct err *e) {
    if (w->zip_errno) {
        return cannot_write(w, w->zip_errno, e);
    }
    if (well) {
        return 0;
    }
    const char *why = archive_error_string(w->zip);
    return err_set(e, ERR_IO, "%s cannot be written: %s", w->stage.path, why ? why : "libarchive");
}

// A failure is kept and looked at after each call: a library that is told of it in the middle of an
// entry does not give back what it holds for that.
static la_ssize_t zip_write(struct archive *a, void *arg, const void *data, size_t len) {
    struct backup_writer *w = arg;
    (void)a;
    if (w->zip_given_up || w->zip_errno) {
        return (la_ssize_t)len;
    }
    int fault = FAULT("backup.write");
    if (fault) {
        errno = fault;
    }
    if (fault || fd_write_all(w->file, data, len) != 0) {
        w->zip_errno = errno ? errno : EIO;
    }
    return (la_ssize_t)len;
}

static int open_zip(struct backup_writer *w, struct err *e) {
    w->file = openat(w->stage.fd, ZIP, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (w->file < 0) {
        return cannot_write(w, errno, e);
    }
    w->zip = archive_write_new();
    w->entry = archive_entry_new();
    MUST(w->zip && w->entry);
    MUST(archive_write_set_format_zip(w->zip) == ARCHIVE_OK);
    // Older versions of the library have no such option, and their own level does as well.
    (void)archive_write_set_format_option(w->zip, "zip", "compression-level", ZIP_LEVEL);
    (void)archive_write_set_bytes_in_last_block(w->zip, 1);
    return zip_went(w, archive_write_open(w->zip, w, NULL, zip_write, NULL) == ARCHIVE_OK, e);
}

static int make_folder(struct backup_writer *w, int at, const char *name, int *fd, struct err *e) {
    if (mkdirat(at, name, 0700) != 0) {
        return cannot_write(w, errno, e);
    }
    *fd = path_open(at, name, O_RDONLY | O_DIRECTORY, 0);
    return *fd >= 0 ? 0 : cannot_write(w, errno, e);
}

static int open_tree(struct backup_writer *w, struct err *e) {
    AUTO_CLOSE int database = -1;
    int rc = make_folder(w, w->stage.fd, TREE, &w->tree, e);
    return rc ? rc : make_folder(w, w->tree, w->database, &database, e);
}

int backup_create(const char *path, const char *database, struct backup_writer **out,
                  struct err *e) {
    size_t len = strlen(path);
    bool zip = len > 4 && strcmp(path + len - 4, ".zip") == 0;
    AUTO_BACKUP_WRITER struct backup_writer *w = must_calloc(1, sizeof *w);
    w->stage = (struct backup_stage)BACKUP_STAGE_INIT;
    w->spool = w->tree = w->file = -1;
    w->gathered = (struct buf)BUF_INIT(GATHER + DOC_MAX);
    w->database = must_strdup(database);
    w->hash = hash_new();
    if (!path_component_ok(database, strlen(database))) {
        return err_set(e, ERR_USAGE, "database %s: no folder can have this name", database);
    }
    int rc = backup_stage_open(&w->stage, path, !zip, e);
    if (rc == 0) {
        rc = make_folder(w, w->stage.fd, SPOOL, &w->spool, e);
    }
    if (rc == 0) {
        rc = zip ? open_zip(w, e) : open_tree(w, e);
    }
    if (rc == 0) {
        *out = STEAL(w);
    }
    return rc;
}

int backup_spool(const struct backup_writer *w) {
    return w->spool;
}

// Names as mongodump writes them: what may not stand in a path is percent-encoded.
static char *file_name(const struct backup_writer *w, const char *collection, const char *suffix) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_.~$&+:=@";
    AUTO_BUF struct buf b = BUF_INIT(64 << 10);
    buf_printf(&b, "%s/", w->database);
    for (const char *p = collection; *p; p++) {
        if (strchr(plain, *p)) {
            buf_put(&b, p, 1);
        } else {
            buf_printf(&b, "%%%02X", (unsigned char)*p);
        }
    }
    buf_puts(&b, suffix);
    return must_strdup(buf_str(&b));
}

static int begin_file(struct backup_writer *w, const char *name, uint64_t bytes, struct err *e) {
    if (!w->zip) {
        w->file = path_open(w->tree, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        return w->file >= 0 ? 0 : cannot_write(w, errno, e);
    }
    archive_entry_clear(w->entry);
    archive_entry_set_pathname(w->entry, name);
    archive_entry_set_filetype(w->entry, AE_IFREG);
    archive_entry_set_perm(w->entry, 0600);
    archive_entry_set_size(w->entry, (la_int64_t)bytes);
    archive_entry_set_mtime(w->entry, (time_t)(clock_wall_ns() / 1000000000), 0);
    return zip_went(w, archive_write_header(w->zip, w->entry) == ARCHIVE_OK, e);
}

static int put(struct backup_writer *w, const void *data, size_t len, struct err *e) {
    if (w->zip) {
        la_ssize_t n = len ? archive_write_data(w->zip, data, len) : 0;
        return zip_went(w, n == (la_ssize_t)len, e);
    }
    int fault = FAULT("backup.write");
    if (fault) {
        return cannot_write(w, fault, e);
    }
    return fd_write_all(w->file, data, len) == 0 ? 0 : cannot_write(w, errno, e);
}

static int end_file(struct backup_writer *w, struct err *e) {
    if (w->zip) {
        return zip_went(w, archive_write_finish_entry(w->zip) == ARCHIVE_OK, e);
    }
    int rc = fsync(w->file) == 0 ? 0 : cannot_write(w, errno, e);
    auto_close(&w->file);
    w->file = -1;
    return rc;
}

static int whole_file(struct backup_writer *w, const char *name, const char *text, struct err *e) {
    int rc = begin_file(w, name, strlen(text), e);
    if (rc == 0) {
        rc = put(w, text, strlen(text), e);
    }
    return rc ? rc : end_file(w, e);
}

int backup_begin(struct backup_writer *w, const char *collection, uint64_t bytes, struct err *e) {
    if (w->n == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 32;
        w->entries = must_realloc(w->entries, w->cap, sizeof *w->entries);
    }
    w->entries[w->n++] = (struct backup_entry){.collection = must_strdup(collection)};
    w->promised = bytes;
    AUTO_FREE char *name = file_name(w, collection, ".bson");
    return begin_file(w, name, bytes, e);
}

static int flush(struct backup_writer *w, struct err *e) {
    hash_update(w->hash, w->gathered.data, w->gathered.len);
    int rc = put(w, w->gathered.data, w->gathered.len, e);
    buf_clear(&w->gathered);
    return rc;
}

int backup_add(struct backup_writer *w, const uint8_t *doc, size_t len, struct err *e) {
    struct backup_entry *now = &w->entries[w->n - 1];
    MUST(doc_framed(doc, len));
    now->documents++;
    now->bytes += len;
    buf_put(&w->gathered, doc, len);
    return w->gathered.len < GATHER ? 0 : flush(w, e);
}

int backup_end(struct backup_writer *w, const char *metadata, struct err *e) {
    struct backup_entry *now = &w->entries[w->n - 1];
    uint8_t digest[HASH_SIZE];
    MUST(now->bytes == w->promised);
    int rc = w->gathered.len ? flush(w, e) : 0;
    if (rc == 0) {
        rc = end_file(w, e);
    }
    hash_final(w->hash, digest);
    hash_hex(digest, now->digest);
    AUTO_FREE char *name = file_name(w, now->collection, ".metadata.json");
    return rc ? rc : whole_file(w, name, metadata, e);
}

static int write_manifest(struct backup_writer *w, struct err *e) {
    bson_t b, list, one;
    char key[24], now[CLOCK_TEXT];
    bson_init(&b);
    clock_format(clock_wall_ns(), now);
    MUST(BSON_APPEND_INT32(&b, "mvimigBackup", 1));
    MUST(BSON_APPEND_UTF8(&b, "database", w->database));
    MUST(BSON_APPEND_UTF8(&b, "made", now));
    MUST(BSON_APPEND_ARRAY_BEGIN(&b, "collections", &list));
    for (size_t i = 0; i < w->n; i++) {
        (void)snprintf(key, sizeof key, "%zu", i);
        MUST(BSON_APPEND_DOCUMENT_BEGIN(&list, key, &one));
        MUST(BSON_APPEND_UTF8(&one, "name", w->entries[i].collection));
        MUST(BSON_APPEND_INT64(&one, "documents", (int64_t)w->entries[i].documents));
        MUST(BSON_APPEND_INT64(&one, "bytes", (int64_t)w->entries[i].bytes));
        MUST(BSON_APPEND_UTF8(&one, "sha256", w->entries[i].digest));
        MUST(bson_append_document_end(&list, &one));
    }
    MUST(bson_append_array_end(&b, &list));
    char *text = bson_as_relaxed_extended_json(&b, NULL);
    bson_destroy(&b);
    if (!text) {
        return err_set(e, ERR_DATA, "a collection's name is not UTF-8");
    }
    int rc = whole_file(w, BACKUP_MANIFEST, text, e);
    bson_free(text);
    return rc;
}

static int close_zip(struct backup_writer *w, struct err *e) {
    int rc = zip_went(w, archive_write_close(w->zip) == ARCHIVE_OK, e);
    if (rc) {
        return rc;
    }
    return fsync(w->file) == 0 ? 0 : cannot_write(w, errno, e);
}

static int sync_tree(struct backup_writer *w, struct err *e) {
    AUTO_CLOSE int database = path_open(w->tree, w->database, O_RDONLY | O_DIRECTORY, 0);
    return database >= 0 && fsync(database) == 0 && fsync(w->tree) == 0 ? 0
                                                                        : cannot_write(w, errno, e);
}

int backup_publish(struct backup_writer *w, struct err *e) {
    int rc = write_manifest(w, e);
    if (rc == 0) {
        rc = w->zip ? close_zip(w, e) : sync_tree(w, e);
    }
    int fault = rc == 0 ? FAULT("backup.publish") : 0;
    if (fault) {
        rc = cannot_write(w, fault, e);
    }
    return rc ? rc : backup_stage_publish(&w->stage, w->zip ? ZIP : TREE, e);
}

const struct backup_entry *backup_entries(const struct backup_writer *w, size_t *n) {
    *n = w->n;
    return w->entries;
}

void backup_writer_free(struct backup_writer *w) {
    if (!w) {
        return;
    }
    if (w->zip) {
        w->zip_given_up = true;
        archive_write_free(w->zip);
        archive_entry_free(w->entry);
    }
    auto_close(&w->file);
    auto_close(&w->tree);
    auto_close(&w->spool);
    backup_stage_drop(&w->stage);
    for (size_t i = 0; i < w->n; i++) {
        free(w->entries[i].collection);
    }
    free(w->entries);
    buf_free(&w->gathered);
    hash_free(w->hash);
    free(w->database);
    free(w);
}

void backup_writer_cleanup(struct backup_writer **w) {
    backup_writer_free(*w);
}
