// SPDX-License-Identifier: Apache-2.0
// Connections through a tunnel: the URI keeps the server's own name, which TLS checks, and only the
// socket is another one.
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "site/mongo_private.h"

#define SEND_BUFFER 1024 // as the driver's own initiator has it

static mongoc_stream_t *fail(bson_error_t *error, const mongoc_host_list_t *host,
                             const char *what) {
    bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "%s: %s",
                   host->host_and_port, what);
    return NULL;
}

static mongoc_stream_t *connect_to(const struct tunnel_address *to, int timeout_ms) {
    mongoc_socket_t *sock = mongoc_socket_new(to->sa.ss_family, SOCK_STREAM, 0);
    if (!sock) {
        return NULL;
    }
    int64_t expires = bson_get_monotonic_time() + (int64_t)timeout_ms * 1000;
    if (mongoc_socket_connect(sock, (const struct sockaddr *)&to->sa, to->len, expires) != 0) {
        mongoc_socket_destroy(sock);
        return NULL;
    }
    return mongoc_stream_socket_new(sock);
}

static bool option(const mongoc_uri_t *uri, const char *name) {
    return mongoc_uri_get_option_as_bool(uri, name, false);
}

// The stream is the result's from now on, or destroyed.
static mongoc_stream_t *wrap_tls(mongoc_stream_t *base, const mongoc_uri_t *uri, const char *host,
                                 int timeout_ms, bson_error_t *error) {
    bool insecure = option(uri, MONGOC_URI_TLSINSECURE);
    mongoc_ssl_opt_t o = *mongoc_ssl_opt_get_default();
    o.ca_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCAFILE, NULL);
    o.pem_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, NULL);
    o.pem_pwd = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD, NULL);
    o.weak_cert_validation = insecure || option(uri, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES);
    o.allow_invalid_hostname = insecure || option(uri, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES);
    mongoc_stream_t *tls = mongoc_stream_tls_new_with_hostname(base, host, &o, 1);
    if (!tls) {
        mongoc_stream_destroy(base);
        bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET,
                       "TLS cannot be set up with the CA or certificate that was given");
        return NULL;
    }
    if (!mongoc_stream_tls_handshake_block(tls, host, timeout_ms, error)) {
        mongoc_stream_destroy(tls);
        return NULL;
    }
    return tls;
}

static mongoc_stream_t *initiate(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                 void *user_data, bson_error_t *error) {
    const struct mongo_dialer *d = user_data;
    int timeout = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, 10000);
    int64_t began = clock_mono_ns();
    struct tunnel_address to;
    if (!d->address(d->arg, host->host_and_port, timeout, &to)) {
        return fail(error, host, "its tunnel is not up");
    }
    timeout -= (int)((clock_mono_ns() - began) / 1000000);
    mongoc_stream_t *stream = connect_to(&to, timeout > 0 ? timeout : 1);
    if (!stream) {
        return fail(error, host, "its tunnel takes no connection: connection refused");
    }
    if (mongoc_uri_get_tls(uri)) {
        stream = wrap_tls(stream, uri, host->host, timeout > 0 ? timeout : 1, error);
    }
    return stream ? mongoc_stream_buffered_new(stream, SEND_BUFFER) : NULL;
}

void mongo_dial(const struct mongo_dialer *dialer, mongoc_client_t *client) {
    if (dialer->address) {
        mongoc_client_set_stream_initiator(client, initiate, (void *)dialer);
    }
}

int mongo_hello(const struct mongo_options *o, int timeout_ms, bool *secondary, struct err *e) {
    bson_error_t be = {0};
    mongoc_uri_t *uri = NULL;
    struct mongo_options anonymous = *o;
    anonymous.user = NULL;
    anonymous.password = NULL;
    anonymous.select_timeout_ms = timeout_ms;
    mongo_driver_start();
    int rc = mongo_uri_make(&anonymous, &uri, e);
    if (rc) {
        return rc;
    }
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, true);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, timeout_ms);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, timeout_ms);
    mongoc_client_t *client = mongoc_client_new_from_uri_with_error(uri, &be);
    mongoc_server_description_t *sd = NULL;
    if (client) {
        mongo_dial(&o->dialer, client);
        sd = mongoc_client_select_server(client, false, NULL, &be);
    }
    if (!sd) {
        err_set(e, ERR_RETRY, "MongoDB does not answer behind it: %s", be.message);
    } else {
        const char *type = mongoc_server_description_type(sd);
        *secondary = strncmp(type, "RS", 2) == 0 && strcmp(type, "RSPrimary") != 0;
        mongoc_server_description_destroy(sd);
    }
    if (client) {
        mongoc_client_destroy(client);
    }
    mongoc_uri_destroy(uri);
    return sd ? 0 : e->code;
}

int mongo_hosts(const struct mongo_options *o, char *out, size_t size, struct err *e) {
    mongoc_uri_t *uri = NULL;
    mongo_driver_start();
    int rc = mongo_uri_make(o, &uri, e);
    if (rc == 0) {
        mongo_uri_hosts(uri, out, size);
        mongoc_uri_destroy(uri);
    }
    return rc;
}
