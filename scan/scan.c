// SPDX-License-Identifier: Apache-2.0
#include "scan/scan.h"

#include <string.h>

#include "base/stop.h"
#include "scan/internal.h"

int scan_report(struct scan_state *s, enum inv_finding_kind kind, const char *collection,
                const char *id, const char *detail, struct err *e) {
    const struct inv_finding f = {
        .kind = kind, .collection = collection, .id = id, .detail = detail};
    pthread_mutex_lock(&s->lock);
    int rc = s->o->finding ? s->o->finding(s->o->arg, &f) : 0;
    inventory_add_finding(s->inv, kind, collection, id, detail);
    pthread_mutex_unlock(&s->lock);
    return rc < 0 ? err_set(e, rc, "the report of findings cannot be written") : 0;
}

int scan_report_errno(struct scan_state *s, const char *path, int errnum, struct err *e) {
    char text[128];
    return scan_report(s, FINDING_UNREADABLE, "", path, strerror_r(errnum, text, sizeof text), e);
}

void scan_progress(struct scan_state *s, const char *what, uint64_t seen) {
    if (s->o->progress) {
        pthread_mutex_lock(&s->lock);
        s->o->progress(s->o->arg, what, seen);
        pthread_mutex_unlock(&s->lock);
    }
}

int scan_stopped(struct err *e) {
    return stop_asked() ? err_set(e, stop_error(), "the scan was stopped") : 0;
}

bool scan_takes(const struct scan_state *s, const struct model_collection *c) {
    if (c->class == MODEL_ACCOUNTS) {
        return s->scope->server && s->scope->with_accounts;
    }
    if (c->class == MODEL_TRANSIENT) {
        return s->scope->server && s->scope->with_transient;
    }
    return s->scope->server || c->level != MODEL_WHOLE;
}

static int scan_documents(struct scan_state *s, struct err *e) {
    if (s->scope->files_only) {
        return 0;
    }
    int rc = s->scope->server ? scan_ranges(s, e) : 0;
    rc = rc ? rc : scan_children(s, e);
    rc = rc ? rc : scan_indexes(s, e);
    if (rc == 0 && s->o->predict && s->destination) {
        rc = scan_forecast(s, e);
    }
    return rc;
}

static int scan_all(struct scan_state *s, struct err *e) {
    int rc = scan_ends(s, e);
    rc = rc ? rc : scan_collections(s, e);
    rc = rc ? rc : scan_objects(s, e);
    rc = rc ? rc : scan_select(s, e);
    rc = rc ? rc : scan_crosscheck_objects(s, e);
    rc = rc ? rc : scan_unknown_owners(s, e);
    if (rc == 0 && s->o->source_root >= 0) {
        rc = scan_files(s, e);
    }
    rc = rc ? rc : scan_paths(s, e);
    return rc ? rc : scan_documents(s, e);
}

static void state_free(struct scan_state *s) {
    mongo_free(s->source);
    mongo_free(s->destination);
    scan_wishes_free(s->users);
    strtab_free(s->texts);
    free(s->first);
    free(s->reached);
    pthread_mutex_destroy(&s->lock);
    inventory_free(s->inv);
}

static int state_open(struct scan_state *s, struct err *e) {
    s->inv = inventory_new(s->m);
    s->arena = s->inv->arena;
    s->texts = strtab_new();
    int rc = mongo_session(s->o->source, &s->source, e);
    if (rc == 0 && s->o->destination) {
        rc = mongo_session(s->o->destination, &s->destination, e);
    }
    if (rc == 0) {
        mongo_be_patient(s->source);
    }
    if (rc == 0 && s->destination) {
        mongo_be_patient(s->destination);
    }
    return rc;
}

int scan(const struct scan_options *o, struct inventory **out, struct err *e) {
    AUTO(state_free)
    struct scan_state s = {.o = o, .m = o->model, .scope = o->scope};
    MUST(pthread_mutex_init(&s.lock, NULL) == 0);
    int rc = state_open(&s, e);
    rc = rc ? rc : scan_all(&s, e);
    if (rc == 0) {
        *out = STEAL(s.inv);
    }
    return rc;
}
