// SPDX-License-Identifier: Apache-2.0
#include "base/library.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <yaml.h>

void base_libraries(library_each *each, void *arg) {
    each(arg, "jansson", JANSSON_VERSION, jansson_version_str());
    each(arg, "libcrypto", OPENSSL_VERSION_STR, OpenSSL_version(OPENSSL_VERSION_STRING));
    // Its header tells no version; MVIMIG_YAML_BUILT is that of pkg-config.
    each(arg, "libyaml", MVIMIG_YAML_BUILT, yaml_get_version_string());
}
