// SPDX-License-Identifier: Apache-2.0
#include "executor/parts.h"

#include <stdlib.h>
#include <string.h>

// The step's hash says nothing of the migration and its source.
void parts_token(const struct plan *p, const uint8_t step[HASH_SIZE], uint8_t token[FILES_TOKEN]) {
    AUTO_HASH struct hash *h = hash_new();
    uint8_t sum[HASH_SIZE];
    hash_field_str(h, "mvimig parts");
    hash_field_str(h, p->name);
    hash_field_str(h, p->source.server);
    hash_field_str(h, p->source.database);
    hash_field_str(h, p->source.root);
    hash_field(h, step, HASH_SIZE);
    hash_final(h, sum);
    memcpy(token, sum, FILES_TOKEN);
}

struct tokens {
    const struct plan *plan;
    uint8_t (*items)[FILES_TOKEN];
    size_t n, cap;
};

static int add_token(void *arg, const char *kind, const char *hash_text, struct err *e) {
    struct tokens *t = arg;
    uint8_t step[HASH_SIZE];
    (void)e;
    if ((strcmp(kind, plan_kinds[KIND_FILE_BATCH].name) != 0 &&
         strcmp(kind, plan_kinds[KIND_TAR_LIST].name) != 0) ||
        hash_unhex(hash_text, step) != 0)
        return 0;
    if (t->n == t->cap) {
        t->cap = 2 * t->cap + 8;
        t->items = must_realloc(t->items, t->cap, sizeof *t->items);
    }
    parts_token(t->plan, step, t->items[t->n++]);
    return 0;
}

int parts_forget(struct run *r, struct err *e) {
    struct tokens t = {.plan = r->plan};
    int rc = r->destination_files == NULL ? 0 : journal_given_up(r->journal, add_token, &t, e);
    if (rc == 0 && t.n > 0)
        rc = files_forget(r->destination_files, (const uint8_t(*)[FILES_TOKEN])t.items, t.n, e);
    free(t.items);
    return rc;
}
