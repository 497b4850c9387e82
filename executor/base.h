// SPDX-License-Identifier: Apache-2.0
// The base of a pass: what earlier passes, and earlier migrations between the same ends (the plan's
// `base`, looked for beside its work directory), have laid at the destination. With it source and
// destination are compared three ways: what stands at the destination as the base left it is ours
// to update or delete; all else is somebody's, and is a conflict.
//
// Memory: 32 bytes for each record of a collection that is asked about, kept until the end of the
// run. Any thread may ask.
#pragma once

#include "plans/plan.h"

struct base;
// Opens the work directories that plan->base names; NULL in *out when it names none. ERR_PLAN when
// one is missing: nothing that was planned with it can be done without.
int base_open(const struct plan *p, int workdir_fd, struct base **out, struct err *e);
void base_close(struct base *b);

// *ours: the base has laid exactly this under this key (key and sum as in executor/laid.h).
// `collection` NULL: files. Without a base (b NULL) nothing is ours.
int base_has(struct base *b, const char *collection, const void *key, size_t len,
             const uint8_t *sum, bool *ours, struct err *e);
// Every record of a collection; the same key may come more than once.
int base_each(struct base *b, const char *collection,
              int (*each)(void *arg, const uint8_t *key, size_t len, const uint8_t *sum,
                          struct err *e),
              void *arg, struct err *e);
