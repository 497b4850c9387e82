// SPDX-License-Identifier: Apache-2.0
// The schema of MVI as data: read from schema/mvi.yaml (compiled in) or from --schema FILE.
// It is the only place that knows a collection, field or directory of MVI by name; the format is
// described at the top of schema/mvi.yaml.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

enum model_level {
    MODEL_TOP,    // objects that scopes select, by owner, project or reference
    MODEL_SECOND, // documents that belong to one object of the parent collection
    MODEL_WHOLE,  // only in server scope
};

enum model_class {
    MODEL_WORK,      // people's work: always moves
    MODEL_ACCOUNTS,  // only --with accounts
    MODEL_TRANSIENT, // only --with transient: live state of the old server
};

// Files of one object, as names below a directory. Templates know {owner} and {id}.
struct model_files {
    const char *under; // "{owner}/datasets"
    const char *name;  // "{id}": that entry; "{id}*": names that begin with the ID and end there or
                       // go on with something that is neither letter nor digit; "{id}.zip": that
                       // file
    bool tree;         // entries are directories (file-batch), not single files (tar-list)
    bool required;     // an object without it is reported as incomplete
};

// A document's own file below its parent's directory, for the cross-check of files and documents.
struct model_member_file {
    const char *field; // field of the document whose value begins the file name ("_id")
};

struct model_ref {
    const char *field;      // "dnnscript_id"
    const char *collection; // the collection it points into, by _id
    bool follow;            // taken along when the scope leaves it behind
};

// A field that holds the path of a file, wherever it lies: it goes along with the object.
struct model_path {
    const char *field;
    const char **below; // prefixes behind which the path is relative to the data directory
    size_t n_below;
};

struct model_collection {
    const char *name;
    const char *noun; // TOP: short plural for names of sets: "datasets", "models"; else NULL
    enum model_level level;
    enum model_class class;
    const char *owner_field;   // NULL when it has none
    const char *project_field; // "project_group_id"; "_id" for the project groups themselves; NULL
    const char *name_field;    // for comments and scopes by name
    const char *parent;        // SECOND: the collection of the object it belongs to
    const char *parent_field;  // SECOND: "dataset_id"
    struct model_files *files;
    size_t n_files;
    struct model_member_file member_file; // field NULL when it has none
    struct model_ref *refs;
    size_t n_refs;
    struct model_path *paths;
    size_t n_paths;
    bool with_files; // has files, here or elsewhere, or belongs to an object that has: its
                     // documents wait for all files
};

struct model_fixup {
    const char *collection, *field; // a top-level string field
    const char *pattern;            // PCRE2
    const char *replacement;        // PCRE2 substitute syntax
    const char *before;             // only for sources of a lower version of MVI, or of an unknown
                                    // one; NULL: always
};

struct model {
    struct arena *arena;
    const char *name, *version;           // of the schema file
    struct model_collection *collections; // in the order of the file
    size_t n_collections;
    struct model_fixup *fixups;
    size_t n_fixups;
    const char **work_folders; // of the tool itself, below the data directory; never migrated
    size_t n_work_folders;
    const char **identity; // collections by which a database is recognised, best first
    size_t n_identity;
};

// `text` NULL reads the built-in schema. Checks that parents and references name declared
// collections of level TOP (so there is no cycle among parents), that templates make safe paths,
// that patterns compile. ERR_USAGE with the line.
int model_read(const char *name, const char *text, size_t len, struct model **out, struct err *e);
void model_free(struct model *m);
void model_cleanup(struct model **m);
#define AUTO_MODEL AUTO(model_cleanup)

const struct model_collection *model_find(const struct model *m, const char *name);
// Position in m->collections; (size_t)-1 when it is not declared.
size_t model_index(const struct model *m, const char *name);

// The directory of a file set, its {owner} filled in: "{owner}/datasets" -> "alice/datasets".
// NULL when it needs an owner and there is none. The owner has to be a safe component.
char *model_under(const struct model_files *f, const char *owner, struct arena *a);
// True when a name in that directory belongs to the object: f->name with {id} filled in.
bool model_name_matches(const struct model_files *f, const char *id, const char *name);
// The path below the data directory that a field's value stands for; NULL when it begins with none
// of the prefixes or is no safe path. Points into `value`.
const char *model_path_relative(const struct model_path *p, const char *value);
