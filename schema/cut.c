// SPDX-License-Identifier: Apache-2.0
#include "schema/cut.h"

#include <stddef.h>
#include <string.h>

#include "base/hash.h"

#define CUT_CAP 4 // times the target: here a batch ends whatever the ID
#define CUT_LATE                                                                                   \
    2              // times the target: from here on more IDs are cuts, so that the cap, which would
                   // move with every object before it, hardly ever cuts
#define CUT_PULL 8 // how many times more

// An ID of weight w (its share of the target) is a cut with probability w, so that batches weigh
// one target on average. In integers, so that plans are the same on every machine.
static bool cut_chosen(uint64_t hash, uint64_t weight, uint64_t target, uint64_t pull) {
    if (target == 0 || weight >= target / pull) {
        return target != 0 && weight > 0;
    }
    return (unsigned __int128)hash * target < (unsigned __int128)(weight * pull) << 64;
}

static bool cut_over(uint64_t so_far, uint64_t more, uint64_t target, unsigned times) {
    return target != 0 && (unsigned __int128)so_far + more > (unsigned __int128)target * times;
}

// True when the batch would be over so many times its target with the ID in it.
static bool cut_any_over(const struct cut_limits *l, const struct cut_state *s, uint64_t files,
                         uint64_t bytes, unsigned times) {
    return cut_over(s->items, 1, l->items, times) || cut_over(s->files, files, l->files, times) ||
           cut_over(s->bytes, bytes, l->bytes, times);
}

bool cut_before(const struct cut_limits *l, struct cut_state *s, const char *id, uint64_t files,
                uint64_t bytes) {
    uint64_t hash = hash_mix64(id, strlen(id));
    uint64_t pull = cut_any_over(l, s, files, bytes, CUT_LATE) ? CUT_PULL : 1;
    bool cut = cut_chosen(hash, 1, l->items, pull) || cut_chosen(hash, files, l->files, pull) ||
               cut_chosen(hash, bytes, l->bytes, pull) || cut_any_over(l, s, files, bytes, CUT_CAP);
    cut = cut && s->items > 0;
    if (cut) {
        *s = (struct cut_state){0};
    }
    s->items++;
    s->files += files;
    s->bytes += bytes;
    return cut;
}
