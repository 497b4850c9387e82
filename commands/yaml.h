// SPDX-License-Identifier: Apache-2.0
// JSON values as YAML for people: block style, keys in the order they were put in, strings by the
// rules of a written plan (plans/scalar.h), so that no value can become another one.
#pragma once

#include <jansson.h>

#include "base/buf.h"

// Appends a mapping or sequence, with a newline behind its last line. Only what manifests are made
// of: mappings, sequences, valid UTF-8, whole numbers, truth values (MUST).
void yaml_put(struct buf *out, const json_t *value);
