// SPDX-License-Identifier: Apache-2.0
#include "site/mongo_state.h"

#include <stdio.h>
#include <string.h>

#include "site/mongo_private.h"

static const char *const reading[] = {"find", "listCollections", "listIndexes", "collStats"};
static const char *const writing[] = {"insert", "update", "remove"};
#define N(array) (sizeof(array) / sizeof *(array))
#define N_ACTIONS (N(reading) + N(writing))

static const char *action_name(size_t i) {
    return i < N(reading) ? reading[i] : writing[i - N(reading)];
}

static const char *text_of(bson_iter_t *in, const char *name) {
    bson_iter_t it;
    return bson_iter_recurse(in, &it) && bson_iter_find(&it, name) && BSON_ITER_HOLDS_UTF8(&it)
               ? bson_iter_utf8(&it, NULL)
               : NULL;
}

// A resource that holds all collections of the database: of this one, of all, or anything at all.
static bool covers(bson_iter_t *privilege, const char *database) {
    bson_iter_t it, any;
    if (!bson_iter_recurse(privilege, &it) || !bson_iter_find(&it, "resource")) {
        return false;
    }
    const char *db = text_of(&it, "db"), *collection = text_of(&it, "collection");
    if (bson_iter_recurse(&it, &any) && bson_iter_find(&any, "anyResource")) {
        return true;
    }
    return db && collection && !*collection && (!*db || strcmp(db, database) == 0);
}

static void note_actions(bson_iter_t *privilege, bool has[N_ACTIONS]) {
    bson_iter_t it, action;
    if (!bson_iter_recurse(privilege, &it) || !bson_iter_find(&it, "actions") ||
        !bson_iter_recurse(&it, &action)) {
        return;
    }
    while (bson_iter_next(&action)) {
        for (size_t i = 0; i < N_ACTIONS; i++) {
            has[i] = has[i] || (BSON_ITER_HOLDS_UTF8(&action) &&
                                strcmp(bson_iter_utf8(&action, NULL), action_name(i)) == 0);
        }
    }
}

static bool has_users(const bson_t *reply) {
    bson_iter_t it, users, one;
    return bson_iter_init(&it, reply) &&
           bson_iter_find_descendant(&it, "authInfo.authenticatedUsers", &users) &&
           bson_iter_recurse(&users, &one) && bson_iter_next(&one);
}

static void read_privileges(const bson_t *reply, const char *database, bool has[N_ACTIONS]) {
    bson_iter_t it, list, privilege;
    if (!bson_iter_init(&it, reply) ||
        !bson_iter_find_descendant(&it, "authInfo.authenticatedUserPrivileges", &list) ||
        !bson_iter_recurse(&list, &privilege)) {
        return;
    }
    while (bson_iter_next(&privilege)) {
        if (covers(&privilege, database)) {
            note_actions(&privilege, has);
        }
    }
}

int mongo_missing_rights(struct mongo *m, bool write, bool *login, char *missing, size_t size,
                         struct err *e) {
    bson_t command, reply;
    bool has[N_ACTIONS] = {false};
    size_t used = 0;
    missing[0] = 0;
    bson_init(&command);
    BSON_APPEND_INT32(&command, "connectionStatus", 1);
    BSON_APPEND_BOOL(&command, "showPrivileges", true);
    int rc = mongo_command(m, &command, &reply, e);
    if (rc == 0) {
        *login = has_users(&reply);
        read_privileges(&reply, m->end->database, has);
    }
    for (size_t i = 0; rc == 0 && *login && i < (write ? N_ACTIONS : N(reading)); i++) {
        if (!has[i] && used < size) {
            used += (size_t)snprintf(missing + used, size - used, "%s%s", used > 0 ? ", " : "",
                                     action_name(i));
        }
    }
    bson_destroy(&command);
    bson_destroy(&reply);
    return rc;
}

int mongo_clock(struct mongo *m, int64_t *ms, struct err *e) {
    bson_t command, reply;
    bson_iter_t it;
    bson_init(&command);
    BSON_APPEND_INT32(&command, "isMaster", 1);
    int rc = mongo_command(m, &command, &reply, e);
    if (rc == 0 && bson_iter_init_find(&it, &reply, "localTime") &&
        BSON_ITER_HOLDS_DATE_TIME(&it)) {
        *ms = bson_iter_date_time(&it);
    } else if (rc == 0) {
        rc = err_set(e, ERR_DATA, "%s mongodb at %s: it does not tell its time", m->end->label,
                     m->end->place);
    }
    bson_destroy(&command);
    bson_destroy(&reply);
    return rc;
}

static double number_of(const bson_t *reply, const char *name) {
    bson_iter_t it;
    return bson_iter_init_find(&it, reply, name) && BSON_ITER_HOLDS_NUMBER(&it)
               ? bson_iter_as_double(&it)
               : 0;
}

int mongo_free_bytes(struct mongo *m, uint64_t *bytes, struct err *e) {
    bson_t command, reply;
    bson_init(&command);
    BSON_APPEND_INT32(&command, "dbStats", 1);
    int rc = mongo_command(m, &command, &reply, e);
    *bytes = 0;
    if (rc == 0) {
        double free = number_of(&reply, "fsTotalSize") - number_of(&reply, "fsUsedSize");
        *bytes = free > 0 ? (uint64_t)free : 0;
    }
    bson_destroy(&command);
    bson_destroy(&reply);
    return rc;
}
