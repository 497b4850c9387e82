// SPDX-License-Identifier: Apache-2.0
// What the files of `mvimig check` share: a line for each thing that was looked at.
#pragma once

#include "commands/command.h"
#include "commands/ends.h"
#include "plans/plan.h"

enum check_state { CHECK_OK, CHECK_NOTE, CHECK_BAD };

struct check {
    struct command_context *c;
    struct ends ends;
    struct model *model;
    struct plan *plan; // NULL: none was given
    json_t *rows;      // --json
    size_t n_ok, n_notes, n_bad;
    int first; // code of the first that is bad
};

// A line: `end` is "source", "destination" or "" (here). The text holds the mend.
void check_tell(struct check *k, const char *end, const char *what, enum check_state state,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));
// A line that is bad for this reason. Returns false, for `return check_bad(...)`.
bool check_bad(struct check *k, const char *end, const char *what, const struct err *e);

// Each tells what it sees, and true when one can go on from there.
bool check_source_files(struct check *k);      // data directory, unreadable files, work directory
bool check_destination_files(struct check *k); // tools, login, pods, exec, data directory, space
bool check_databases(struct check *k);         // login, versions, rights, clocks, space
void check_products(struct check *k);          // versions of MVI
// The plan's documents against what is free on MongoDB's disk (0: not known).
void check_mongo_room(struct check *k, uint64_t free);
