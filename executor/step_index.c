// SPDX-License-Identifier: Apache-2.0
// kind: index. Makes an index at the destination that the source has. What is there already under
// the same key or name stays, and is told when it differs: no index is ever dropped. The server
// builds it whole or not at all, so that a repeated step looks and finds it, or makes it.
#include <string.h>

#include "base/escape.h"
#include "base/must.h"
#include "executor/restore.h"
#include "executor/step.h"
#include "site/index_spec.h"

#define TOLD_IDS 10
#define DETAIL_MAX 1500

struct looking {
    bson_t wanted;
    enum index_match found;
    char there[DETAIL_MAX]; // what differs, as JSON
};

static void looking_clear(struct looking *l) {
    bson_destroy(&l->wanted);
}

static int read_wanted(const struct plan_step *s, struct looking *l, struct err *e) {
    bson_error_t be;
    *l = (struct looking){.found = INDEX_OTHER};
    if (!bson_init_from_json(&l->wanted, s->index, -1, &be)) {
        bson_init(&l->wanted);
        return err_set(e, ERR_PLAN, "index: this is no specification of an index: %s", be.message);
    }
    return 0;
}

static int match_one(void *arg, const bson_t *spec) {
    struct looking *l = arg;
    bson_t there;
    (void)index_spec_convert(spec, &there);
    enum index_match match = index_spec_match(&l->wanted, &there);
    if (match > l->found) {
        char *json = bson_as_relaxed_extended_json(&there, NULL);
        l->found = match;
        escape_into(l->there, sizeof l->there, json ? json : "", json ? strlen(json) : 0);
        bson_free(json);
    }
    bson_destroy(&there);
    return 0;
}

static int look(struct mongo *m, const struct plan_step *s, struct looking *l, struct err *e) {
    return mongo_indexes(m, s->collection, match_one, l, e);
}

static const char *name_of(const struct looking *l) {
    bson_iter_t it;
    return bson_iter_init_find(&it, &l->wanted, "name") && BSON_ITER_HOLDS_UTF8(&it)
               ? bson_iter_utf8(&it, NULL)
               : "without a name";
}

struct telling {
    struct buf *text;
    size_t n;
};

static int tell_id(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct telling *t = arg;
    struct docid id;
    char text[RESTORE_ID_MAX];
    (void)e;
    if (docid_find(doc, len, &id) == 1) {
        buf_printf(t->text, "%s%s", t->n > 0 ? ", " : "", restore_id_text(&id, text));
        t->n++;
    }
    return 0;
}

// {FIELD: {$eq: VALUE}, ...}: a value may hold operators of its own.
static void filter_of(const bson_t *key, bson_t *filter) {
    bson_iter_t it;
    bson_t equal;
    bson_init(filter);
    MUST(bson_iter_init(&it, key));
    while (bson_iter_next(&it)) {
        MUST(BSON_APPEND_DOCUMENT_BEGIN(filter, bson_iter_key(&it), &equal));
        MUST(bson_append_iter(&equal, "$eq", -1, &it));
        MUST(bson_append_document_end(filter, &equal));
    }
}

// The server refused a unique index; it names the value that stands there more than once.
static int fail_duplicate(struct mongo *m, const struct plan_step *s, const struct looking *l,
                          const bson_t *key, struct err *e) {
    AUTO_BUF struct buf ids = BUF_INIT(1 << 16);
    struct telling t = {.text = &ids};
    bson_t filter, fields;
    struct err ignored = {0};
    filter_of(key, &filter);
    bson_init(&fields);
    MUST(BSON_APPEND_INT32(&fields, "_id", 1));
    struct mongo_query q = {.collection = s->collection,
                            .filter = &filter,
                            .projection = &fields,
                            .limit = TOLD_IDS,
                            .batch_size = TOLD_IDS + 1};
    if (!bson_empty(key)) {
        (void)mongo_find(m, &q, tell_id, &t, &ignored);
    }
    char *value = bson_as_relaxed_extended_json(key, NULL);
    char shown[300];
    escape_into(shown, sizeof shown, value ? value : "", value ? strlen(value) : 0);
    bson_free(value);
    bson_destroy(&filter);
    bson_destroy(&fields);
    return err_set(e, ERR_FAILED,
                   "the unique index %s of %s cannot be made: more than one document there has %s: "
                   "_id %s; change one of them, or take the step out of the plan",
                   name_of(l), s->collection, shown, t.n > 0 ? buf_str(&ids) : "not found");
}

static int tell_conflict(struct step_run *s, const struct looking *l, struct err *e) {
    AUTO_FREE char *detail = must_sprintf("it stands there as %s", l->there);
    struct conflict_record c = {.object = s->step->collection,
                                .id = name_of(l),
                                .class = "index-different",
                                .decision = "kept",
                                .source_digest = "",
                                .destination_digest = "",
                                .detail = detail};
    return step_conflict(s, &c, e);
}

static int run(struct step_run *s, struct err *e) {
    AUTO(looking_clear) struct looking l;
    struct mongo *m = NULL;
    int rc = read_wanted(s->step, &l, e);
    rc = rc ? rc : step_destination_db(s, &m, e);
    rc = rc ? rc : look(m, s->step, &l, e);
    if (rc || l.found == INDEX_SAME) {
        return rc;
    }
    if (l.found == INDEX_DIFFERS) {
        return tell_conflict(s, &l, e);
    }
    bson_t duplicate;
    rc = mongo_create_index(m, s->step->collection, &l.wanted, &duplicate, e);
    if (rc == ERR_REJECTED) {
        rc = fail_duplicate(m, s->step, &l, &duplicate, e);
    }
    bson_destroy(&duplicate);
    return rc;
}

static int verify(struct step_verify *v, struct err *e) {
    AUTO(looking_clear) struct looking l;
    struct mongo *m = NULL;
    int rc = read_wanted(v->step, &l, e);
    rc = rc ? rc : step_verify_db(v, &m, e);
    rc = rc ? rc : look(m, v->step, &l, e);
    if (rc) {
        return rc;
    }
    v->compared++;
    if (l.found == INDEX_SAME) {
        v->same++;
        return 0;
    }
    v->differ++;
    struct step_difference d = {.object = v->step->collection,
                                .id = name_of(&l),
                                .what = l.found == INDEX_DIFFERS ? "differs" : "missing",
                                .detail = l.found == INDEX_DIFFERS ? l.there : "an index"};
    return v->difference ? v->difference(v->arg, v->step, &d, e) : 0;
}

const struct step_kind step_index = {.run = run, .verify = verify};
