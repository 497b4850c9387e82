// SPDX-License-Identifier: Apache-2.0
// What the parts of the compiler share. One struct compiling from the scope to the plan; the parts
// run one after the other, each adding its share:
//
//   closure.c          which objects the scope selects
//   sets.c             those objects in named sets; names.c: the names
//   steps_files.c      steps that move files, and sets of entries that no document names;
//                      steps_paths.c: files that objects name by their path
//   steps_delete.c     deletes, of documents and of files
//   steps_documents.c  dumps and restores; rules.c: which restores wait for which
//   steps_indexes.c    indexes
//   summary.c          the comment at the top; summary_table.c: its columns
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/strtab.h"
#include "compiler/compile.h"

#define NO_OBJECT ((size_t)-1)

// What the scope selects of inv->objects.
struct closure {
    bool *in;
    size_t *from; // the object that refers to one which was followed; NO_OBJECT otherwise
};

// A set of the plan that holds objects of one collection and owner.
struct object_set {
    size_t collection;
    const char *owner; // NULL: without
    bool files;        // its objects can have files: IDs and owner are safe for paths
    const char *name;  // "datasets/alice/0001"
    const char *label; // "alice/0001"
    const size_t *objects;
    size_t n;
};

struct compiling {
    const struct compile_options *options;
    const struct scope *scope;
    struct inventory *inv;
    const struct model *m;
    struct plan *plan;
    struct arena *arena;   // the plan's
    struct arena *scratch; // until the plan is made
    struct closure closure;
    struct object_set *sets;
    size_t n_sets, cap_sets;
    bool documents; // the plan has dumps and restores
    const struct plan_rules *rules;
};

// True when the scope takes documents of this collection: its level and class.
bool takes_collection(const struct compiling *c, size_t collection);
// The collection whose documents are the project groups; (size_t)-1 when the schema has none.
size_t projects_collection(const struct model *m);
bool scope_has(const struct scope_list *list, const char *item);

// --- closure.c
void closure_make(struct compiling *c);

// A finding that depends on the scope: into the inventory, and told to the caller.
void report_finding(const struct compiling *c, enum inv_finding_kind kind, const char *collection,
                    const char *id, const char *detail);

// --- names.c
// One component of a name: letters, digits and "._@+-" as they are, other bytes as %XX; "shared"
// for NULL, so that an owner of that name is written otherwise. Long ones end in a hash.
const char *name_component(struct arena *a, const char *text);
// A path with each component as above.
const char *name_path(struct arena *a, const char *path);
const char *last_component(const char *path);
// Text that may stand in a plan: as it is when it is UTF-8, else escaped.
const char *plan_text(struct arena *a, const char *text);

// --- sets.c
extern const struct cut_limits set_limits;
void sets_make(struct compiling *c);
// The sets of a collection, which stand side by side: first and number.
const struct object_set *sets_of(const struct compiling *c, size_t collection, size_t *n);
void set_add(struct compiling *c, const char *name, const char *comment, const char **ids,
             const char **id_comments, size_t n);
// "2 datasets", "1 dataset"
const char *count_of(struct arena *a, uint64_t n, const char *plural);

// --- steps_files.c; steps_paths.c
void steps_files_make(struct compiling *c);
// Entries of one directory, sorted by name, in sets "KIND/DIRECTORY/0001" ("KIND/0001" for "."),
// and a step for each.
struct named_entry {
    const char *name, *comment;
    struct inv_count count;
};
void entry_steps(struct compiling *c, const char *kind, const char *dir,
                 const struct named_entry *entries, size_t n);
void path_steps(struct compiling *c);

// --- steps.c
struct plan_step *step_add(struct compiling *c, enum step_kind_id kind, const char *id);
void step_needs(struct compiling *c, struct plan_step *s, const char *need);
enum conflict_policy step_policy(const struct compiling *c, enum conflict_policy otherwise);

// --- steps_documents.c: two calls, since the plan's file steps stand between them
void steps_dump_make(struct compiling *c);
void steps_restore_make(struct compiling *c);

// --- steps_delete.c: documents between the file steps and the restores, files behind all
bool base_fits(const struct compiling *c, const struct compile_base *base, const char *scope);
void steps_delete_documents_make(struct compiling *c);
void steps_delete_files_make(struct compiling *c);

// --- steps_indexes.c: behind the restores
void steps_index_make(struct compiling *c);

// --- scope_text.c
const char *scope_text(struct compiling *c);  // the options that ask for this scope, on one line
const char *scope_title(struct compiling *c); // in words

// --- summary.c
void summary_make(struct compiling *c);

// --- summary_table.c: rows of texts in columns, the first at the left, the others at the right
#define TABLE_COLUMNS 7
struct table {
    struct table_line {
        const char *cells[TABLE_COLUMNS]; // NULL: no more
    } * lines;
    size_t n, cap;
    struct arena *arena;
};
// Cells up to a NULL, which is the last argument.
void table_row(struct table *t, ...) __attribute__((sentinel));
void table_put(const struct table *t, struct buf *out);
