// SPDX-License-Identifier: Apache-2.0
#include "site/mongo.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/blocks.h"
#include "base/must.h"
#include "site/mongo_counters.h"
#include "site/mongo_private.h"

static const bson_mem_vtable_t driver_memory = {.malloc = blocks_malloc,
                                                .calloc = calloc,
                                                .realloc = blocks_realloc,
                                                .free = blocks_free,
                                                .aligned_alloc = aligned_alloc};

static void start_driver(void) {
    blocks_start();
    bson_mem_set_vtable(&driver_memory);
    // The driver would print warnings on its own, the first of them while it starts.
    mongoc_log_set_handler(NULL, NULL);
    mongoc_init();
    mongo_counters_forget(); // of 2.x, which makes them here
}

void mongo_driver_start(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    MUST(pthread_once(&once, start_driver) == 0);
}

static int mongo_client_make(const struct mongo_end *end, const mongoc_uri_t *uri,
                             mongoc_client_t **out, struct err *e) {
    bson_error_t be;
    mongoc_client_t *client = mongoc_client_new_from_uri_with_error(uri, &be);
    if (!client) {
        return err_set(e, ERR_UNREACHABLE, "%s mongodb at %s: no client for this URI: %s",
                       end->label, end->place, be.message);
    }
    mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
    mongo_dial(&end->dialer, client);
    *out = client;
    return 0;
}

int mongo_session(struct mongo_end *end, struct mongo **out, struct err *e) {
    mongoc_client_t *client = NULL;
    int rc = mongo_client_make(end, end->uri, &client, e);
    if (rc) {
        return rc;
    }
    struct mongo *m = must_calloc(1, sizeof *m);
    m->end = end;
    m->client = client;
    m->primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    blocks_keep();
    *out = m;
    return 0;
}

void mongo_be_patient(struct mongo *m) {
    m->patient = true;
}

void mongo_free(struct mongo *m) {
    if (!m) {
        return;
    }
    if (m->session) {
        mongoc_client_session_destroy(m->session);
    }
    mongoc_read_prefs_destroy(m->primary);
    mongoc_client_destroy(m->client);
    free(m->views);
    free(m);
    blocks_release();
}

void mongo_cleanup(struct mongo **m) {
    mongo_free(*m);
}

static int64_t number(const bson_t *doc, const char *name, int64_t otherwise) {
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_NUMBER(&it)
               ? bson_iter_as_int64(&it)
               : otherwise;
}

static int read_hello(struct mongo *m, struct err *e) {
    bson_error_t be;
    struct mongo_server *s = &m->end->server;
    mongoc_server_description_t *sd = mongoc_client_select_server(m->client, true, NULL, &be);
    if (!sd) {
        return mongo_fail(m->end, &be, NULL, NULL, e);
    }
    const bson_t *hello = mongoc_server_description_hello_response(sd);
    s->wire_version = (int)number(hello, "maxWireVersion", 0);
    s->replica_set = bson_has_field(hello, "setName");
    s->max_document = number(hello, "maxBsonObjectSize", 16 * 1024 * 1024);
    s->max_message = number(hello, "maxMessageSizeBytes", 48000000);
    s->max_batch = number(hello, "maxWriteBatchSize", 1000);
    mongoc_server_description_destroy(sd);
    return 0;
}

static int read_version(struct mongo *m, struct err *e) {
    bson_t command, reply;
    bson_iter_t it;
    bson_init(&command);
    BSON_APPEND_INT32(&command, "buildInfo", 1);
    int rc = mongo_command(m, &command, &reply, e);
    if (rc == 0 && bson_iter_init_find(&it, &reply, "version") && BSON_ITER_HOLDS_UTF8(&it)) {
        (void)snprintf(m->end->server.version, sizeof m->end->server.version, "%s",
                       bson_iter_utf8(&it, NULL));
    }
    bson_destroy(&command);
    bson_destroy(&reply);
    return rc;
}

// buildInfo is answered to anybody; this is not.
static int check_rights(struct mongo *m, struct err *e) {
    bson_t command, filter, reply;
    bson_init(&command);
    BSON_APPEND_INT32(&command, "listCollections", 1);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
    BSON_APPEND_UTF8(&filter, "name", "mvimig");
    bson_append_document_end(&command, &filter);
    BSON_APPEND_BOOL(&command, "nameOnly", true);
    BSON_APPEND_BOOL(&command, "authorizedCollections", true);
    int rc = mongo_command(m, &command, &reply, e);
    bson_destroy(&command);
    bson_destroy(&reply);
    return rc;
}

static int look_around(struct mongo_end *end, struct err *e) {
    AUTO_MONGO struct mongo *m = NULL;
    int rc = mongo_session(end, &m, e);
    if (rc == 0) {
        rc = read_hello(m, e);
    }
    if (rc == 0) {
        mongo_be_patient(m);
        rc = read_version(m, e);
    }
    return rc ? rc : check_rights(m, e);
}

int mongo_end_open(const struct mongo_options *o, struct mongo_end **out, struct err *e) {
    mongo_driver_start();
    mongoc_uri_t *uri = NULL;
    int rc = mongo_uri_make(o, &uri, e);
    if (rc) {
        return rc;
    }
    struct mongo_end *end = must_calloc(1, sizeof *end);
    end->uri = uri;
    end->dialer = o->dialer;
    end->retrying = o->retrying;
    end->retrying_arg = o->retrying_arg;
    mongo_uri_hosts(uri, end->server.host, sizeof end->server.host);
    end->label = must_strdup(o->label);
    end->database = must_strdup(o->database);
    end->place = must_sprintf("%s/%s", end->server.host, o->database);
    rc = look_around(end, e);
    if (rc) {
        mongo_end_close(end);
        return rc;
    }
    *out = end;
    return 0;
}

void mongo_end_close(struct mongo_end *end) {
    if (!end) {
        return;
    }
    mongoc_uri_destroy(end->uri);
    free(end->label);
    free(end->database);
    free(end->place);
    free(end);
}

const struct mongo_server *mongo_end_server(const struct mongo_end *end) {
    return &end->server;
}

const char *mongo_end_database(const struct mongo_end *end) {
    return end->database;
}
