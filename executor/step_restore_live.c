// SPDX-License-Identifier: Apache-2.0
// verify --live of a restore: every document that the dump's step selects at the source now, after
// the fix-ups, against the destination. A source in use changes meanwhile, so what differs is read
// once more at both ends, and only what differs then as well is told: as "source changed" where the
// destination has what the dump has, as a difference otherwise. It reads only.
#include <string.h>

#include "base/clock.h"
#include "base/stop.h"
#include "base/strtab.h"
#include "executor/dump.h"
#include "executor/restore.h"
#include "site/bson_frame.h"

#define KEYS_MAX (1u << 30)

static void fixups_cleanup(struct fixups **f) {
    fixups_free(*f);
}

struct live {
    struct step_verify *v;
    struct mongo *source, *destination;
    const char *collection;
    struct restore_source feed; // fix-ups only
    struct restore_batch *batch;
    struct strtab *seen;    // keys (restore_key) that the source has
    struct strtab *differs; // keys that differed in the first reading; then 1 + index of a suspect
    struct buf keys;        // of those, each with its length in front
    struct strtab *kept;
    struct arena *arena;
    struct suspect {
        struct docid id;
        bool missing, in_dump, changed;
        const char *expected, *there; // digests
    } * suspects;
    size_t n_suspects, cap;
};

static int first_look(struct live *l, struct err *e) {
    AUTO_BUF struct buf key = BUF_INIT(DOC_MAX);
    struct restore_batch *b = l->batch;
    int rc = restore_batch_point(b, e);
    rc = rc < 0 ? rc : restore_look(l->destination, l->collection, b, DOC_MISSING, e);
    for (size_t i = 0; rc == 0 && i < b->n; i++) {
        const struct restore_doc *d = &b->docs[i];
        if (!d->id.type) {
            continue; // without _id nothing arrives
        }
        restore_key(&d->id, &key);
        *strtab_slot(l->seen, key.data, key.len, NULL) = 1;
        l->v->compared++;
        l->v->same += d->state == DOC_PRESENT;
        if (d->state != DOC_PRESENT) {
            uint32_t len = (uint32_t)key.len;
            rc = buf_append(&l->keys, &len, sizeof len, e);
            rc = rc ? rc : buf_append(&l->keys, key.data, key.len, e);
        }
    }
    step_verify_progress(l->v, b->n, b->source.len);
    restore_batch_clear(b);
    return rc;
}

static int take(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct live *l = arg;
    int rc = restore_batch_put(&l->feed, l->batch, doc, len, e);
    if (rc == 0) {
        rc = stop_asked() ? err_set(e, stop_error(), "stopped") : first_look(l, e);
        rc = rc ? rc : restore_batch_put(&l->feed, l->batch, doc, len, e);
    }
    return rc < 0 ? rc : 0;
}

// The second reading of one document. What the source has no longer is nothing to compare.
static int look_again(struct live *l, const uint8_t *key, size_t len, struct err *e) {
    AUTO_BUF struct buf now = BUF_INIT(DOC_MAX);
    char ours[HASH_HEX];
    struct docid id = {.type = key[0], .value = key + 1, .len = len - 1};
    int rc = restore_fetch(l->source, l->collection, &id, &now, e);
    if (rc <= 0) {
        l->v->compared -= rc == 0;
        return rc;
    }
    rc = restore_batch_put(&l->feed, l->batch, now.data, now.len, e);
    rc = rc < 0 ? rc : restore_batch_point(l->batch, e);
    rc = rc < 0 ? rc : restore_look(l->destination, l->collection, l->batch, DOC_MISSING, e);
    const struct restore_doc *d = &l->batch->docs[0];
    if (rc == 0 && d->state == DOC_PRESENT) {
        l->v->same++;
    } else if (rc == 0) {
        restore_digest(d->expected, d->expected_len, ours);
        struct suspect s = {.id = {.type = id.type, .value = id.value, .len = id.len},
                            .missing = d->state == DOC_MISSING,
                            .expected = arena_strdup(l->arena, ours),
                            .there = arena_strdup(l->arena, d->there)};
        ARENA_PUSH(l->arena, l->suspects, l->n_suspects, l->cap, s);
        *strtab_slot(l->differs, key, len, NULL) = l->n_suspects;
    }
    restore_batch_clear(l->batch);
    return rc;
}

static int second_look(struct live *l, struct err *e) {
    int rc = 0;
    if (l->keys.len > 0) {
        clock_sleep_ms(STEP_LIVE_WAIT_MS);
    }
    for (size_t at = 0; rc == 0 && at < l->keys.len;) {
        uint32_t len;
        memcpy(&len, l->keys.data + at, sizeof len);
        rc = stop_asked() ? err_set(e, stop_error(), "stopped")
                          : look_again(l, l->keys.data + at + sizeof len, len, e);
        at += sizeof len + len;
    }
    return rc;
}

static int tell(struct live *l, const struct docid *id, const char *what, const char *detail,
                struct err *e) {
    char text[RESTORE_ID_MAX];
    struct step_difference d = {
        .object = l->collection, .id = restore_id_text(id, text), .what = what, .detail = detail};
    return l->v->difference(l->v->arg, l->v->step, &d, e);
}

// What the dump has of a suspect, and what it has that the source has no longer.
static int look_up(struct live *l, const struct restore_doc *d, struct err *e) {
    AUTO_BUF struct buf key = BUF_INIT(DOC_MAX), now = BUF_INIT(DOC_MAX);
    char read[HASH_HEX];
    if (!d->id.type) {
        return 0;
    }
    restore_key(&d->id, &key);
    uintptr_t at = strtab_get(l->differs, key.data, key.len, 0);
    if (at > 0) {
        struct suspect *s = &l->suspects[at - 1];
        restore_digest(d->expected, d->expected_len, read);
        s->in_dump = true;
        s->changed = !s->missing && strcmp(read, s->there) == 0;
    }
    if (strtab_has(l->seen, key.data, key.len)) {
        return 0;
    }
    int rc = restore_fetch(l->source, l->collection, &d->id, &now, e);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    l->v->changed++;
    return tell(l, &d->id, "source changed", "gone there since it was read", e);
}

static int read_dump(struct live *l, struct err *e) {
    AUTO_SEGMENT_READER struct segment_reader *reader = NULL;
    AUTO(fixups_cleanup) struct fixups *fixups = NULL;
    int rc = restore_open(l->v->run, l->v->step, true, &reader, &fixups, e);
    struct restore_source dump = {.reader = reader, .fixups = fixups};
    while (rc == 0 && (rc = restore_batch_fill(&dump, l->batch, e)) > 0) {
        rc = 0;
        for (size_t i = 0; rc == 0 && i < l->batch->n; i++) {
            rc = look_up(l, &l->batch->docs[i], e);
        }
        rc = rc == 0 && stop_asked() ? err_set(e, stop_error(), "stopped") : rc;
    }
    restore_batch_clear(l->batch);
    return rc;
}

static int tell_suspect(struct live *l, const struct suspect *s, struct err *e) {
    char id[RESTORE_ID_MAX];
    bool kept = false;
    bool changed = s->changed || (s->missing && !s->in_dump);
    AUTO_FREE char *detail =
        must_sprintf("expected %.12s, found %.12s", s->expected, s->missing ? "nothing" : s->there);
    int rc = changed ? 0 : restore_was_kept(l->v, &l->kept, restore_id_text(&s->id, id), &kept, e);
    if (rc) {
        return rc;
    }
    l->v->changed += changed;
    l->v->differ += !changed;
    return tell(l, &s->id,
                changed      ? "source changed"
                : kept       ? "kept"
                : s->missing ? "missing"
                             : "differs",
                changed && s->missing ? "new there since it was read" : detail, e);
}

static int compare(struct live *l, struct err *e) {
    const struct plan *p = l->v->run->plan;
    struct step_run dump = {
        .run = l->v->run, .step = &p->steps[l->v->step->from_index], .source_db = l->v->source_db};
    int rc = step_source_db(&dump, &l->source, e);
    rc = rc ? rc : step_verify_db(l->v, &l->destination, e);
    if (rc == 0) {
        mongo_be_patient(l->source);
    }
    rc = rc ? rc : dump_each(&dump, l->source, take, l, e);
    rc = rc ? rc : first_look(l, e);
    rc = rc ? rc : second_look(l, e);
    rc = rc ? rc : read_dump(l, e);
    for (size_t i = 0; rc == 0 && i < l->n_suspects; i++) {
        rc = tell_suspect(l, &l->suspects[i], e);
    }
    return rc;
}

int restore_verify_live(struct step_verify *v, struct err *e) {
    AUTO(fixups_cleanup) struct fixups *fixups = NULL;
    AUTO_STRTAB struct strtab *seen = strtab_new(), *differs = strtab_new();
    AUTO_ARENA struct arena *arena = arena_new();
    struct live l = {.v = v,
                     .collection = v->run->plan->steps[v->step->from_index].collection,
                     .batch = restore_batch_new(),
                     .seen = seen,
                     .differs = differs,
                     .keys = BUF_INIT(KEYS_MAX),
                     .arena = arena};
    int rc = restore_fixups(v->run->plan, l.collection, &fixups, e);
    l.feed.fixups = fixups;
    rc = rc ? rc : compare(&l, e);
    restore_batch_free(l.batch);
    buf_free(&l.keys);
    strtab_free(l.kept);
    return rc;
}
