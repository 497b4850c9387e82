// SPDX-License-Identifier: Apache-2.0
#include "scan/internal.h"

int scan_forecast(struct scan_state *s, struct err *e) {
    (void)e;
    s->inv->forecast = arena_alloc(s->arena, s->m->n_collections * sizeof *s->inv->forecast);
    return 0;
}
