// SPDX-License-Identifier: Apache-2.0
#include "schema/config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/tempfile.h"
#include "schema/config_private.h"

#define CONFIG_MAX ((size_t)1 << 20)

const struct config_key config_keys[] = {
#define CONFIG_KEY(name, member, type, meaning) {name, meaning},
#include "schema/config.tbl.h"
#undef CONFIG_KEY
    {NULL, NULL},
};

int config_read(const char *path, struct config **out, struct err *e) {
    char *text = NULL;
    size_t len = 0;
    int rc = file_read(AT_FDCWD, path, CONFIG_MAX, &text, &len, e);
    if (rc != 0) {
        bool large = rc == ERR_LIMIT;
        err_append(e, large ? "; is it the network configuration?"
                            : "; the network configuration names the two ends (-c FILE)");
        return e->code = ERR_USAGE;
    }
    rc = config_parse(path, text, len, out, e);
    explicit_bzero(text, len);
    free(text);
    return rc;
}

static void end_free(struct end_config *end) {
    secret_free(end->mongo_uri);
    secret_free(end->mongo_user);
    secret_free(end->mongo_password);
    secret_free(end->cluster_token);
    for (size_t i = 0; end->files_command != NULL && end->files_command[i] != NULL; i++) {
        free(end->files_command[i]);
    }
    free(end->files_command);
    char *texts[] = {end->mongo_database,   end->data_dir,
                     end->mvi_url,          end->cluster_url,
                     end->cluster_project,  end->mongo_service,
                     end->files_pod,        end->kubeconfig,
                     end->tls_ca_file,      end->tls_certificate_key_file,
                     end->cluster_ca,       end->mongo_pod,
                     end->mongo_secret,     end->ssh_tunnel,
                     end->mongo_auth_source};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
}

void config_free(struct config *c) {
    if (c != NULL) {
        end_free(&c->source);
        end_free(&c->destination);
        free(c->path);
        free(c);
    }
}

void config_cleanup(struct config **c) {
    config_free(*c);
    *c = NULL;
}

static int hex_digit(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *at = c == 0 ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);
    return at == NULL ? -1 : (int)(at - digits);
}

// Percent-decoding; what is no escape stays.
static size_t uri_decode(const char *text, size_t len, char *out) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && i + 2 < len ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        out[n++] = low >= 0 ? (char)(high << 4 | low) : text[i];
        i += low >= 0 ? 2 : 0;
    }
    return n;
}

static void redact_text(struct redact *r, const char *text, size_t len) {
    struct secret *s = secret_new(text, len);
    redact_add(r, s);
    secret_free(s);
}

static void redact_uri(struct redact *r, const struct secret *uri) {
    size_t len = 0;
    const char *info = uri == NULL ? NULL : config_uri_userinfo(secret_value(uri), &len);
    const char *colon = info == NULL ? NULL : memchr(info, ':', len);
    if (colon == NULL) {
        return;
    }
    size_t n = len - (size_t)(colon + 1 - info);
    char *decoded = must_calloc(n + 1, 1);
    size_t decoded_len = uri_decode(colon + 1, n, decoded);
    redact_text(r, colon + 1, n);
    redact_text(r, decoded, decoded_len);
    explicit_bzero(decoded, n);
    free(decoded);
}

static void redact_end(struct redact *r, const struct end_config *end) {
    const struct secret *secrets[] = {end->mongo_password, end->cluster_token};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        if (secrets[i] != NULL) {
            redact_add(r, secrets[i]);
        }
    }
    redact_uri(r, end->mongo_uri);
}

void config_redact(const struct config *c, struct redact *r) {
    redact_end(r, &c->source);
    redact_end(r, &c->destination);
}
