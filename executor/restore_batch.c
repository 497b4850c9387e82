// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "executor/restore.h"
#include "site/bson_frame.h"

// A batch takes documents until one more would exceed its bytes, so one document of any size fits.
#define SOURCE_MAX (RESTORE_BATCH_BYTES + DOC_MAX)
// Fix-ups replace strings: what they make is capped document by document by the server's limit.
#define FIXED_MAX (4u * SOURCE_MAX)

struct restore_batch *restore_batch_new(void) {
    struct restore_batch *b = must_calloc(1, sizeof *b);
    b->source = (struct buf)BUF_INIT(SOURCE_MAX);
    b->fixed = (struct buf)BUF_INIT(FIXED_MAX);
    return b;
}

static void empty(struct buf *b) {
    if (b->cap > RESTORE_LARGE) {
        buf_free(b);
    }
    buf_clear(b);
}

void restore_batch_clear(struct restore_batch *b) {
    for (size_t i = 0; i < b->n; i++) {
        free(b->docs[i].detail);
    }
    b->n = 0;
    b->position = b->end = 0;
    empty(&b->source);
    empty(&b->fixed);
}

void restore_batch_free(struct restore_batch *b) {
    if (b) {
        restore_batch_clear(b);
        buf_free(&b->source);
        buf_free(&b->fixed);
        free(b);
    }
}

// Reads ahead by one document, to see whether it still belongs into the batch.
static int hold(struct restore_source *s, struct err *e) {
    if (s->held || s->ended) {
        return s->held != NULL;
    }
    s->held_offset = segment_offset(s->reader);
    int rc = segment_next(s->reader, &s->held, &s->held_len, e);
    if (rc <= 0) {
        s->held = NULL;
        s->ended = rc == 0;
    }
    return rc;
}

static const struct batch_record *next_done(struct restore_source *s) {
    const struct restore_done *done = s->done;
    while (done && s->next_done < done->n && done->items[s->next_done].position < s->held_offset) {
        s->next_done++;
    }
    return done && s->next_done < done->n ? &done->items[s->next_done] : NULL;
}

// Passes over recorded batches. As restore_batch_fill.
static int skip_done(struct restore_source *s, struct err *e) {
    int rc;
    while ((rc = hold(s, e)) > 0) {
        const struct batch_record *done = next_done(s);
        if (!done || done->position != s->held_offset) {
            return 1;
        }
        uint64_t end = done->end;
        while (rc > 0 && s->held_offset < end) {
            s->held = NULL;
            rc = hold(s, e);
        }
        if (rc <= 0) {
            return rc;
        }
    }
    return rc;
}

// What of the document counts later: its first _id, and whether any other element at the top is
// Timestamp(0, 0). Negative: it is damaged.
static int examine(struct restore_doc *d) {
    static const uint8_t zero[8];
    struct doc_iter it;
    struct doc_element el;
    int rc;
    d->id = (struct docid){0};
    d->zero_time = false;
    doc_iter_init(&it, d->expected, d->expected_len);
    while ((rc = doc_next(&it, &el)) > 0) {
        if (strcmp(el.name, "_id") == 0) {
            if (d->id.type == 0) {
                d->id = (struct docid){.type = el.type, .value = el.value, .len = el.value_len};
            }
        } else if (el.type == BSON_TYPE_TIMESTAMP && memcmp(el.value, zero, sizeof zero) == 0) {
            d->zero_time = true;
        }
    }
    return rc;
}

static int add(struct restore_source *s, struct restore_batch *b, struct err *e) {
    struct restore_doc *d = &b->docs[b->n];
    AUTO_BUF struct buf fixed = BUF_INIT(2u * DOC_MAX);
    *d = (struct restore_doc){.offset = s->held_offset, .source_at = b->source.len};
    // Without fix-ups it would only look at the elements, as examine() does.
    int rc = fixups_empty(s->fixups) ? 0 : fixups_apply(s->fixups, s->held, s->held_len, &fixed, e);
    if (rc < 0) {
        return err_wrap(e, "document at byte %llu of the dump", (unsigned long long)d->offset);
    }
    d->fixed = rc == 1;
    d->source_len = s->held_len;
    d->expected_len = d->fixed ? fixed.len : s->held_len;
    d->expected_at = b->fixed.len;
    buf_put(&b->source, s->held, s->held_len);
    rc = d->fixed ? buf_append(&b->fixed, fixed.data, fixed.len, e) : 0;
    b->n += rc == 0;
    s->held = NULL;
    return rc;
}

static bool fits(struct restore_source *s, const struct restore_batch *b) {
    const struct batch_record *done = next_done(s);
    return b->n < RESTORE_BATCH_DOCUMENTS &&
           (b->n == 0 || (b->source.len + s->held_len <= RESTORE_BATCH_BYTES &&
                          b->fixed.len + s->held_len <= RESTORE_BATCH_BYTES)) &&
           !(b->n && done && done->position == s->held_offset);
}

// The buffers hold still now.
int restore_batch_point(struct restore_batch *b, struct err *e) {
    for (size_t i = 0; i < b->n; i++) {
        struct restore_doc *d = &b->docs[i];
        d->source = b->source.data + d->source_at;
        d->expected = d->fixed ? b->fixed.data + d->expected_at : d->source;
        if (examine(d) < 0) {
            return err_set(e, ERR_DATA, "document at byte %llu of the dump is damaged",
                           (unsigned long long)d->offset);
        }
    }
    return 1;
}

int restore_batch_put(struct restore_source *s, struct restore_batch *b, const uint8_t *doc,
                      size_t len, struct err *e) {
    s->held = doc;
    s->held_len = len;
    if (!fits(s, b)) {
        return 0;
    }
    int rc = add(s, b, e);
    return rc == 0 ? 1 : rc;
}

int restore_batch_fill(struct restore_source *s, struct restore_batch *b, struct err *e) {
    restore_batch_clear(b);
    int rc = skip_done(s, e);
    if (rc <= 0) {
        return rc;
    }
    b->position = s->held_offset;
    while (rc > 0 && fits(s, b)) {
        b->end = s->held_offset + s->held_len;
        rc = add(s, b, e);
        if (rc) {
            return rc;
        }
        if (b->source.len >= RESTORE_BATCH_BYTES) {
            segment_trim(s->reader); // the next one would only wait in memory
            break;
        }
        rc = hold(s, e);
    }
    return rc < 0 ? rc : restore_batch_point(b, e);
}
