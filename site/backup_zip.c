// SPDX-License-Identifier: Apache-2.0
// Zips: ours, with documents in DATABASE/COLLECTION.bson and a manifest, and that of the migration
// scripts that came before, with a JSON array for each collection and no manifest. The reader goes
// by the directory at the end of the zip, so that one that is cut short is refused; libarchive
// compares each entry's CRC-32 and length.
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "site/backup_private.h"
#include "site/backup_write.h"

#define BLOCK (256u * 1024)

struct zip {
    struct backup_reading *r;
    struct archive *a;
    bool bson, json; // what was found in it
};

static int zip_failed(const struct zip *z, struct err *e) {
    const char *why = archive_error_string(z->a);
    return err_set(e, ERR_DATA, "%s: the zip is damaged or cut short%s%s", z->r->path,
                   why ? ": " : "", why ? why : "");
}

// Anything but OK is a failure: the library calls a wrong CRC a warning.
static long read_entry(void *arg, void *out, size_t len, struct err *e) {
    struct zip *z = arg;
    la_ssize_t n = archive_read_data(z->a, out, len);
    return n < 0 ? zip_failed(z, e) : (long)n;
}

static int take_manifest(struct zip *z, struct backup_in *in, struct err *e) {
    int rc = 1;
    while (rc == 1 && in->stop < BACKUP_MANIFEST_MAX) {
        rc = backup_in_fill(in, in->stop + 1, e);
    }
    if (rc < 0) {
        return rc;
    }
    if (rc == 1 || z->r->manifest) {
        return err_set(e, ERR_DATA, "%s: " BACKUP_MANIFEST " is too large, or there twice",
                       z->r->path);
    }
    z->r->manifest = must_strndup((const char *)in->data, in->stop);
    return 0;
}

static int note_database(struct zip *z, const char *path, const char *slash, struct err *e) {
    char *known = z->r->facts->database;
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= sizeof z->r->facts->database || (z->bson && strlen(known) != len) ||
        (z->bson && strncmp(known, path, len) != 0)) {
        return err_set(e, ERR_DATA, "%s holds more than one database", z->r->path);
    }
    memcpy(known, path, len);
    known[len] = 0;
    z->bson = true;
    return 0;
}

// JSON arrays stand in files called as their collection, with .json behind it or nothing.
static char *json_collection(const char *leaf) {
    char *name = backup_collection_of(leaf, ".json");
    return name ? name : must_strdup(leaf);
}

static int take_entry(struct zip *z, const char *path, struct err *e) {
    struct backup_in in = {.name = path, .read = read_entry, .arg = z};
    const char *slash = strrchr(path, '/'), *leaf = slash ? slash + 1 : path;
    size_t len = strlen(leaf);
    bool metadata = len > 14 && strcmp(leaf + len - 14, ".metadata.json") == 0;
    AUTO_FREE char *bson = backup_collection_of(leaf, ".bson");
    AUTO_FREE char *json = json_collection(leaf);
    int rc = 0;
    if (strcmp(path, BACKUP_MANIFEST) == 0) {
        rc = take_manifest(z, &in, e);
    } else if (bson) {
        rc = note_database(z, path, slash, e);
        rc = rc ? rc : backup_see(z->r, bson, e);
        rc = rc ? rc : backup_take_all(z->r, &in, e);
    } else if (!metadata && *leaf) {
        z->json = true;
        rc = backup_see(z->r, json, e);
        rc = rc ? rc : backup_read_json(z->r, &in, e);
    }
    // What was not looked at is read as well: its CRC says whether the zip is whole.
    for (int more = 1; rc == 0 && more;) {
        more = backup_in_fill(&in, 1, e);
        rc = more < 0 ? more : 0;
        backup_in_take(&in, in.stop - in.start);
    }
    backup_in_free(&in);
    return rc;
}

static int take_entries(struct zip *z, struct err *e) {
    struct archive_entry *entry;
    int rc;
    while ((rc = archive_read_next_header(z->a, &entry)) == ARCHIVE_OK) {
        const char *path = archive_entry_pathname(entry);
        if (!path || archive_entry_filetype(entry) == AE_IFDIR) {
            continue;
        }
        AUTO_FREE char *name = must_strdup(path);
        int failed = take_entry(z, name, e);
        if (failed) {
            return failed == ERR_USAGE ? failed : err_wrap(e, "%s", z->r->path);
        }
    }
    return rc == ARCHIVE_EOF ? 0 : zip_failed(z, e);
}

int backup_read_zip(struct backup_reading *r, struct err *e) {
    struct zip z = {.r = r, .a = archive_read_new()};
    MUST(z.a);
    MUST(archive_read_support_format_zip_seekable(z.a) == ARCHIVE_OK);
    int rc = archive_read_open_filename(z.a, r->path, BLOCK) == ARCHIVE_OK ? 0 : zip_failed(&z, e);
    if (rc == 0) {
        rc = take_entries(&z, e);
    }
    if (rc == 0 && (z.bson || !z.json) && !r->manifest) {
        rc = err_set(e, ERR_DATA,
                     "%s has no " BACKUP_MANIFEST ": mvimig dump did not write it; unpack it and "
                     "restore from the folder",
                     r->path);
    }
    if (rc == 0 && z.json && r->manifest) {
        rc = err_set(e, ERR_DATA, "%s holds files that are neither BSON nor its manifest", r->path);
    }
    r->facts->form = z.json ? BACKUP_JSON : BACKUP_OURS;
    archive_read_free(z.a);
    return rc;
}
