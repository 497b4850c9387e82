// SPDX-License-Identifier: Apache-2.0
// The version of MVI at an end, as its user interface tells it without a login:
// GET {mviUrl}/api/version-info, whose "version" is "V.R.F" or "V.R.F-MORE".
#pragma once

#include <stdbool.h>

#include "base/err.h"

#define PRODUCT_VERSION_MAX 64

struct product_site {
    const char *label;   // "source"
    const char *url;     // mviUrl
    const char *ca_file; // NULL: the system's certificates
    bool insecure;       // its certificate is not checked: nothing secret is sent
};
// ERR_UNREACHABLE when nothing answers within 20 s, ERR_USAGE when its certificate is not trusted,
// ERR_DATA for another answer.
int product_version(const struct product_site *s, char out[PRODUCT_VERSION_MAX], struct err *e);
// Below 0, 0 or above 0 as a is older than b, the same or newer; what stands behind a '-' does not
// count.
int product_compare(const char *a, const char *b);
