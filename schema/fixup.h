// SPDX-License-Identifier: Apache-2.0
// expected(doc) = fixups(doc): the one pure function from a source document to what the destination
// should hold, used by the forecast, restore, verify, the digests and the base alike.
// It works on raw BSON (https://bsonspec.org/spec.html); everything but the string values it
// replaces is kept byte by byte, in order. What is looked at is the top level: every element is
// framed and bounded; of embedded documents and arrays only length and final zero are checked.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "schema/model.h"

struct fixups;
// Compiles those rules of the list that are for this collection (there may be none).
int fixups_compile(const struct model_fixup *rules, size_t n, const char *collection,
                   struct fixups **out, struct err *e);
void fixups_free(struct fixups *f);
bool fixups_empty(const struct fixups *f);
// 1: changed, `out` holds the new document and nothing else; 0: unchanged, `out` untouched;
// negative: ERR_DATA for a document that is not well formed (also when there is nothing to fix up),
// ERR_LIMIT from a pattern or when `out` would exceed its cap. A field that is missing, null or not
// a string is left alone. One struct fixups may serve many threads.
int fixups_apply(const struct fixups *f, const uint8_t *doc, size_t len, struct buf *out,
                 struct err *e);
