// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/strtab.h"
#include "plans/check.h"
#include "plans/params.h"
#include "plans/range.h"
#include "plans/report.h"

// A dump by range and what it is sorted by. Ranges belong together when they read the same
// documents: same collection, same set, same field.
struct range_item {
    const struct plan_step *s;
    size_t place;          // in the file
    const char *from, *to; // the strings that the bounds stand for; NULL: open or no string
};

static int text_compare(const char *a, const char *b) {
    return a == NULL || b == NULL ? (a != NULL) - (b != NULL) : strcmp(a, b);
}

static int range_group_compare(const struct range_item *x, const struct range_item *y) {
    int rc = strcmp(x->s->collection, y->s->collection);
    rc = rc != 0 ? rc : text_compare(x->s->set, y->s->set);
    return rc != 0 ? rc : text_compare(x->s->by, y->s->by);
}

static int range_compare_place(const void *a, const void *b) {
    const struct range_item *x = a, *y = b;
    int rc = range_group_compare(x, y);
    return rc != 0 ? rc : (x->place > y->place) - (x->place < y->place);
}

static int range_compare_from(const void *a, const void *b) {
    const struct range_item *x = a, *y = b;
    int rc = text_compare(x->from, y->from);
    return rc != 0 ? rc : (x->place > y->place) - (x->place < y->place);
}

static bool range_all_strings(const struct range_item *items, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if ((items[i].s->from_id != NULL && items[i].from == NULL) ||
            (items[i].s->to_id != NULL && items[i].to == NULL)) {
            return false;
        }
    }
    return true;
}

static void range_report_gap(struct check *c, const struct plan_step *one,
                             const struct plan_step *next, const char *what) {
    struct arena *a = c->problems->arena;
    REPORT_STEP(c->problems, next,
                "%s between the ranges of %s: %s ends at %s and this one begins at %s; to_id of "
                "the one has to be from_id of the other",
                what, report_quote(a, one->collection), report_quote(a, one->id),
                one->to_id != NULL ? report_quote(a, one->to_id) : "the open end",
                next->from_id != NULL ? report_quote(a, next->from_id) : "the open end");
}

static void range_check_strings(struct check *c, const struct range_item *one,
                                const struct range_item *next) {
    if (one->to == NULL || next->from == NULL) {
        range_report_gap(c, one->s, next->s, "an overlap");
        return;
    }
    int rc = strcmp(one->to, next->from);
    if (rc != 0) {
        range_report_gap(c, one->s, next->s, rc < 0 ? "a gap" : "an overlap");
    }
}

static void range_check_texts(struct check *c, const struct range_item *one,
                              const struct range_item *next) {
    if (one->s->to_id == NULL || next->s->from_id == NULL) {
        range_report_gap(c, one->s, next->s, "an overlap");
    } else if (strcmp(one->s->to_id, next->s->from_id) != 0) {
        range_report_gap(c, one->s, next->s, "a gap or overlap");
    }
}

static void range_check_ends(struct check *c, const struct range_item *items, size_t n) {
    const struct plan_step *first = items[0].s, *last = items[n - 1].s;
    bool begins = false, ends = false;
    for (size_t i = 0; i < n; i++) {
        begins = begins || items[i].s->from_id == NULL;
        ends = ends || items[i].s->to_id == NULL;
    }
    if (!begins) {
        REPORT_STEP(c->problems, first,
                    "a gap: no range of %s begins at the open end; take from_id out of its first "
                    "range, or add a range before it",
                    report_quote(c->problems->arena, first->collection));
    }
    if (!ends) {
        REPORT_STEP(c->problems, last,
                    "a gap: no range of %s goes to the open end; take to_id out of its last range, "
                    "or add a range behind it",
                    report_quote(c->problems->arena, last->collection));
    }
}

// Bounds of other types cannot be compared here; abutting in the order of the file they could still
// come back to where they were.
static void range_check_repeats(struct check *c, const struct range_item *items, size_t n) {
    AUTO_STRTAB struct strtab *seen = strtab_new();
    for (size_t i = 0; i < n; i++) {
        const char *bound = items[i].s->to_id;
        bool added = true;
        if (bound != NULL) {
            strtab_slot(seen, bound, strlen(bound), &added);
        }
        if (!added) {
            REPORT_STEP(c->problems, items[i].s, "an overlap: a range of %s ends at %s already",
                        report_quote(c->problems->arena, items[i].s->collection),
                        report_quote(c->problems->arena, bound));
        }
    }
}

static void range_check_group(struct check *c, struct range_item *items, size_t n) {
    bool strings = range_all_strings(items, n);
    if (strings) {
        qsort(items, n, sizeof *items, range_compare_from);
    } else {
        range_check_repeats(c, items, n);
    }
    range_check_ends(c, items, n);
    for (size_t i = 1; i < n; i++) {
        if (strings) {
            range_check_strings(c, &items[i - 1], &items[i]);
        } else {
            range_check_texts(c, &items[i - 1], &items[i]);
        }
    }
}

// The first dump with a set of each collection, by place + 1.
static void range_note_sets(const struct plan *p, struct strtab *by_set) {
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct plan_step *s = &p->steps[i];
        bool added;
        if (s->kind == KIND_DUMP && s->set != NULL) {
            uintptr_t *slot = strtab_slot(by_set, s->collection, strlen(s->collection), &added);
            *slot = added ? i + 1 : *slot;
        }
    }
}

// Ranges without a set take every document, so that no other dump of the collection is left to do.
static void range_check_mixed(struct check *c, const struct strtab *by_set,
                              const struct plan_step *whole) {
    size_t i = strtab_get(by_set, whole->collection, strlen(whole->collection), 0);
    if (i > 0) {
        REPORT_STEP(c->problems, &c->p->steps[i - 1],
                    "dumps by set a part of what %s dumps whole; give every range of %s a set, or "
                    "take this step and its restore out",
                    report_quote(c->problems->arena, whole->id),
                    report_quote(c->problems->arena, whole->collection));
    }
}

// A dump that was reported already leaves no ground to judge its neighbours by.
static bool range_collect(struct check *c, struct range_item *items, size_t *n) {
    for (size_t i = 0; i < c->p->n_steps; i++) {
        const struct plan_step *s = &c->p->steps[i];
        if (s->kind == N_STEP_KINDS || (s->kind == KIND_DUMP && s->collection == NULL)) {
            return false;
        }
        if (plan_is_range_dump(s)) {
            struct range_item *item = &items[(*n)++];
            *item = (struct range_item){.s = s, .place = i};
            range_is_string(s->from_id, c->scratch, &item->from);
            range_is_string(s->to_id, c->scratch, &item->to);
        }
    }
    return true;
}

void check_ranges(struct check *c) {
    AUTO_FREE struct range_item *items = must_calloc(c->p->n_steps + 1, sizeof *items);
    size_t n = 0;
    if (!range_collect(c, items, &n)) {
        return;
    }
    AUTO_STRTAB struct strtab *by_set = strtab_new();
    range_note_sets(c->p, by_set);
    qsort(items, n, sizeof *items, range_compare_place);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && range_group_compare(&items[i], &items[end]) == 0; end++) {
        }
        if (items[i].s->set == NULL) {
            range_check_mixed(c, by_set, items[i].s);
        }
        range_check_group(c, items + i, end - i);
    }
}
