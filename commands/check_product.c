// SPDX-License-Identifier: Apache-2.0
// The versions of MVI itself: documents and files of a newer one are not made for an older.
#include "commands/check.h"
#include "site/product_version.h"

static bool read_version(struct check *k, const struct end_config *end,
                         char version[PRODUCT_VERSION_MAX]) {
    const struct product_site s = {.label = end->label,
                                   .url = end->mvi_url,
                                   .ca_file = end->cluster_ca,
                                   .insecure = k->c->options->insecure};
    struct err e = {0};
    if (end->mvi_url == NULL) {
        check_tell(k, end->label, "MVI", CHECK_NOTE,
                   "its version is not known; give mviUrl to have the two compared");
        return false;
    }
    if (product_version(&s, version, &e) != 0)
        return check_bad(k, end->label, "MVI", &e);
    check_tell(k, end->label, "MVI", CHECK_OK, "%s", version);
    return true;
}

void check_products(struct check *k) {
    char source[PRODUCT_VERSION_MAX], destination[PRODUCT_VERSION_MAX];
    struct err e = {0};
    bool known = read_version(k, &k->ends.config->source, source);
    known = read_version(k, &k->ends.config->destination, destination) && known;
    if (known && product_compare(destination, source) < 0) {
        err_set(&e, ERR_USAGE,
                "the destination's MVI (%s) is older than the source's (%s): bring it up to that "
                "version first",
                destination, source);
        check_bad(k, "", "MVI", &e);
    }
}
