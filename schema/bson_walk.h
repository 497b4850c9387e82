// SPDX-License-Identifier: Apache-2.0
// The top level of a raw BSON document, element by element, never past its bytes. Layers above use
// libbson; this one keeps fix-ups pure and free of it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bson_walk {
    const uint8_t *doc;
    size_t len;
    size_t at; // start of the next element
};
struct bson_element {
    uint8_t type;
    const char *name; // zero-terminated, in the document
    size_t start;     // of the element: its type byte
    size_t value;     // of the value's first byte
    size_t end;       // behind the value
    const char *text; // type 2 only: the string's bytes
    size_t text_len;  // without the final zero
};

// Checks that the document's own length is `len` and that it ends with a zero. ERR_DATA.
int bson_walk_begin(struct bson_walk *w, const uint8_t *doc, size_t len, struct err *e);
// 1: *el is the next element; 0: the document ended where it should; ERR_DATA with the offset.
int bson_walk_next(struct bson_walk *w, struct bson_element *el, struct err *e);
void bson_put_length(uint8_t *at, uint32_t value);
