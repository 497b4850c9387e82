// SPDX-License-Identifier: Apache-2.0
#include "plans/index.h"

#include <stdlib.h>
#include <string.h>

static const char *step_text(const struct plan *p, size_t i) {
    return p->steps[i].id;
}

static const char *set_text(const struct plan *p, size_t i) {
    return p->sets[i].name;
}

const struct index_of index_steps = {step_text, offsetof(struct plan, steps_by_id)};
const struct index_of index_sets = {set_text, offsetof(struct plan, sets_by_name)};

static const struct plan_index *index_in(const struct plan *p, const struct index_of *of) {
    return (const struct plan_index *)(const void *)((const char *)p + of->offset);
}

struct index_sort {
    const struct plan *p;
    const struct index_of *of;
};

// Equal texts in the order of the file, so that the second one is the duplicate.
static int index_compare(const void *a, const void *b, void *arg) {
    const struct index_sort *sort = arg;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    int rc = strcmp(sort->of->text(sort->p, x), sort->of->text(sort->p, y));
    return rc != 0 ? rc : (x > y) - (x < y);
}

static void index_build_one(struct plan *p, const struct index_of *of, size_t n) {
    struct plan_index *index = (struct plan_index *)(void *)((char *)p + of->offset);
    if (index->n < n || index->order == NULL) {
        index->order = arena_alloc(p->arena, n * sizeof *index->order);
    }
    index->n = n;
    for (size_t i = 0; i < n; i++) {
        index->order[i] = i;
    }
    struct index_sort sort = {p, of};
    qsort_r(index->order, n, sizeof *index->order, index_compare, &sort);
}

void index_build(struct plan *p) {
    index_build_one(p, &index_steps, p->n_steps);
    index_build_one(p, &index_sets, p->n_sets);
}

// The first position whose text is not below the prefix; with `past`, the first behind all texts
// that begin with it.
static size_t index_bound(const struct plan *p, const struct index_of *of, const char *prefix,
                          bool past) {
    const struct plan_index *index = index_in(p, of);
    size_t len = strlen(prefix);
    size_t lo = 0, hi = index->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const char *text = of->text(p, index->order[mid]);
        int rc = past ? strncmp(text, prefix, len) : strcmp(text, prefix);
        if (rc < 0 || (past && rc == 0)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct index_span index_prefix(const struct plan *p, const struct index_of *of,
                               const char *prefix) {
    return (struct index_span){index_bound(p, of, prefix, false), index_bound(p, of, prefix, true)};
}

size_t index_find(const struct plan *p, const struct index_of *of, const char *text) {
    const struct plan_index *index = index_in(p, of);
    size_t at = index_bound(p, of, text, false);
    if (at == index->n || strcmp(of->text(p, index->order[at]), text) != 0) {
        return (size_t)-1;
    }
    return index->order[at];
}
