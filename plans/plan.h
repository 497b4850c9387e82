// SPDX-License-Identifier: Apache-2.0
// The plan: the whole truth of what a migration will do, and the contract between the compiler,
// which writes it, and the executor, which does exactly it. docs/plan-format.md is its manual.
//
// A struct plan and everything in it live in its arena and are not changed once validated.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/problems.h"
#include "schema/scope.h"

enum step_kind_id {
#define STEPKIND(id, ...) KIND_##id,
#include "plans/kinds.tbl.h"
#undef STEPKIND
    N_STEP_KINDS
};

// Ends, as far as they are used.
enum {
    ENDS_SOURCE_DB = 1 << 0,
    ENDS_DESTINATION_DB = 1 << 1,
    ENDS_SOURCE_FILES = 1 << 2,
    ENDS_DESTINATION_FILES = 1 << 3,
    ENDS_DB = ENDS_SOURCE_DB | ENDS_DESTINATION_DB,
    ENDS_FILES = ENDS_SOURCE_FILES | ENDS_DESTINATION_FILES,
    ENDS_ALL = ENDS_DB | ENDS_FILES,
};

enum step_param {
    P_UNDER = 1 << 0,      // under: directory below the data directory, "." for all of it
    P_SET = 1 << 1,        // set: name of a set, or of several by a prefix that ends in "/"
    P_EXCEPT = 1 << 2,     // except: list of paths below the data directory, inside `under`, that
                           // this step leaves to others
    P_NAME = 1 << 3,       // name: "{id}*" or "{id}.zip": files of the set's IDs in `under`
    P_COLLECTION = 1 << 4, // collection:
    P_BY = 1 << 5,         // by: field whose value is looked up in the set (default _id)
    P_RANGE = 1 << 6,      // from_id: (inclusive), to_id: (exclusive), see plans/range.h; neither,
                           // and no set: the whole collection
    P_ORPHANS = 1 << 7,    // orphansOf: with a range and a set: documents whose `by` value is no
                           // _id of that collection at the source go along too
    P_FROM = 1 << 8,       // from: the dump step whose documents are restored
    P_CONFLICT = 1 << 9,   // onConflict: keep | replace | fail
    P_BACKUP = 1 << 11, // backup: SHA-256 of the dump file that `mvimig restore` made of a backup;
                        // the step takes that file in place of the source's documents
    P_MAX = 1 << 10,    // max: a number; a step that would delete more deletes nothing and fails
    P_INDEX = 1 << 12,  // index: its specification as createIndexes takes it, extended JSON
};

// Caps on what a plan may hold. Texts (IDs of objects, paths, bounds) are cut by the reader's own
// limit; step IDs and names of sets are labels.
#define PLAN_TEXT_MAX 65536
#define PLAN_LABEL_MAX 1024
#define PLAN_STEPS_MAX 50000
#define PLAN_PASS_MAX 1000000
// Pairs of steps of which one waits for the other by its own `needs`.
#define PLAN_PAIRS_MAX 50000000

struct plan_kind {
    const char *name;
    const char *shape; // of its nodes in a graph, for Graphviz
    enum step_kind_id id;
    int version;
    unsigned params, required;        // P_ flags
    enum conflict_policy on_conflict; // when a step does not say
    unsigned ends;                    // ENDS_ flags: what a step of it opens
};
extern const struct plan_kind plan_kinds[N_STEP_KINDS];

struct plan_set {
    const char *name;
    const char *comment;      // behind the name, for people; NULL when none
    const char **ids;         // as in the file: string IDs; valid UTF-8, at most PLAN_TEXT_MAX
    const char **id_comments; // may be NULL, or hold NULLs
    const int *id_lines;      // NULL when not read from a file
    size_t n, cap;
    int line;
};

struct plan_expect { // what the scan saw; not part of the hash
    bool any;
    uint64_t files, documents, bytes;
};

struct plan_step {
    const char *id;
    enum step_kind_id kind;
    int line;
    const char *comment;
    const char **needs; // step IDs, or prefixes ending in "/"
    size_t n_needs;
    const char *under, *set, *name, *collection, *by, *from_id, *to_id, *orphans_of, *from, *max,
        *backup, *index;
    const char **except;
    size_t n_except;
    enum conflict_policy on_conflict;
    struct plan_expect expect;
    // Filled by plan_validate:
    uint8_t hash[HASH_SIZE];
    char hash_text[HASH_HEX];
    // What it waits for, as it is written: a step's index, or n_steps + a group's index; a step may
    // be named more than once. plan_deps multiplies it out.
    size_t *deps;
    size_t n_deps;
    size_t from_index;            // restore: the dump step; (size_t)-1 otherwise
    const struct plan_set **sets; // the sets that `set` names
    size_t n_sets;
};

// The steps at positions lo <= i < hi of plan->steps_by_id, less `self` ((size_t)-1: none): all
// below one prefix. Thousands of steps that need "files/" share one.
struct plan_group {
    size_t lo, hi, self;
};

struct plan_end {
    const char *server, *database, *root, *fingerprint; // no secret; see inventory.h
};

struct plan_fixup {
    const char *collection, *field, *pattern, *replacement;
};

// Positions in the order of the texts' bytes, for look-ups. Filled by plan_validate.
struct plan_index {
    size_t *order;
    size_t n;
};

struct plan {
    struct arena *arena;
    const char *name;  // [A-Za-z0-9][A-Za-z0-9._-]{0,62}
    int pass;          // from 1
    const char **base; // earlier migrations of this pair of ends
    size_t n_base;
    const char *scope; // what was asked for, one line, for people
    struct plan_end source, destination;
    struct plan_fixup *fixups;
    size_t n_fixups;
    const char **excludes; // PCRE2 patterns on file paths
    size_t n_excludes;
    const char *comment; // the summary at the top, lines separated by \n, for people
    struct plan_set *sets;
    size_t n_sets, cap_sets;
    struct plan_step *steps; // in the order of the file
    size_t n_steps, cap_steps;
    struct plan_group *groups; // that steps wait for; filled by plan_validate
    size_t n_groups;
    char digest[HASH_HEX]; // SHA-256 of the file's bytes (plan_read), "" otherwise
    const char *file;      // for messages: the name given to plan_read; NULL: made here
    struct plan_index steps_by_id, sets_by_name;
};

struct plan *plan_new(void);
void plan_free(struct plan *p);
void plan_cleanup(struct plan **p);
#define AUTO_PLAN AUTO(plan_cleanup)

// Writes the canonical text: same plan, same bytes. plans/emit.c describes the format. Comments may
// hold any bytes; every other text must be valid UTF-8 (MUST: YAML has no form for what is not).
void plan_emit(const struct plan *p, struct buf *out);

// Reads a plan. All problems at once: ERR_PLAN with the first ten lines of them in the text and all
// in `problems` (may be NULL). The result is validated (plan_validate, without rules: whoever has a
// schema calls plan_validate again with its rules). Comments are kept where plan_emit writes them.
int plan_read(const char *name, const char *text, size_t len, struct plan **out,
              struct problems *problems, struct err *e);
// ERR_USAGE when there is no such file or it cannot be read, else as plan_read.
int plan_read_file(const char *path, struct plan **out, struct err *e);

// Which order must hold between collections; filled from the schema by the caller, so that plans/
// checks edited plans without knowing MVI. Documents never arrive before their files, parents last.
struct plan_rules {
    // Restores of `collection` must wait for restores of `child`, when the plan has both.
    const struct plan_order { const char *collection, *child; } * orders;
    size_t n_orders;
    // Restores of these collections must wait for every file step of the plan.
    const char *const *with_files;
    size_t n_with_files;
};

// Resolves needs, sets and `from`, computes hashes, and checks everything that can be checked
// without the ends: unknown sets and steps, cycles, ranges of one collection that overlap or leave
// gaps, paths outside the root, two steps that write the same thing, and the rules (may be NULL).
// ERR_PLAN as plan_read. May be called again, with other rules.
int plan_validate(struct plan *p, const struct plan_rules *rules, struct problems *problems,
                  struct err *e);

// SHA-256 of kind, kind version, pass and resolved parameters (sets expanded and sorted, fix-ups,
// excludes, conflict policy; for a restore the hash of its dump). Not of id, needs, comments,
// expectations. Called by plan_validate.
void plan_hash_steps(struct plan *p);

// An ID that a set can hold: UTF-8 without a zero byte, at most PLAN_TEXT_MAX bytes. A document
// whose string _id is none is never left out by a set: it goes with those that belong to no object.
bool plan_id_ok(const char *id, size_t len);
// A name of a migration: [A-Za-z0-9][A-Za-z0-9._-]{0,62}.
bool plan_name_ok(const char *name);

// The indexes of the steps that a step of a validated plan waits for, ascending, each once, in
// `out`, which has room for n_steps of them. Returns their number.
size_t plan_deps(const struct plan *p, size_t step, size_t *out);

size_t plan_find_step(const struct plan *p, const char *id); // (size_t)-1 when there is none
// All IDs of a step's sets in a table for look-ups (value 1); the caller frees it.
struct strtab;
struct strtab *plan_step_ids(const struct plan_step *s);

// The graph in DOT, large plans folded by stage; the difference of two plans by meaning (objects
// and steps gained, lost, changed), as lines of text; NULL-safe on comments.
void plan_graph(const struct plan *p, struct buf *out);
void plan_diff(const struct plan *old, const struct plan *new, struct buf *out);
