// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <unistd.h>

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

// A password with a bare @, / or ? makes the rest of itself look like a host, which texts do show.
static bool login_is_encoded(const char *text) {
    const char *authority = strstr(text, "://");
    if (!authority) {
        return false;
    }
    authority += 3;
    size_t len = strcspn(authority, "/?");
    const char *at = memchr(authority, '@', len);
    return at ? !memchr(at + 1, '@', len - (size_t)(at + 1 - authority))
              : !strchr(authority + len, '@');
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
           mongoc_uri_set_auth_source(uri, o->auth_source ? o->auth_source : o->database);
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

// The driver would only say "connection error" later.
static int check_file(const struct mongo_options *o, const mongoc_uri_t *uri, const char *option,
                      struct err *e) {
    const char *path = mongoc_uri_get_option_as_utf8(uri, option, NULL);
    if (path && access(path, R_OK) != 0) {
        return err_sys(e, ERR_USAGE, errno, "%s mongodb: %s %s cannot be read", o->label, option,
                       path);
    }
    return 0;
}

int mongo_uri_make(const struct mongo_options *o, mongoc_uri_t **out, struct err *e) {
    bson_error_t be;
    const char *text = secret_value(o->uri);
    MUST(text);
    mongoc_uri_t *uri = login_is_encoded(text) ? mongoc_uri_new_with_error(text, &be) : NULL;
    if (!uri) {
        return refuse(o, e);
    }
    if (!set_login(o, uri) || !set_tls(o, uri) || !set_timeouts(o, uri) ||
        !mongoc_uri_set_appname(uri, "mvimig") || !mongoc_uri_set_compressors(uri, "")) {
        mongoc_uri_destroy(uri);
        return refuse(o, e);
    }
    if (check_file(o, uri, MONGOC_URI_TLSCAFILE, e) ||
        check_file(o, uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, e)) {
        mongoc_uri_destroy(uri);
        return e->code;
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
