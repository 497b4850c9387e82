// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/must.h"
#include "site/mongo_private.h"

// libmongoc's own texts quote the URI, password and all, so they are not shown.
static int refuse(const struct mongo_options *o, struct err *e) {
    return err_set(e, ERR_USAGE,
                   "%s mongoUri cannot be read: expected mongodb://HOST[:PORT][/DB][?OPTIONS]; "
                   "in a user or password the characters : / ? # [ ] @ %% stand as %%XX, and "
                   "every option must be one that MongoDB knows",
                   o->label);
}

static bool set_login(const struct mongo_options *o, mongoc_uri_t *uri) {
    const char *user = secret_value(o->user), *password = secret_value(o->password);
    if (!user || !*user || mongoc_uri_get_username(uri)) {
        return true;
    }
    if (!mongoc_uri_set_username(uri, user) ||
        (password && !mongoc_uri_set_password(uri, password))) {
        return false;
    }
    return mongoc_uri_has_option(uri, MONGOC_URI_AUTHSOURCE) ||
           bson_has_field(mongoc_uri_get_credentials(uri), MONGOC_URI_AUTHSOURCE) ||
           mongoc_uri_set_auth_source(uri, o->database);
}

static bool set_tls(const struct mongo_options *o, mongoc_uri_t *uri) {
    if (!o->tls_ca_file && !o->tls_certificate_key_file) {
        return true;
    }
    return mongoc_uri_set_option_as_bool(uri, MONGOC_URI_TLS, true) &&
           (!o->tls_ca_file ||
            mongoc_uri_set_option_as_utf8(uri, MONGOC_URI_TLSCAFILE, o->tls_ca_file)) &&
           (!o->tls_certificate_key_file ||
            mongoc_uri_set_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE,
                                          o->tls_certificate_key_file));
}

static bool set_timeouts(const struct mongo_options *o, mongoc_uri_t *uri) {
    int select_ms = o->select_timeout_ms > 0 ? o->select_timeout_ms : 10000;
    return mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, select_ms) &&
           mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, false) &&
           (mongoc_uri_has_option(uri, MONGOC_URI_CONNECTTIMEOUTMS) ||
            mongoc_uri_set_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, select_ms));
}

int mongo_uri_make(const struct mongo_options *o, mongoc_uri_t **out, struct err *e) {
    bson_error_t be;
    const char *text = secret_value(o->uri);
    MUST(text);
    mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &be);
    if (!uri) {
        return refuse(o, e);
    }
    if (!set_login(o, uri) || !set_tls(o, uri) || !set_timeouts(o, uri) ||
        !mongoc_uri_set_appname(uri, "mvimig") || !mongoc_uri_set_compressors(uri, "")) {
        mongoc_uri_destroy(uri);
        return refuse(o, e);
    }
    *out = uri;
    return 0;
}

void mongo_uri_hosts(const mongoc_uri_t *uri, char *out, size_t size) {
    const char *srv = mongoc_uri_get_srv_hostname(uri);
    size_t used = 0;
    out[0] = '\0';
    if (srv) {
        (void)snprintf(out, size, "%s", srv);
        return;
    }
    for (const mongoc_host_list_t *h = mongoc_uri_get_hosts(uri); h && used < size; h = h->next) {
        used +=
            (size_t)snprintf(out + used, size - used, "%s%s", used ? "," : "", h->host_and_port);
    }
}
