// SPDX-License-Identifier: Apache-2.0
// MongoDB at one end of a migration: a thin, strict face of libmongoc for what mvimig does.
//
// A struct mongo_end is where the server is and how to log in; it is shared by threads. A struct
// mongo is one session (one client) and belongs to one thread. Documents pass as raw BSON bytes.
// Errors: ERR_LOGIN when refused, ERR_UNREACHABLE when no server answers within the time given,
// ERR_RETRY for a passing failure (network, stepdown, timeout, cursor gone), ERR_FAILED otherwise;
// texts name the end ("destination mongodb at HOST:PORT/DB: ...") and never a password.
//
// Everything is read from the primary, whatever the URI prefers: a secondary that lags would tell
// of documents that are not there yet. No compressors are asked for.
#pragma once

#include <bson/bson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "site/bson_id.h"
#include "site/tunnel.h"

// How servers are reached that are not reached by their names from here.
struct mongo_dialer {
    // Where a connection to the server that the URI calls `host` ("HOST:PORT") is to be made; false
    // when that is not known within the timeout. From any thread. NULL: by its name.
    bool (*address)(void *arg, const char *host, int timeout_ms, struct tunnel_address *out);
    void *arg;
};

struct mongo_options {
    const char *label;                    // "source", "destination"
    const struct secret *uri;             // mongodb://...
    const struct secret *user, *password; // used when the URI has none
    const char *auth_source;              // of `user`, when the URI names none; NULL: database
    const char *database;                 // where MVI's collections are; also the default
                                          // authSource of `user`
    const char *tls_ca_file, *tls_certificate_key_file;
    int select_timeout_ms; // to find a server; default 10,000
    // Told of each failure after which a patient session asks again; from any thread. NULL: nobody.
    void (*retrying)(void *arg, const char *text);
    void *retrying_arg;
    struct mongo_dialer dialer; // copied; its argument must live as long as the end
};
// Has the server say hello, without a login, within the timeout: ERR_RETRY. *secondary: it is a
// member of a replica set that takes no writes.
int mongo_hello(const struct mongo_options *o, int timeout_ms, bool *secondary, struct err *e);
// The hosts of the URI, "HOST:PORT,HOST:PORT".
int mongo_hosts(const struct mongo_options *o, char *out, size_t size, struct err *e);

struct mongo_server {
    char host[300];                               // "HOST:PORT" or a list, for people
    char version[32];                             // "4.2.6"
    int wire_version;                             // maxWireVersion
    bool replica_set;                             // member of one
    int64_t max_document, max_message, max_batch; // maxBsonObjectSize, maxMessageSizeBytes, ...
};

struct mongo_end;
// Connects: login, hello, buildInfo. Nobody who answers is ERR_UNREACHABLE at once; what breaks
// behind that, the login for one, is asked again as by a patient session. The wire version must be
// one libmongoc speaks.
int mongo_end_open(const struct mongo_options *o, struct mongo_end **out, struct err *e);
void mongo_end_close(struct mongo_end *end); // after all its sessions
const struct mongo_server *mongo_end_server(const struct mongo_end *end);
const char *mongo_end_database(const struct mongo_end *end);

struct mongo;
int mongo_session(struct mongo_end *end, struct mongo **out, struct err *e);
void mongo_free(struct mongo *m);
// For callers that have no attempts of their own: questions (reads but for the continuation of a
// cursor) that fail in passing are asked again with the waits of base/backoff.h, then
// ERR_UNREACHABLE. ERR_RETRY is left for an answer that broke off after its first part was given.
void mongo_be_patient(struct mongo *m);
void mongo_cleanup(struct mongo **m);
#define AUTO_MONGO AUTO(mongo_cleanup)

// "COLLECTION=uuid" of the first collection of `identity` that exists in the database (the UUIDs of
// listCollections, MongoDB manual "listCollections"); "" when none does.
int mongo_fingerprint(struct mongo *m, const char *const *identity, size_t n, char *out,
                      size_t size, struct err *e);
// True when any collection has the same UUID at both ends: then it is one database.
int mongo_same_database(struct mongo *a, struct mongo *b, bool *same, struct err *e);

struct mongo_query {
    const char *collection;
    const bson_t *filter, *projection, *sort, *hint; // NULL: none
    const bson_t *min, *max;                         // with hint; min inclusive, max exclusive
    int64_t limit;                                   // 0: none
    int32_t batch_size;                              // 0: the server's own
};
// Calls `each` with every document; a negative result of it ends the query and is returned.
// The bytes are valid only during the call. Length prefix and frame are checked before.
// A collection that is not there has no documents.
int mongo_find(struct mongo *m, const struct mongo_query *q,
               int (*each)(void *arg, const uint8_t *doc, size_t len, struct err *e), void *arg,
               struct err *e);
// One document by _id-like filter: 1 found (copied into `out`), 0 not there, negative error.
struct buf;
int mongo_find_one(struct mongo *m, const char *collection, const bson_t *filter, struct buf *out,
                   struct err *e);
// A read command on the database; `reply` is initialised by the callee, destroyed by the caller.
int mongo_command(struct mongo *m, const bson_t *command, bson_t *reply, struct err *e);

struct mongo_collection_info {
    bool exists;               // as a collection; a view does not count
    uint64_t documents, bytes; // collStats: count, size
    uint64_t average;          // avgObjSize
};
int mongo_collection_info(struct mongo *m, const char *collection,
                          struct mongo_collection_info *out, struct err *e);
// Calls back with each index's specification, and with each collection's name (views left out).
// A negative result ends it and is returned.
int mongo_indexes(struct mongo *m, const char *collection,
                  int (*each)(void *arg, const bson_t *spec), void *arg, struct err *e);
int mongo_collections(struct mongo *m, int (*each)(void *arg, const char *name), void *arg,
                      struct err *e);
// What mongodump keeps of a collection in COLLECTION.metadata.json (options, indexes, UUID), as
// canonical extended JSON, appended. ERR_NOTFOUND when it is not there.
int mongo_metadata(struct mongo *m, const char *collection, struct buf *json, struct err *e);
// A {FIELD: 1} index (alone or as the first key) to be used as a hint; false when there is none.
// Indexes that do not hold every document with a value there (partial, sparse, hidden) or compare
// in another way (collation, text, hashed) do not count. `hint` is initialised by the callee.
int mongo_index_on(struct mongo *m, const char *collection, const char *field, bool *there,
                   bson_t *hint, struct err *e);

struct mongo_write_error {
    uint32_t index;                  // in the batch
    int32_t code;                    // 11000: duplicate key
    bson_t *key_pattern, *key_value; // of a duplicate key; NULL when the server does not say
    char *text;                      // the server's message, escaped, cut at 1 kB
};
struct mongo_insert_reply {
    uint64_t inserted; // n
    struct mongo_write_error *errors;
    size_t n_errors;
};
#define MONGO_DUPLICATE_KEY 11000
// Makes an index by a specification that createIndexes takes, w:majority, j:true; one that is there
// alike is no error. ERR_REJECTED: a unique one that the documents break; `duplicate` is then the
// value that stands there more than once, by field, empty when the server does not say. It is
// initialised by the callee in any case.
int mongo_create_index(struct mongo *m, const char *collection, const bson_t *spec,
                       bson_t *duplicate, struct err *e);
void mongo_insert_reply_clear(struct mongo_insert_reply *r);
// Unordered insert with w:majority, j:true, no client-side validation: the documents arrive byte
// for byte. 0 only when the reply is complete: n + writeErrors = the number sent and there is no
// writeConcernError. ERR_RETRY: the outcome is unknown or not yet durable; compare before sending
// again (a standalone server has no retryable writes). Each document must have an _id. At most
// 1,000 documents, and 8 MiB or one larger document, so that it is one command.
int mongo_insert(struct mongo *m, const char *collection, const uint8_t *const *docs,
                 const size_t *lens, size_t n, struct mongo_insert_reply *reply, struct err *e);
// Deletes the one document that has this _id; w:majority, j:true. *deleted is 0 or 1.
int mongo_delete_id(struct mongo *m, const char *collection, const struct docid *id, int *deleted,
                    struct err *e);
// Changes the one document that has this _id: `update` is an update document or, as an array, a
// pipeline; w:majority, j:true. *matched is 0 or 1. ERR_REJECTED: the server says no.
int mongo_update_id(struct mongo *m, const char *collection, const struct docid *id,
                    const bson_t *update, int *matched, struct err *e);
// Waits until all that this server has acknowledged so far is durable (w:majority, j:true), by a
// write that changes nothing. For documents that were found there: an earlier attempt whose reply
// was lost may have put them there a moment ago.
int mongo_settle(struct mongo *m, const char *collection, struct err *e);
