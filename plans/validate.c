// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/escape.h"
#include "base/path.h"
#include "base/strtab.h"
#include "plans/check.h"
#include "plans/index.h"
#include "plans/report.h"
#include "schema/pattern.h"

#define PLAN_NAME_MAX 63

const char *check_path_fault(const char *path) {
    if (path[0] == 0) {
        return "is empty";
    }
    if (path[0] == '/') {
        return "is absolute; it has to be below the data directory";
    }
    return path_relative_ok(path)
               ? NULL
               : "is no path below the data directory: no \"..\", \".\" or empty part, no final "
                 "slash, parts of at most 255 bytes";
}

// As check_path_fault, of a label.
static const char *check_label_fault(const char *label) {
    if (label[0] == 0) {
        return "is empty";
    }
    if (strlen(label) > PLAN_LABEL_MAX) {
        return "is longer than 1,024 bytes";
    }
    return path_relative_ok(label)
               ? NULL
               : "has to be words joined by single slashes, none of them \".\" or \"..\", of at "
                 "most 255 bytes each";
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

bool plan_id_ok(const char *id, size_t len) {
    return len <= PLAN_TEXT_MAX && memchr(id, 0, len) == NULL && escape_is_utf8(id, len);
}

bool plan_name_ok(const char *name) {
    size_t len = strlen(name);
    return len >= 1 && len <= PLAN_NAME_MAX && strspn(name, LETTERS DIGITS) > 0 &&
           strspn(name, LETTERS DIGITS "._-") == len;
}

static void check_names(struct check *c) {
    struct arena *a = c->problems->arena;
    const char *rule = "begins with a letter or digit and goes on with at most 62 of letters, "
                       "digits, \".\", \"_\" and \"-\"";
    if (c->p->name != NULL && !plan_name_ok(c->p->name)) {
        problems_add(c->problems, 0, "", "name %s: a name %s", report_quote(a, c->p->name), rule);
    }
    for (size_t i = 0; i < c->p->n_base; i++) {
        if (!plan_name_ok(c->p->base[i])) {
            problems_add(c->problems, 0, "", "base %s: a name %s", report_quote(a, c->p->base[i]),
                         rule);
        }
    }
}

static void check_pattern(struct check *c, const char *where, const char *text) {
    struct pattern *pattern = NULL;
    struct err failure = {0};
    if (pattern_compile(text, &pattern, &failure) != 0) {
        problems_add(c->problems, 0, where, "%s", failure.text);
    }
    pattern_free(pattern);
}

static void check_header(struct check *c) {
    check_names(c);
    if (c->p->pass < 1 || c->p->pass > PLAN_PASS_MAX) {
        problems_add(c->problems, 0, "", "pass has to be a number from 1 to %d", PLAN_PASS_MAX);
    }
    for (size_t i = 0; i < c->p->n_excludes; i++) {
        check_pattern(c, "excludes", c->p->excludes[i]);
    }
    for (size_t i = 0; i < c->p->n_fixups; i++) {
        check_pattern(c, "fixups", c->p->fixups[i].pattern);
    }
}

static int set_id_line(const struct plan_set *s, size_t i) {
    return s->id_lines != NULL ? s->id_lines[i] : s->line;
}

// The first place of an ID seen twice is kept in the table's slot, plus one.
static void check_set_ids(struct check *c, const struct plan_set *s) {
    struct arena *a = c->problems->arena;
    const char *where = report_where_set(a, s->name);
    AUTO_STRTAB struct strtab *seen = strtab_new();
    for (size_t i = 0; i < s->n; i++) {
        size_t len = strlen(s->ids[i]);
        if (len > PLAN_TEXT_MAX || !escape_is_utf8(s->ids[i], len)) {
            problems_add(c->problems, set_id_line(s, i), where, "%s is no ID: %s",
                         report_quote(a, s->ids[i]),
                         len > PLAN_TEXT_MAX ? "longer than 64 KiB" : "not UTF-8");
        }
        bool added;
        uintptr_t *slot = strtab_slot(seen, s->ids[i], len, &added);
        if (added) {
            *slot = i + 1;
        } else {
            problems_add(c->problems, set_id_line(s, i), where,
                         "%s stands here a second time, first on line %d; take one out",
                         report_quote(a, s->ids[i]), set_id_line(s, *slot - 1));
        }
    }
}

// Names and IDs of sets; needs no index.
static void check_sets(struct check *c) {
    for (size_t i = 0; i < c->p->n_sets; i++) {
        const struct plan_set *s = &c->p->sets[i];
        const char *fault = check_label_fault(s->name);
        if (fault != NULL) {
            REPORT_SET(c->problems, s, "the name %s", fault);
        }
        check_set_ids(c, s);
    }
}

static void check_set_labels(struct check *c) {
    const struct plan *p = c->p;
    for (size_t i = 1; i < p->n_sets; i++) {
        const struct plan_set *first = &p->sets[p->sets_by_name.order[i - 1]];
        const struct plan_set *second = &p->sets[p->sets_by_name.order[i]];
        if (strcmp(first->name, second->name) == 0) {
            REPORT_SET(c->problems, second, "a set of this name stands on line %d already",
                       first->line);
        }
    }
}

// Labels of steps: present, well formed, each once. Needs the index.
static void check_labels(struct check *c) {
    const struct plan *p = c->p;
    for (size_t i = 0; i < p->n_steps; i++) {
        const char *fault = check_label_fault(p->steps[i].id);
        if (fault != NULL) {
            REPORT_STEP(c->problems, &p->steps[i], "the id %s", fault);
        }
    }
    for (size_t i = 1; i < p->n_steps; i++) {
        const struct plan_step *first = &p->steps[p->steps_by_id.order[i - 1]];
        const struct plan_step *second = &p->steps[p->steps_by_id.order[i]];
        if (strcmp(first->id, second->id) == 0) {
            REPORT_STEP(c->problems, second,
                        "a step of this id stands on line %d already; give one of them another id",
                        first->line);
        }
    }
    check_set_labels(c);
}

void check_plan(struct plan *p, const struct plan_rules *rules, bool sound,
                struct problems *problems) {
    AUTO_ARENA struct arena *scratch = arena_new();
    struct check c = {.p = p, .rules = rules, .problems = problems, .scratch = scratch};
    check_header(&c);
    size_t before = report_count(problems);
    index_build(p);
    check_sets(&c);
    check_labels(&c);
    check_steps(&c);
    check_needs(&c);
    check_ranges(&c);
    // Hashes are of sound steps only: of a known kind, with all that the kind needs.
    if (sound && report_count(problems) == before) {
        plan_hash_steps(p);
        check_writes(&c);
        check_rules(&c);
    }
}

int plan_validate(struct plan *p, const struct plan_rules *rules, struct problems *problems,
                  struct err *e) {
    AUTO_ARENA struct arena *a = arena_new();
    struct problems own = {.arena = a};
    problems = problems != NULL ? problems : &own;
    check_plan(p, rules, true, problems);
    return report_finish(p->file != NULL ? p->file : "plan", problems, e);
}
