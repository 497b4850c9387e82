// SPDX-License-Identifier: Apache-2.0
// A document's _id as type and bytes, as a query, and as text that reads back byte-equal.
//
// Text: canonical extended JSON v2 where reading it back gives the same bytes, else "hex:" and the
// type byte and value in hexadecimal. Strings are written as plans/range.h writes them.
#pragma once

#include <bson/bson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct docid {
    uint8_t type;         // of BSON; 0: none
    const uint8_t *value; // borrowed from the document
    size_t len;
};

// 1 found, wherever in the document it stands; 0 there is none; -1 the document is damaged.
int docid_find(const uint8_t *doc, size_t len, struct docid *id);
bool docid_equal(const struct docid *a, const struct docid *b);
// Appends the document as a server stores it, with its _id in front and the rest in order. False,
// and nothing is appended, when that is the document itself: the _id stands there, or there is
// none.
bool docid_front(const uint8_t *doc, size_t len, struct buf *out);
// Appends to `out` the raw document {KEY: id}.
void docid_document(const struct docid *id, const char *key, struct buf *out);
// The filter {_id: {$eq: id}} into a fresh bson_t, which the caller destroys.
void docid_filter(const struct docid *id, bson_t *filter);
// The filter {_id: {$in: [...]}}. An _id that is a document whose first key begins with "$" cannot
// stand there (a server refuses such an _id anyway): it is left out.
void docid_filter_in(const struct docid *ids, size_t n, bson_t *filter);

void docid_text(const struct docid *id, struct buf *out);
// Reads what docid_text wrote, or any extended JSON value: {_id: value} into a fresh bson_t.
// ERR_DATA names what is wrong; `out` is then not initialised.
int docid_parse(const char *text, bson_t *out, struct err *e);
