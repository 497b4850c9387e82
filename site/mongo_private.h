// SPDX-License-Identifier: Apache-2.0
// What the files of site/mongo*.c share.
#pragma once

#include <mongoc/mongoc.h>

#include "base/err.h"
#include "site/mongo.h"

struct mongo_end {
    char *label;
    char *place; // "HOST:PORT/DB", for texts
    char *database;
    mongoc_uri_t *uri; // with the password: never printed
    int select_timeout_ms;
    struct mongo_server server;
    struct mongo_dialer dialer;
    void (*retrying)(void *arg, const char *text);
    void *retrying_arg;
};

struct mongo {
    struct mongo_end *end; // borrowed
    mongoc_client_t *client;
    bool patient;
    mongoc_client_session_t *session; // of the queries: a cursor belongs to one; NULL until needed
    mongoc_read_prefs_t *primary;
    bson_t *views; // scratch of mongo_insert
    size_t n_views;
};

// Builds the driver's URI from the options (mongo_uri.c). ERR_USAGE without the URI's text.
int mongo_uri_make(const struct mongo_options *o, mongoc_uri_t **out, struct err *e);
// "HOST:PORT" or a list.
void mongo_uri_hosts(const mongoc_uri_t *uri, char *out, size_t size);

// Before any other call of the driver.
void mongo_driver_start(void);
// Has the client connect as the dialer says, which must outlive it.
void mongo_dial(const struct mongo_dialer *dialer, mongoc_client_t *client);

// Turns the driver's error into ours (mongo_error.c): "LABEL mongodb at PLACE: WHAT: ...". `what`
// may be NULL. `reply` (may be NULL) is the server's, for its code.
int mongo_fail(const struct mongo_end *end, const bson_error_t *be, const bson_t *reply,
               const char *what, struct err *e);
// As above, for an error code of the server that stands in a reply with ok:1.
int mongo_fail_code(const struct mongo_end *end, int code, const char *text, const char *what,
                    struct err *e);
// The error code of ours for a code of the server.
int mongo_class_of(int server_code);

// Why a login or a connection failed, found out by asking again without the credentials
// (mongo_probe.c); appends the mend to the text.
void mongo_probe_login(const struct mongo_end *end, struct err *e);
void mongo_probe_unreachable(const struct mongo_end *end, const char *driver_text, struct err *e);

// Runs a command that answers with a cursor and drains it, frames checked (mongo_find.c).
typedef int mongo_each(void *arg, const uint8_t *doc, size_t len, struct err *e);
int mongo_drain(struct mongo *m, const bson_t *command, const char *collection, int32_t batch_size,
                mongo_each *each, void *arg, struct err *e);

// The write concern of everything that is written.
void mongo_append_write_concern(bson_t *opts);
