// SPDX-License-Identifier: Apache-2.0
// The server and the driver say little when a login or a connection fails: "Authentication failed."
// stands for a wrong password, an unknown user and a wrong authSource alike, and a server that
// wants TLS just hangs up. A second question, without the credentials, tells them apart.
#include <string.h>

#include "base/escape.h"
#include "base/must.h"
#include "site/mongo_private.h"

#define PROBE_MS 2000

// The end's URI less user, password and everything that belongs to them.
static mongoc_uri_t *anonymous_uri(const struct mongo_end *end, bool tls) {
    char hosts[sizeof end->server.host];
    mongo_uri_hosts(end->uri, hosts, sizeof hosts);
    AUTO_FREE char *text = must_sprintf(
        "mongodb%s://%s/?serverSelectionTryOnce=true&serverSelectionTimeoutMS=%d"
        "&connectTimeoutMS=%d&socketTimeoutMS=%d",
        mongoc_uri_get_srv_hostname(end->uri) ? "+srv" : "", hosts, PROBE_MS, PROBE_MS, PROBE_MS);
    mongoc_uri_t *uri = mongoc_uri_new(text);
    if (uri && tls) {
        mongoc_uri_set_option_as_bool(uri, MONGOC_URI_TLS, true);
        mongoc_uri_set_option_as_bool(uri, MONGOC_URI_TLSINSECURE, true);
    }
    return uri;
}

static const char *uri_option(const struct mongo_end *end, const char *name) {
    return mongoc_uri_get_option_as_utf8(end->uri, name, NULL);
}

// As the end's own client does it, so that a probe passes where the client would.
static void same_tls(const struct mongo_end *end, mongoc_uri_t *uri) {
    const char *key = uri_option(end, MONGOC_URI_TLSCERTIFICATEKEYFILE);
    if (key) {
        mongoc_uri_set_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, key);
    }
}

// 1: the user is known in that database, 0: it is not, -1: the server does not tell.
static int user_known(mongoc_client_t *client, const char *database, const char *user) {
    AUTO_FREE char *name = must_sprintf("%s.%s", database, user);
    bson_t command, reply;
    bson_error_t be;
    bson_init(&command);
    BSON_APPEND_INT32(&command, "isMaster", 1);
    BSON_APPEND_UTF8(&command, "saslSupportedMechs", name);
    int known = -1;
    if (mongoc_client_command_simple(client, "admin", &command, NULL, &reply, &be)) {
        known = bson_has_field(&reply, "saslSupportedMechs");
    }
    bson_destroy(&command);
    bson_destroy(&reply);
    return known;
}

static void explain_login(const struct mongo_end *end, mongoc_client_t *client, struct err *e) {
    const char *user = mongoc_uri_get_username(end->uri);
    const char *source = mongoc_uri_get_auth_source(end->uri);
    char name[256], where[256];
    escape_into(name, sizeof name, user, strlen(user));
    escape_into(where, sizeof where, source, strlen(source));
    int known = user_known(client, source, user);
    if (known == 1) {
        err_append(e, "; the user %s is known in %s, so the password is wrong", name, where);
        return;
    }
    if (known < 0) {
        err_append(e, "; check user, password and authSource (%s)", where);
        return;
    }
    err_append(e, "; the user %s is not known in the database %s (authSource)", name, where);
    const char *others[] = {"admin", end->database};
    for (size_t i = 0; i < 2; i++) {
        if (strcmp(others[i], source) != 0 && user_known(client, others[i], user) == 1) {
            err_append(e, " but in %s: give mongoAuthSource %s (in a mongoUri: authSource=%s)",
                       others[i], others[i], others[i]);
            return;
        }
    }
    err_append(e, ": check the user's name, or name its database with mongoAuthSource");
}

void mongo_probe_login(const struct mongo_end *end, struct err *e) {
    if (!mongoc_uri_get_username(end->uri)) {
        return;
    }
    mongoc_uri_t *uri = anonymous_uri(end, mongoc_uri_get_tls(end->uri));
    if (uri) {
        same_tls(end, uri);
    }
    mongoc_client_t *client = uri ? mongoc_client_new_from_uri(uri) : NULL;
    if (client) {
        mongo_dial(&end->dialer, client);
        explain_login(end, client, e);
        mongoc_client_destroy(client);
    }
    mongoc_uri_destroy(uri);
}

enum answer { ANSWER_NONE, ANSWER_HELLO, ANSWER_HUNG_UP };

// Says hello without a login. ANSWER_HUNG_UP: over TLS, the server took the handshake and then
// closed, which is how it refuses a client without a certificate.
static enum answer ask_hello(const struct mongo_end *end, bool tls) {
    bson_error_t be = {0};
    mongoc_uri_t *uri = anonymous_uri(end, tls);
    mongoc_client_t *client = uri ? mongoc_client_new_from_uri(uri) : NULL;
    if (client) {
        mongo_dial(&end->dialer, client);
    }
    mongoc_server_description_t *sd =
        client ? mongoc_client_select_server(client, false, NULL, &be) : NULL;
    enum answer answer = sd ? ANSWER_HELLO : ANSWER_NONE;
    if (tls && strstr(be.message, "length header")) {
        answer = ANSWER_HUNG_UP;
    }
    if (sd) {
        mongoc_server_description_destroy(sd);
    }
    if (client) {
        mongoc_client_destroy(client);
    }
    mongoc_uri_destroy(uri);
    return answer;
}

struct symptom {
    const char *text; // in the driver's message
    const char *mend;
};
static const struct symptom symptoms[] = {
    {"Failed to resolve", "the host name cannot be resolved: check it in mongoUri, or the DNS"},
    {"connection refused", "connection refused: nothing listens there; check host and port, and "
                           "that mongod or the port-forward runs"},
    {"has expired", "TLS: the server's certificate has expired: have it renewed"},
    {"mismatch", "TLS: the server's certificate is not made out for this host: use the name that "
                 "it carries"},
    {"certificate verify failed", "TLS: the server's certificate is not trusted: give the CA that "
                                  "signed it (tlsCAFile)"},
    {"certificate verification", "TLS: the server's certificate is not made out for this host: "
                                 "use the name that it carries"},
    {"connection timeout", "no answer in time: check host, port and firewall"},
    {"socket timeout", "no answer in time: check host, port and firewall"},
};

static const char *mend_of_tls(const struct mongo_end *end) {
    if (mongoc_uri_get_tls(end->uri)) {
        return ask_hello(end, false) == ANSWER_HELLO
                   ? "the server does not speak TLS: take tls=true out of mongoUri"
                   : "TLS: the server hangs up: give a client certificate that it accepts "
                     "(tlsCertificateKeyFile)";
    }
    switch (ask_hello(end, true)) {
    case ANSWER_HELLO:
        return "the server wants TLS: add tls=true to mongoUri, and its CA (tlsCAFile)";
    case ANSWER_HUNG_UP:
        return "the server wants TLS with a client certificate: give tlsCertificateKeyFile and "
               "tlsCAFile";
    case ANSWER_NONE:
        break;
    }
    return NULL;
}

static const char *mend_for(const struct mongo_end *end, const char *driver_text) {
    for (size_t i = 0; i < sizeof symptoms / sizeof *symptoms; i++) {
        if (strcasestr(driver_text, symptoms[i].text)) {
            return symptoms[i].mend;
        }
    }
    const char *mend = strchr(driver_text, '[') ? mend_of_tls(end) : NULL;
    if (!mend && mongoc_uri_get_replica_set(end->uri)) {
        mend = "no primary was found: check the replica set's name in mongoUri and its state";
    }
    return mend ? mend : "check that host and port are those of a MongoDB server";
}

void mongo_probe_unreachable(const struct mongo_end *end, const char *driver_text, struct err *e) {
    char safe[500];
    escape_into(safe, sizeof safe, driver_text, strlen(driver_text));
    err_append(e, ": %s [%s]", mend_for(end, driver_text), safe);
}
