// SPDX-License-Identifier: Apache-2.0
#include "site/product_version.h"

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "base/must.h"

#define ANSWER_MAX ((size_t)64 << 10)
#define CONNECT_S 10L
#define WHOLE_S 20L
#define REDIRECTS 3L

static void start_curl(void) {
    MUST(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
}

// Less than what came ends the transfer.
static size_t take(char *data, size_t one, size_t n, void *arg) {
    struct err ignored = {0};
    return buf_append(arg, data, one * n, &ignored) == 0 ? one * n : 0;
}

static void set_options(CURL *c, const struct product_site *s, const char *url, struct buf *answer,
                        char why[CURL_ERROR_SIZE]) {
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, WHOLE_S);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "https,http");
#else
    curl_easy_setopt(c, CURLOPT_PROTOCOLS, CURLPROTO_HTTPS | CURLPROTO_HTTP);
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTPS | CURLPROTO_HTTP);
#endif
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, s->insecure ? 0L : 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, s->insecure ? 0L : 2L);
    if (s->ca_file != NULL) {
        curl_easy_setopt(c, CURLOPT_CAINFO, s->ca_file);
    }
}

static int explain(const struct product_site *s, CURLcode code, const char *why, struct err *e) {
    char shown[CURL_ERROR_SIZE * 4];
    const char *text = why[0] != 0 ? why : curl_easy_strerror(code);
    escape_into(shown, sizeof shown, text, strlen(text));
    bool trust = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
    return err_set(e, trust ? ERR_USAGE : ERR_UNREACHABLE, "%s mviUrl %s: %s; %s", s->label, s->url,
                   shown,
                   trust ? "give the CA of its certificate as clusterCA"
                         : "check the address, proxy and firewall");
}

static int read_answer(const struct product_site *s, long status, struct buf *answer,
                       char out[PRODUCT_VERSION_MAX], struct err *e) {
    json_t *all = json_loadb(buf_str(answer), answer->len, 0, NULL);
    const char *version = json_string_value(json_object_get(all, "version"));
    size_t len = version == NULL ? 0 : strlen(version);
    int rc = 0;
    if (status != 200 || len == 0 || len >= PRODUCT_VERSION_MAX || version[0] < '0' ||
        version[0] > '9') {
        rc = err_set(e, ERR_DATA,
                     "%s mviUrl %s: status %ld and no version from /api/version-info; give the "
                     "address under which MVI is opened in a browser",
                     s->label, s->url, status);
    } else {
        escape_into(out, PRODUCT_VERSION_MAX, version, len);
    }
    json_decref(all);
    return rc;
}

int product_version(const struct product_site *s, char out[PRODUCT_VERSION_MAX], struct err *e) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    MUST(pthread_once(&once, start_curl) == 0);
    AUTO_BUF struct buf answer = BUF_INIT(ANSWER_MAX);
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;
    size_t len = strlen(s->url);
    while (len > 0 && s->url[len - 1] == '/') {
        len--;
    }
    AUTO_FREE char *url = must_sprintf("%.*s/api/version-info", (int)len, s->url);
    CURL *c = curl_easy_init();
    MUST(c != NULL);
    set_options(c, s, url, &answer, why);
    CURLcode code = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(c);
    return code == CURLE_OK ? read_answer(s, status, &answer, out, e) : explain(s, code, why, e);
}

int product_compare(const char *a, const char *b) {
    for (;;) {
        char *end_a, *end_b;
        unsigned long x = strtoul(a, &end_a, 10), y = strtoul(b, &end_b, 10);
        if (x != y) {
            return x < y ? -1 : 1;
        }
        if (*end_a != '.' && *end_b != '.') {
            return 0;
        }
        a = *end_a == '.' ? end_a + 1 : "0";
        b = *end_b == '.' ? end_b + 1 : "0";
    }
}
