// SPDX-License-Identifier: Apache-2.0
#include "schema/cut.h"

#include <stddef.h>
#include <string.h>

#include "base/hash.h"

#define CUT_CAP 4 // times the target

// An ID of weight w (its share of the target) is a cut with probability w, so that batches weigh
// one target on average. In integers, so that plans are the same on every machine.
static bool cut_chosen(uint64_t hash, uint64_t weight, uint64_t target) {
    if (target == 0 || weight >= target) {
        return target != 0;
    }
    return (unsigned __int128)hash * target < (unsigned __int128)weight << 64;
}

static bool cut_full(uint64_t so_far, uint64_t more, uint64_t target) {
    return target != 0 && (unsigned __int128)so_far + more > (unsigned __int128)target * CUT_CAP;
}

bool cut_before(const struct cut_limits *l, struct cut_state *s, const char *id, uint64_t files,
                uint64_t bytes) {
    uint64_t hash = hash_mix64(id, strlen(id));
    bool cut = cut_chosen(hash, 1, l->items) || cut_chosen(hash, files, l->files) ||
               cut_chosen(hash, bytes, l->bytes) || cut_full(s->items, 1, l->items) ||
               cut_full(s->files, files, l->files) || cut_full(s->bytes, bytes, l->bytes);
    cut = cut && s->items > 0;
    if (cut) {
        *s = (struct cut_state){0};
    }
    s->items++;
    s->files += files;
    s->bytes += bytes;
    return cut;
}
