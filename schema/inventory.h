// SPDX-License-Identifier: Apache-2.0
// What the scan found: the compiler's only knowledge of the two ends. It grows with the number of
// objects (documents of top-level collections and directories), never with that of second-level
// documents or files. It has a text form (YAML), so that plans are tested without servers. No text
// in it is NULL but where a comment says so.
//
// Everything is sorted: objects by collection (schema order) then ID bytes, directories by path,
// entries by name bytes, so that the same server gives the same inventory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "schema/model.h"

struct inv_count {
    uint64_t files, bytes; // directories and links count as files
};

// A reference that an object's document holds.
struct inv_ref {
    size_t collection; // index in the model
    const char *id;
    bool follow;
};

// A file that a path field of an object's document names and that exists at the source, outside
// the object's own file sets.
struct inv_path {
    const char *path; // relative to the data directory
    struct inv_count count;
};

// One document of a top-level collection.
struct inv_object {
    size_t collection; // index in the model
    const char *id;    // a string _id as it is; else its canonical extended JSON
    bool id_is_string;
    bool id_is_safe;   // usable as one path component (path_component_ok)
    const char *owner; // NULL when it has none, or it is not a string
    bool owner_is_safe;
    const char *project; // project group ID, NULL when it has none
    const char *name;    // for people; NULL when it has none
    struct inv_ref *refs;
    size_t n_refs;
    struct inv_path *paths;
    size_t n_paths;
    struct inv_count *files; // per file set of its collection (model->n_files)
    uint64_t *children;      // documents per second-level collection, by index in the model; NULL
                             // when they were not counted (server scope)
};

// A stretch of a collection by _id, cut at IDs that decide it themselves.
struct inv_range {
    const char *from_id, *to_id; // canonical extended JSON; NULL: open end
    uint64_t documents, bytes;   // bytes estimated from the average size
};

// An index that the destination lacks.
struct inv_index {
    size_t collection; // in the model
    const char *name;
    const char *spec; // as createIndexes takes it, extended JSON
    const char *was;  // as the source has it, when that had to be converted; NULL otherwise
};

struct inv_collection {
    bool exists;
    uint64_t documents, bytes;
    struct inv_range *ranges; // only when the scope needs them
    size_t n_ranges;
};

// A directory of the source whose entries the plan names one by one (OWNER/datasets and its like).
struct inv_entry {
    const char *name;
    bool is_dir;
    bool documented; // belongs to an object's file set
    struct inv_count count;
};
struct inv_dir {
    const char *path;  // "alice/datasets"
    const char *owner; // the {owner} of the file set it comes from
    struct inv_entry *entries;
    size_t n_entries;
};
// What lies elsewhere, per directory at the top of the data directory ("." for loose files there).
struct inv_rest {
    const char *top; // "alice", "logs", "."
    struct inv_count count;
};

enum inv_finding_kind {
#define FINDING(name, text, meaning) FINDING_##name,
#include "schema/findings.tbl.h"
#undef FINDING
    N_FINDING_KINDS
};
#define INV_FINDINGS_KEPT 1000 // of each kind
// Something that does not fit together; counted per kind, the first 1,000 of each kept with a name
// (all of them go to --report as they are found).
struct inv_finding {
    enum inv_finding_kind kind;
    const char *collection; // or ""
    const char *id;         // an ID or a path
    const char *detail;     // or ""
};

struct inv_end {
    const char *server; // "mongodb at db1:27017" without credentials, for people
    const char *database;
    const char *root;        // data directory
    const char *fingerprint; // "COLLECTION=uuid" of the first identity collection; "" when empty
    const char *version;     // of MongoDB
    const char *product;     // version of MVI; "" when unknown
};

// The forecast of one collection (design section 6), when it was made.
struct inv_forecast {
    bool made;
    uint64_t fresh, identical, unfixed, different, clash;
};

struct inventory {
    struct arena *arena;
    const struct model *model; // borrowed
    struct inv_end source, destination;
    struct inv_object *objects;
    size_t n_objects;
    struct inv_collection *collections; // one per collection of the model
    struct inv_dir *dirs;
    size_t n_dirs;
    struct inv_rest *rest;
    size_t n_rest;
    struct inv_finding *findings;
    size_t n_findings, cap_findings;
    uint64_t finding_counts[64]; // by kind
    struct inv_index *indexes;   // by collection, then name
    size_t n_indexes, cap_indexes;
    struct inv_forecast *forecast; // one per collection; NULL when not made
};

extern const char *const inv_finding_names[N_FINDING_KINDS]; // "missing-files" and so on
extern const char *const inv_finding_texts[N_FINDING_KINDS];

// Empty, with one collection entry for each of the model; everything in it lives in its arena.
struct inventory *inventory_new(const struct model *m);
void inventory_free(struct inventory *inv);
void inventory_cleanup(struct inventory **inv);
#define AUTO_INVENTORY AUTO(inventory_cleanup)

// Counts it, and keeps the first INV_FINDINGS_KEPT of a kind. Texts are copied; NULL is "".
void inventory_add_finding(struct inventory *inv, enum inv_finding_kind kind,
                           const char *collection, const char *id, const char *detail);

// Sorts objects and dirs as stated above.
void inventory_sort(struct inventory *inv);

// The text form (tests/golden/*.inventory.yaml), described at the top of schema/inventory_read.c.
// ERR_USAGE with the line.
int inventory_read(const struct model *m, const char *name, const char *text, size_t len,
                   struct inventory **out, struct err *e);
