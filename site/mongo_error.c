// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/escape.h"
#include "base/must.h"
#include "site/mongo_private.h"

#define TEXT_MAX 700

enum {
    UNAUTHORIZED = 13,
    AUTHENTICATION_FAILED = 18,
};

// Codes of the server (mongo/base/error_codes.yml) that pass: the twelve of the retryable writes
// specification, and those of cursors, plans and locks that were taken away.
static const int passing[] = {
    6,     // HostUnreachable
    7,     // HostNotFound
    24,    // LockTimeout
    43,    // CursorNotFound
    50,    // MaxTimeMSExpired
    64,    // WriteConcernFailed: not yet durable everywhere
    89,    // NetworkTimeout
    91,    // ShutdownInProgress
    112,   // WriteConflict
    133,   // FailedToSatisfyReadPreference
    134,   // ReadConcernMajorityNotAvailableYet
    175,   // QueryPlanKilled
    189,   // PrimarySteppedDown
    202,   // NetworkInterfaceExceededTimeLimit
    237,   // CursorKilled
    262,   // ExceededTimeLimit
    290,   // TransactionExceededLifetimeLimitSeconds
    358,   // InternalTransactionNotSupported: of a stepdown in between
    384,   // ConnectionError
    9001,  // SocketException
    10107, // NotWritablePrimary
    11600, // InterruptedAtShutdown
    11601, // Interrupted
    11602, // InterruptedDueToReplStateChange
    13435, // NotPrimaryNoSecondaryOk
    13436, // NotPrimaryOrSecondary
};

int mongo_class_of(int server_code) {
    if (server_code == UNAUTHORIZED || server_code == AUTHENTICATION_FAILED) {
        return ERR_LOGIN;
    }
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        if (passing[i] == server_code) {
            return ERR_RETRY;
        }
    }
    return ERR_FAILED;
}

static int say(const struct mongo_end *end, int class, const char *what, const char *text,
               struct err *e) {
    char safe[TEXT_MAX];
    escape_into(safe, sizeof safe, text, strlen(text));
    return err_set(e, class, "%s mongodb at %s: %s%s%s", end->label, end->place, what ? what : "",
                   what ? ": " : "", safe);
}

static bool has(const char *text, const char *part) {
    return strstr(text, part) != NULL;
}

static int say_unauthorized(const struct mongo_end *end, const char *what, const char *text,
                            struct err *e) {
    bool anonymous = !mongoc_uri_get_username(end->uri);
    const char *command = strstr(text, " { "); // all of it follows, of no use here
    AUTO_FREE char *head = must_strndup(text, command ? (size_t)(command - text) : strlen(text));
    say(end, ERR_LOGIN, what, head, e);
    if (anonymous || has(text, "requires authentication")) {
        return err_append(e, "; the server asks for a login: set mongoUser and mongoPW, or put "
                             "them into mongoUri");
    }
    return err_append(e,
                      "; the user may log in but lacks this right: grant it readWrite on %s "
                      "(the source needs read)",
                      end->database);
}

int mongo_fail_code(const struct mongo_end *end, int code, const char *text, const char *what,
                    struct err *e) {
    if (code == UNAUTHORIZED) {
        return say_unauthorized(end, what, text, e);
    }
    say(end, mongo_class_of(code), what, text, e);
    return err_append(e, " (code %d)", code);
}

// The driver gives every failure during the login this code, a broken connection as well.
static bool login_broke(const char *text) {
    return has(text, "socket error or timeout") || has(text, "Failed to send") ||
           has(text, "Failed to read") || has(text, "Failed to write");
}

static int fail_login(const struct mongo_end *end, const char *text, struct err *e) {
    if (login_broke(text)) {
        return say(end, ERR_RETRY, "login", text, e);
    }
    size_t len = strlen(text); // "Authentication failed.", and more of the sentence comes
    AUTO_FREE char *head = must_strndup(text, len && text[len - 1] == '.' ? len - 1 : len);
    say(end, ERR_LOGIN, "login refused", head, e);
    mongo_probe_login(end, e);
    return e->code;
}

// The driver names both numbers: what the server has and what the driver knows.
static int fail_version(const struct mongo_end *end, const char *text, struct err *e) {
    if (has(text, "only supports up to")) {
        say(end, ERR_FAILED, "this server is too new for the MongoDB library here", text, e);
        return err_append(e,
                          "; the library is libmongoc %s: take an mvimig built with a newer one "
                          "(`mvimig version` tells which)",
                          mongoc_get_version());
    }
    say(end, ERR_FAILED, "this server is older than MongoDB 3.6", text, e);
    if (strcmp(end->label, "destination") == 0) {
        return err_append(e, "; MVI has to be brought to a newer one there first");
    }
    return err_append(e,
                      "; bring its data by an archive of its own tools: on that server mongodump "
                      "--db %s --archive=FILE, then here `mvimig restore FILE`",
                      end->database);
}

// Domain and code differ between "the first server met" and "none of those known will do".
static bool is_version(const bson_error_t *be) {
    return (be->domain == MONGOC_ERROR_PROTOCOL &&
            be->code == MONGOC_ERROR_PROTOCOL_BAD_WIRE_VERSION) ||
           (be->domain == MONGOC_ERROR_SERVER_SELECTION &&
            be->code == MONGOC_ERROR_SERVER_SELECTION_BAD_WIRE_VERSION);
}

static int fail_selection(const struct mongo_end *end, const bson_error_t *be, struct err *e) {
    say(end, ERR_UNREACHABLE, NULL, "cannot be reached", e);
    mongo_probe_unreachable(end, be->message, e);
    return e->code;
}

static int reply_code(const bson_t *reply) {
    bson_iter_t it;
    return reply && bson_iter_init_find(&it, reply, "code") && BSON_ITER_HOLDS_NUMBER(&it)
               ? (int)bson_iter_as_int64(&it)
               : 0;
}

int mongo_fail(const struct mongo_end *end, const bson_error_t *be, const bson_t *reply,
               const char *what, struct err *e) {
    int code = reply_code(reply);
    if (be->domain == MONGOC_ERROR_CLIENT && be->code == MONGOC_ERROR_CLIENT_AUTHENTICATE) {
        return fail_login(end, be->message, e);
    }
    if (is_version(be)) {
        return fail_version(end, be->message, e);
    }
    if (be->domain == MONGOC_ERROR_SERVER_SELECTION) {
        return fail_selection(end, be, e);
    }
    if (be->domain == MONGOC_ERROR_STREAM || be->domain == MONGOC_ERROR_PROTOCOL ||
        has(be->message, "invalidated server")) {
        return say(end, ERR_RETRY, what, be->message, e);
    }
    if (code || be->domain == MONGOC_ERROR_SERVER || be->domain == MONGOC_ERROR_WRITE_CONCERN) {
        return mongo_fail_code(end, code ? code : (int)be->code, be->message, what, e);
    }
    return say(end, ERR_FAILED, what, be->message, e);
}
