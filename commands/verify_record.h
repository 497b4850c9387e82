// SPDX-License-Identifier: Apache-2.0
// What a verify has found so far, in WORKDIR/verify.ndjson, so that one that was killed goes on
// behind the steps that it had compared to their end. A line of JSON each:
//
//     {"type":"verify","plan":DIGEST,"checksum":false,"live":false,"began":TIME}
//     {"type":"difference","step":ID,"object":...,"id":...,"what":...,"detail":...}
//     {"type":"step","step":ID,"hash":HASH,"attempts":N,"compared":N,"same":N,"differ":N,"changed":N}
//     {"type":"end"}
//
// The file of a verify that came to its end stays for people until the next begins. Nothing rests
// on it but time saved: a line that is torn, or does not fit, is as if it were not there.
#pragma once

#include "executor/verify.h"

#define VERIFY_FILE "verify.ndjson"

struct verify_record;

// Marks in passed[] the steps of an unfinished record that fits: the same plan and options, each
// step done by the same attempt. Their differences are told to `difference` again, their counts
// added to `before`. began: when that verify began, "" when this is a new one; the record's own.
int verify_record_open(struct run *r, bool live, bool *passed, struct verify_outcome *before,
                       int (*difference)(void *arg, const struct plan_step *s,
                                         const struct step_difference *d, struct err *e),
                       void *arg, struct verify_record **out, struct err *e);
const char *verify_record_began(const struct verify_record *v);
int verify_record_difference(struct verify_record *v, const struct plan_step *s,
                             const struct step_difference *d, struct err *e);
int verify_record_step(struct verify_record *v, const struct plan_step *s, int64_t attempts,
                       const struct step_verify *sv, struct err *e);
int verify_record_end(struct verify_record *v, struct err *e);
void verify_record_close(struct verify_record *v); // safe on NULL
