// SPDX-License-Identifier: Apache-2.0
// Queries by the plain commands find and getMore, and their replies framed here: the driver's own
// cursor takes a damaged batch for the end of the result.
#include <string.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/stop.h"
#include "site/bson_frame.h"
#include "site/mongo_private.h"

// A cursor can be continued only in the session that opened it; a server without sessions has none.
static void need_session(struct mongo *m) {
    if (m->session) {
        return;
    }
    bson_error_t ignored;
    mongoc_session_opt_t *opts = mongoc_session_opts_new();
    mongoc_session_opts_set_causal_consistency(opts, false);
    m->session = mongoc_client_start_session(m->client, opts, &ignored);
    mongoc_session_opts_destroy(opts);
}

static int run_once(struct mongo *m, const bson_t *command, const char *what, bool in_session,
                    bson_t *reply, struct err *e) {
    bson_error_t be;
    bson_t opts;
    bson_init(&opts);
    if (in_session && m->session) {
        MUST(mongoc_client_session_append(m->session, &opts, &be));
    }
    bool ok = mongoc_client_read_command_with_opts(m->client, m->end->database, command, m->primary,
                                                   &opts, reply, &be);
    bson_destroy(&opts);
    return ok ? 0 : mongo_fail(m->end, &be, reply, what, e);
}

// True after a wait: the same question may be asked again.
static bool wait_patiently(const struct mongo *m, struct backoff *b, struct err *e) {
    if (!m->patient || (e->code != ERR_RETRY && e->code != ERR_UNREACHABLE)) {
        return false;
    }
    int64_t wait = backoff_next(b);
    if (wait < 0) {
        e->code = ERR_UNREACHABLE;
        err_append(e, " (given up after %d attempts)", BACKOFF_ATTEMPTS);
        return false;
    }
    if (m->end->retrying) {
        AUTO_FREE char *text =
            must_sprintf("%s; trying again in %.1f s", e->text, (double)wait / 1000);
        m->end->retrying(m->end->retrying_arg, text);
    }
    clock_sleep_ms(wait);
    if (stop_asked()) {
        err_set(e, stop_error(), "stopped while waiting to ask again");
    }
    return !stop_asked();
}

// One question; `reply` is to be destroyed also after a failure.
static int ask(struct mongo *m, const bson_t *command, const char *what, bool in_session,
               bson_t *reply, struct err *e) {
    struct backoff backoff = {0};
    for (;;) {
        struct err failure = {0};
        int rc = run_once(m, command, what, in_session, reply, &failure);
        if (rc == 0) {
            return 0;
        }
        if (!wait_patiently(m, &backoff, &failure)) {
            *e = failure;
            return e->code;
        }
        bson_destroy(reply);
    }
}

int mongo_command(struct mongo *m, const bson_t *command, bson_t *reply, struct err *e) {
    bson_iter_t it;
    const char *name =
        bson_iter_init(&it, command) && bson_iter_next(&it) ? bson_iter_key(&it) : NULL;
    return ask(m, command, name, false, reply, e);
}

static void kill_cursor(struct mongo *m, const char *collection, int64_t cursor) {
    bson_t command, list, reply;
    struct err ignored = {0};
    bson_init(&command);
    BSON_APPEND_UTF8(&command, "killCursors", collection);
    BSON_APPEND_ARRAY_BEGIN(&command, "cursors", &list);
    BSON_APPEND_INT64(&list, "0", cursor);
    bson_append_array_end(&command, &list);
    (void)run_once(m, &command, NULL, true, &reply, &ignored);
    bson_destroy(&command);
    bson_destroy(&reply);
}

static int damaged(const struct mongo *m, const char *collection, struct err *e) {
    return err_set(e, ERR_DATA,
                   "%s mongodb at %s: %s: the server's answer is damaged BSON; if it is so again, "
                   "have mongod validate the collection there",
                   m->end->label, m->end->place, collection);
}

struct page {
    int64_t cursor; // 0: no more
    const uint8_t *batch;
    size_t batch_len;
};

static bool read_page(const bson_t *reply, struct page *p) {
    struct doc_element cursor, el;
    if (doc_find(bson_get_data(reply), reply->len, "cursor", &cursor) != 1 ||
        cursor.type != BSON_TYPE_DOCUMENT) {
        return false;
    }
    if (doc_find(cursor.value, cursor.value_len, "id", &el) != 1 || el.type != BSON_TYPE_INT64) {
        return false;
    }
    memcpy(&p->cursor, el.value, sizeof p->cursor);
    p->cursor = (int64_t)BSON_UINT64_FROM_LE((uint64_t)p->cursor);
    if (doc_find(cursor.value, cursor.value_len, "firstBatch", &el) != 1 &&
        doc_find(cursor.value, cursor.value_len, "nextBatch", &el) != 1) {
        return false;
    }
    p->batch = el.value;
    p->batch_len = el.value_len;
    return el.type == BSON_TYPE_ARRAY;
}

static int hand_out(struct mongo *m, const char *collection, const struct page *p, mongo_each *each,
                    void *arg, struct err *e) {
    struct doc_iter it;
    struct doc_element el;
    int rc;
    doc_iter_init(&it, p->batch, p->batch_len);
    while ((rc = doc_next(&it, &el)) > 0) {
        if (el.type != BSON_TYPE_DOCUMENT) {
            return damaged(m, collection, e);
        }
        rc = each(arg, el.value, el.value_len, e);
        if (rc < 0) {
            return rc;
        }
    }
    return rc < 0 ? damaged(m, collection, e) : 0;
}

static void get_more(bson_t *command, const char *collection, const struct page *p,
                     int32_t batch_size) {
    bson_init(command);
    BSON_APPEND_INT64(command, "getMore", p->cursor);
    BSON_APPEND_UTF8(command, "collection", collection);
    if (batch_size > 0) {
        BSON_APPEND_INT32(command, "batchSize", batch_size);
    }
}

static int drain_replies(struct mongo *m, const bson_t *first, const char *collection,
                         int32_t batch_size, mongo_each *each, void *arg, struct err *e) {
    struct page p = {0};
    bson_t command, reply;
    bson_copy_to(first, &command);
    for (;;) {
        // What a cursor has left is known to the connection that broke.
        int rc = p.cursor == 0 ? ask(m, &command, collection, true, &reply, e)
                               : run_once(m, &command, collection, true, &reply, e);
        int64_t open_cursor = p.cursor;
        if (rc == 0) {
            rc = read_page(&reply, &p) ? hand_out(m, collection, &p, each, arg, e)
                                       : damaged(m, collection, e);
            open_cursor = p.cursor;
        }
        bson_destroy(&command);
        bson_destroy(&reply);
        if (rc) {
            if (open_cursor && rc != ERR_RETRY) {
                kill_cursor(m, collection, open_cursor);
            }
            return rc;
        }
        if (p.cursor == 0) {
            return 0;
        }
        get_more(&command, collection, &p, batch_size);
    }
}

int mongo_drain(struct mongo *m, const bson_t *command, const char *collection, int32_t batch_size,
                mongo_each *each, void *arg, struct err *e) {
    need_session(m);
    return drain_replies(m, command, collection, batch_size, each, arg, e);
}

static void append_part(bson_t *command, const char *name, const bson_t *part) {
    if (part) {
        MUST(bson_append_document(command, name, -1, part));
    }
}

int mongo_find(struct mongo *m, const struct mongo_query *q, mongo_each *each, void *arg,
               struct err *e) {
    bson_t command;
    bson_init(&command);
    BSON_APPEND_UTF8(&command, "find", q->collection);
    append_part(&command, "filter", q->filter);
    append_part(&command, "projection", q->projection);
    append_part(&command, "sort", q->sort);
    append_part(&command, "hint", q->hint);
    append_part(&command, "min", q->min);
    append_part(&command, "max", q->max);
    if (q->limit > 0) {
        BSON_APPEND_INT64(&command, "limit", q->limit);
    }
    if (q->batch_size > 0) {
        BSON_APPEND_INT32(&command, "batchSize", q->batch_size);
    }
    int rc = mongo_drain(m, &command, q->collection, q->batch_size, each, arg, e);
    bson_destroy(&command);
    return rc;
}

struct keep_one {
    struct buf *out;
    bool found;
};

static int keep_document(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct keep_one *k = arg;
    if (k->found) {
        return 0;
    }
    k->found = true;
    buf_clear(k->out);
    return buf_append(k->out, doc, len, e);
}

int mongo_find_one(struct mongo *m, const char *collection, const bson_t *filter, struct buf *out,
                   struct err *e) {
    struct keep_one k = {.out = out};
    struct mongo_query q = {
        .collection = collection, .filter = filter, .limit = 1, .batch_size = 2};
    int rc = mongo_find(m, &q, keep_document, &k, e);
    return rc < 0 ? rc : k.found;
}
