// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/human.h"
#include "scan/internal.h"

static int end_fill(struct scan_state *s, struct mongo_end *end, struct mongo *session,
                    const char *dir, struct inv_end *out, struct err *e) {
    const struct mongo_server *server = mongo_end_server(end);
    char fingerprint[512];
    int rc = mongo_fingerprint(session, s->m->identity, s->m->n_identity, fingerprint,
                               sizeof fingerprint, e);
    *out = (struct inv_end){
        .server = arena_printf(s->arena, "mongodb at %s", server->host),
        .database = arena_strdup(s->arena, mongo_end_database(end)),
        .root = arena_strdup(s->arena, dir ? dir : ""),
        .fingerprint = rc < 0 ? "" : arena_strdup(s->arena, fingerprint),
        .version = arena_strdup(s->arena, server->version),
        .product = "",
    };
    return rc;
}

int scan_ends(struct scan_state *s, struct err *e) {
    int rc = end_fill(s, s->o->source, s->source, s->o->source_dir, &s->inv->source, e);
    if (rc == 0 && s->destination) {
        rc = end_fill(s, s->o->destination, s->destination, s->o->destination_dir,
                      &s->inv->destination, e);
    }
    return rc;
}

struct listing {
    struct scan_state *s;
    struct strtab *undeclared;
    const char **names;
    size_t n, cap;
};

static int list_each(void *arg, const char *name) {
    struct listing *l = arg;
    if (model_index(l->s->m, name) == (size_t)-1 && strncmp(name, "system.", 7) != 0) {
        ARENA_PUSH(l->s->arena, l->names, l->n, l->cap, arena_strdup(l->s->arena, name));
    }
    return 0;
}

static int name_order(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int report_undeclared(struct scan_state *s, struct err *e) {
    struct listing l = {.s = s};
    int rc = mongo_collections(s->source, list_each, &l, e);
    if (rc == 0 && l.n > 0) {
        qsort(l.names, l.n, sizeof *l.names, name_order);
    }
    for (size_t i = 0; rc == 0 && i < l.n; i++) {
        rc = scan_report(s, FINDING_UNDECLARED, l.names[i], "", "", e);
    }
    return rc;
}

int scan_collections(struct scan_state *s, struct err *e) {
    for (size_t i = 0; i < s->m->n_collections; i++) {
        struct mongo_collection_info info = {0};
        int rc = mongo_collection_info(s->source, s->m->collections[i].name, &info, e);
        if (rc < 0) {
            return rc;
        }
        s->inv->collections[i] = (struct inv_collection){
            .exists = info.exists, .documents = info.documents, .bytes = info.bytes};
    }
    return report_undeclared(s, e);
}

// --- owners that the destination does not know

struct accounts {
    struct strtab *names;
    const char *name_field;
};

static void account_add(struct accounts *a, const uint8_t *doc, size_t len, const char *field) {
    struct doc_element el;
    const char *text;
    size_t n;
    if (doc_find(doc, len, field, &el) == 1 && scan_string(&el, &text, &n)) {
        bool added;
        strtab_slot(a->names, text, n, &added);
    }
}

static int account_each(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct accounts *a = arg;
    (void)e;
    account_add(a, doc, len, "_id");
    if (a->name_field) {
        account_add(a, doc, len, a->name_field);
    }
    return 0;
}

static int accounts_read(struct mongo *session, const struct model_collection *c,
                         struct strtab *names, struct err *e) {
    struct accounts a = {.names = names, .name_field = c->name_field};
    bson_t fields;
    bson_init(&fields);
    BSON_APPEND_INT32(&fields, "_id", 1);
    if (c->name_field && strcmp(c->name_field, "_id") != 0) {
        bson_append_int32(&fields, c->name_field, -1, 1);
    }
    struct mongo_query q = {.collection = c->name, .projection = &fields};
    int rc = scan_find(session, &q, account_each, &a, e);
    bson_destroy(&fields);
    return rc;
}

static int accounts_all(struct scan_state *s, struct strtab *names, bool *any, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->m->n_collections; i++) {
        const struct model_collection *c = &s->m->collections[i];
        if (c->class == MODEL_ACCOUNTS) {
            *any = true;
            rc = accounts_read(s->destination, c, names, e);
            // Accounts that go along are known by the time anybody asks for them.
            if (rc == 0 && scan_takes(s, c)) {
                rc = accounts_read(s->source, c, names, e);
            }
        }
    }
    return rc;
}

struct owner_use {
    const char *owner;
    uint64_t objects;
};

static int owner_order(const void *a, const void *b) {
    return strcmp(((const struct owner_use *)a)->owner, ((const struct owner_use *)b)->owner);
}

static struct owner_use *unknown_owners(const struct scan_state *s, const struct strtab *known,
                                        size_t *n_out) {
    AUTO_STRTAB struct strtab *seen = strtab_new();
    struct owner_use *uses = arena_alloc(s->arena, sizeof *uses);
    size_t n = 0, cap = 1;
    for (size_t i = 0; i < s->inv->n_objects; i++) {
        const char *owner = s->inv->objects[i].owner;
        bool added;
        if (!owner || !s->reached[i] || strtab_has(known, owner, strlen(owner))) {
            continue;
        }
        uintptr_t *at = strtab_slot(seen, owner, strlen(owner), &added);
        if (added) {
            *at = n;
            ARENA_PUSH(s->arena, uses, n, cap, (struct owner_use){.owner = owner});
        }
        uses[*at].objects++;
    }
    qsort(uses, n, sizeof *uses, owner_order);
    *n_out = n;
    return uses;
}

int scan_unknown_owners(struct scan_state *s, struct err *e) {
    if (!s->destination) {
        return 0;
    }
    AUTO_STRTAB struct strtab *known = strtab_new();
    bool any = false;
    int rc = accounts_all(s, known, &any, e);
    if (rc < 0 || !any) {
        return rc;
    }
    size_t n = 0;
    const struct owner_use *owners = unknown_owners(s, known, &n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char count[HUMAN_TEXT], detail[HUMAN_TEXT + 16];
        (void)snprintf(detail, sizeof detail, "%s object%s", human_count(owners[i].objects, count),
                       owners[i].objects == 1 ? "" : "s");
        rc = scan_report(s, FINDING_UNKNOWN_OWNER, "", owners[i].owner, detail, e);
    }
    return rc;
}
