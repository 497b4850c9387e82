// SPDX-License-Identifier: Apache-2.0
#include "site/library.h"

#include <archive.h>
#include <curl/curl.h>
#include <mongoc/mongoc.h>
#include <string.h>
#include <zstd.h>

void site_libraries(library_each *each, void *arg) {
    const char *archive = archive_version_string(); // "libarchive 3.6.2"
    const char *space = strchr(archive, ' ');
    each(arg, "libarchive", ARCHIVE_VERSION_ONLY_STRING, space != NULL ? space + 1 : archive);
    each(arg, "libcurl", LIBCURL_VERSION, curl_version_info(CURLVERSION_NOW)->version);
    each(arg, "libbson", BSON_VERSION_S, bson_get_version());
    each(arg, "libmongoc", MONGOC_VERSION_S, mongoc_get_version());
    each(arg, "libzstd", ZSTD_VERSION_STRING, ZSTD_versionString());
}
