// SPDX-License-Identifier: Apache-2.0
// Raw BSON (https://bsonspec.org/spec.html) as it comes from files and servers: where a document
// ends, which elements it has, whether it is well formed. Nothing here allocates or copies.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOC_MIN 5u
#define DOC_SERVER_MAX (16u * 1024 * 1024)    // what a server stores
#define DOC_MAX (DOC_SERVER_MAX + 16u * 1024) // what a server may send
#define DOC_DEPTH_MAX 256                     // servers stop at 200

// The length that the prefix promises; 0 when it is outside DOC_MIN..DOC_MAX. `data` has at least
// four bytes.
uint32_t doc_length(const uint8_t *data);
// True when prefix, length and final zero fit.
bool doc_framed(const uint8_t *data, size_t len);

struct doc_element {
    uint8_t type;
    const char *name; // zero-terminated
    const uint8_t *value;
    size_t value_len;
    const uint8_t *start; // of the element: its type byte
};
struct doc_iter {
    const uint8_t *at, *end; // end: the final zero
};
// Walks the elements of a framed document. doc_next: 1 an element, 0 the end, -1 damaged.
void doc_iter_init(struct doc_iter *it, const uint8_t *doc, size_t len);
int doc_next(struct doc_iter *it, struct doc_element *el);
// 1 found, 0 not there, -1 damaged before it was found.
int doc_find(const uint8_t *doc, size_t len, const char *name, struct doc_element *el);

// The whole document with all that is nested in it: lengths, types, final zeros, booleans, depth.
// NULL when it is well formed, else what is wrong, and *offset where.
const char *doc_check(const uint8_t *doc, size_t len, size_t *offset);
