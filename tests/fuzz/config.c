// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as a network configuration. What is refused says so with ERR_USAGE or
// ERR_IO (a file that it names) and a text; what is accepted is taken into the redactor.
//
//     clang ... -fsanitize=fuzzer,address,undefined tests/fuzz/config.c schema/config*.c
//         base/*.c ... -o config
//     ./config -dict=tests/fuzz/config.dict CORPUS tests/fuzz/config_corpus
#include <stdint.h>
#include <stdlib.h>

#include "base/secret.h"
#include "schema/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct end_config *end) {
    MUST(end->label != NULL && end->mongo_database != NULL);
    MUST(end->kind == END_DIRECT || end->kind == END_STANDALONE || end->kind == END_CLUSTER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_CONFIG struct config *c = NULL;
    struct err e = {0};
    unsetenv("MIGMGR_MOUNTPOINT");
    int rc = config_parse("config", (const char *)data, size, &c, &e);
    if (rc != 0) {
        MUST((rc == ERR_USAGE || rc == ERR_IO) && e.code == rc && e.text[0] != 0 && c == NULL);
        return 0;
    }
    look_at(&c->source);
    look_at(&c->destination);
    struct redact *r = redact_new();
    config_redact(c, r);
    redact_free(r);
    return 0;
}
