// SPDX-License-Identifier: Apache-2.0
#include "base/fault.h"
#include "executor/restore.h"
#include "site/bson_frame.h"

static const char *decision(const struct restore *r, const struct restore_doc *d) {
    if (d->state == DOC_REPLACED) {
        return "replaced";
    }
    return r->s->step->on_conflict == CONFLICT_FAIL ? "failed" : "kept";
}

static int record_conflict(struct restore *r, const struct restore_doc *d, struct err *e) {
    char id[RESTORE_ID_MAX], ours[HASH_HEX];
    restore_digest(d->expected, d->expected_len, ours);
    struct conflict_record c = {.object = r->collection,
                                .id = restore_id_text(&d->id, id),
                                .class = d->class,
                                .decision = decision(r, d),
                                .source_digest = ours,
                                .destination_digest = d->there,
                                .detail = d->detail ? d->detail : ""};
    return step_conflict(r->s, &c, e);
}

static int record_problem(struct restore *r, const struct restore_doc *d, struct err *e) {
    char id[RESTORE_ID_MAX];
    struct problem_record p = {.object = r->collection,
                               .id = restore_id_text(&d->id, id),
                               .class = "rejected",
                               .detail = d->detail};
    return step_problem(r->s, &p, e);
}

static int record_document(struct restore *r, const struct restore_doc *d, struct err *e) {
    struct step_result *sum = &r->s->result;
    sum->documents += d->state != DOC_REJECTED;
    sum->bytes += d->source_len;
    switch (d->state) {
    case DOC_SENT:
    case DOC_REPLACED:
        sum->sent++;
        sum->sent_bytes += d->expected_len;
        return 0; // a replaced one's conflict row is written before the deed
    case DOC_PRESENT:
        sum->present++;
        return 0;
    case DOC_KEPT:
        return record_conflict(r, d, e);
    case DOC_REJECTED:
        return record_problem(r, d, e);
    case DOC_MISSING:
    case DOC_CLAIMED:
    case DOC_UNFIXED:
    case DOC_DIFFERS:
        break;
    }
    MUST(!"a document without an outcome");
    return 0;
}

static struct step_result difference(const struct step_result *after,
                                     const struct step_result *before) {
    return (struct step_result){.documents = after->documents - before->documents,
                                .bytes = after->bytes - before->bytes,
                                .sent = after->sent - before->sent,
                                .sent_bytes = after->sent_bytes - before->sent_bytes,
                                .present = after->present - before->present,
                                .conflicts = after->conflicts - before->conflicts,
                                .rejected = after->rejected - before->rejected};
}

void restore_key(const struct docid *id, struct buf *out) {
    buf_clear(out);
    buf_put(out, &id->type, 1);
    if (id->len > 0) {
        buf_put(out, id->value, id->len);
    }
}

// What we have put there ourselves is ours to update or delete in later passes; what took the place
// of somebody else's by policy stays theirs.
static int record_laid(struct restore *r, struct restore_batch *b, struct err *e) {
    AUTO_BUF struct buf key = BUF_INIT(DOC_MAX);
    for (size_t i = 0; i < b->n; i++) {
        struct restore_doc *d = &b->docs[i];
        if (d->state == DOC_SENT || (d->state == DOC_REPLACED && d->updated)) {
            restore_key(&d->id, &key);
            laid_add(r->laid, key.data, key.len, d->sum);
        }
    }
    return laid_flush(r->laid, e);
}

int restore_record(struct restore *r, struct restore_batch *b, struct err *e) {
    struct step_run *s = r->s;
    int laid = record_laid(r, b, e);
    if (laid) {
        return laid;
    }
    for (size_t i = 0; i < b->n; i++) {
        int rc = record_document(r, &b->docs[i], e);
        if (rc) {
            return rc;
        }
    }
    if (r->failed) {
        return 0; // not done: resume meets the same documents again
    }
    struct batch_record record = {
        .position = b->position, .end = b->end, .result = difference(&s->result, &r->recorded)};
    (void)FAULT("restore.acknowledged");
    int rc = journal_batch(s->run->journal, s->step, s->attempt, &record, e);
    if (rc == 0) {
        r->recorded = s->result;
        step_progress(s, b->n, b->end - b->position);
        (void)FAULT("restore.recorded");
    }
    return rc;
}
