// SPDX-License-Identifier: Apache-2.0
// The "did you mean" of base/ytree.h.
#include <string.h>

#include "base/ytree.h"

#define NEAREST_MAX 64

static size_t nearest_min(size_t a, size_t b) {
    return a < b ? a : b;
}

// Edits from a to b: insert, delete, replace, or swap two neighbours (the commonest slip).
static size_t nearest_distance(const char *a, size_t a_len, const char *b, size_t b_len) {
    size_t rows[3][NEAREST_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++) {
        before[j] = 0;
        above[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replace = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = nearest_min(replace, nearest_min(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = nearest_min(row[j], before[j - 2] + 1);
            }
        }
        size_t *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b_len];
}

const char *ytree_nearest(const char *word, const char *const *known, size_t n) {
    const char *nearest = NULL;
    size_t len = strlen(word);
    size_t best = len / 3;
    if (len > NEAREST_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        size_t known_len = strlen(known[i]);
        if (known_len > NEAREST_MAX) {
            continue;
        }
        size_t d = nearest_distance(word, len, known[i], known_len);
        if (d < best || (d == best && nearest == NULL)) {
            best = d;
            nearest = known[i];
        }
    }
    return nearest;
}
