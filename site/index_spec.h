// SPDX-License-Identifier: Apache-2.0
// Specifications of indexes, from servers of any age. Before MongoDB 3.4 a key's value could be
// anything, and options that no server knew were kept; createIndexes of today refuses both.
#pragma once

#include <bson/bson.h>
#include <stdbool.h>

// True for the index of _id that every collection has by itself.
bool index_spec_is_id(const bson_t *spec);

// A specification as listIndexes tells it, made into one that createIndexes takes, in a fresh
// bson_t: `v` and `ns` are the server's own matter and left out, and so is `background`; unknown
// options are left out; a key's value that is no number and no text, or is zero or "", becomes 1 as
// old servers took it (mongorestore --convertLegacyIndexes does the same: mongo-tools,
// common/bsonutil/indexes.go). True: something was changed that a person should see.
bool index_spec_convert(const bson_t *spec, bson_t *out);

enum index_match {
    INDEX_OTHER,   // has nothing to do with the wanted one
    INDEX_DIFFERS, // the same key (and collation) with other options, or the name with another key
    INDEX_SAME,
};
// Both converted. The name does not count for INDEX_SAME.
enum index_match index_spec_match(const bson_t *wanted, const bson_t *there);
