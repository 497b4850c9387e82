// SPDX-License-Identifier: Apache-2.0
#include "state/attempt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "state/bounded.h"

#define FINDINGS_MAX 1000
#define FINDINGS_BYTES_MAX (4 << 20)

struct finding *finding_of_conflict(const struct conflict_record *c) {
    struct finding *f = must_calloc(1, sizeof *f);
    f->is_conflict = true;
    f->object = bounded_copy(c->object);
    f->id = bounded_copy(c->id);
    f->class = bounded_copy(c->class);
    f->detail = bounded_copy(c->detail);
    f->decision = bounded_copy(c->decision);
    f->source_digest = bounded_copy(c->source_digest);
    f->destination_digest = bounded_copy(c->destination_digest);
    if (c->old_bytes != NULL) {
        f->old_bytes = must_calloc(1, c->old_len + 1);
        f->old_len = c->old_len;
        memcpy(f->old_bytes, c->old_bytes, c->old_len);
    }
    f->bytes = sizeof *f + strlen(f->id) + strlen(f->detail) + f->old_len + 256;
    return f;
}

struct finding *finding_of_problem(const struct problem_record *p) {
    struct finding *f = must_calloc(1, sizeof *f);
    f->object = bounded_copy(p->object);
    f->id = bounded_copy(p->id);
    f->class = bounded_copy(p->class);
    f->detail = bounded_copy(p->detail);
    f->bytes = sizeof *f + strlen(f->id) + strlen(f->detail) + 64;
    return f;
}

void finding_free_list(struct finding *f) {
    while (f != NULL) {
        struct finding *next = f->next;
        char *texts[] = {f->object,
                         f->id,
                         f->class,
                         f->detail,
                         f->decision,
                         f->source_digest,
                         f->destination_digest};
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            free(texts[i]);
        }
        free(f->old_bytes);
        free(f);
        f = next;
    }
}

static struct attempt_memory *attempt_find(struct journal *j, int64_t id) {
    struct attempt_memory *a = j->attempts;
    while (a != NULL && a->id != id) {
        a = a->next;
    }
    return a;
}

void attempt_remember(struct journal *j, int64_t id) {
    struct attempt_memory *a = must_calloc(1, sizeof *a);
    a->id = id;
    a->began_mono_ns = clock_mono_ns();
    a->last = &a->first;
    pthread_mutex_lock(&j->lock);
    a->next = j->attempts;
    j->attempts = a;
    pthread_mutex_unlock(&j->lock);
}

int64_t attempt_milliseconds(struct journal *j, int64_t id) {
    pthread_mutex_lock(&j->lock);
    struct attempt_memory *a = attempt_find(j, id);
    int64_t began = a == NULL ? -1 : a->began_mono_ns;
    pthread_mutex_unlock(&j->lock);
    return began < 0 ? -1 : (clock_mono_ns() - began) / 1000000;
}

static void attempt_free(struct attempt_memory *a) {
    if (a != NULL) {
        finding_free_list(a->first);
        free(a);
    }
}

void attempt_forget(struct journal *j, int64_t id) {
    pthread_mutex_lock(&j->lock);
    struct attempt_memory **at = &j->attempts, *found = NULL;
    while (*at != NULL && (*at)->id != id) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        found = *at;
        *at = found->next;
    }
    pthread_mutex_unlock(&j->lock);
    attempt_free(found);
}

void attempt_forget_all(struct journal *j) {
    while (j->attempts != NULL) {
        struct attempt_memory *a = j->attempts;
        j->attempts = a->next;
        attempt_free(a);
    }
}

static void attempt_count(struct attempt_memory *a) {
    a->n = 0;
    a->bytes = 0;
    a->last = &a->first;
    for (struct finding *f = a->first; f != NULL; f = f->next) {
        a->n++;
        a->bytes += f->bytes;
        a->last = &f->next;
    }
}

int attempt_collect(struct journal *j, int64_t id, struct finding *f, bool *full, struct err *e) {
    pthread_mutex_lock(&j->lock);
    struct attempt_memory *a = attempt_find(j, id);
    if (a != NULL) {
        *a->last = f;
        a->last = &f->next;
        a->n++;
        a->bytes += f->bytes;
        *full = a->n >= FINDINGS_MAX || a->bytes >= FINDINGS_BYTES_MAX;
    }
    pthread_mutex_unlock(&j->lock);
    if (a == NULL) {
        finding_free_list(f);
        return err_set(e, ERR_FAILED, "attempt %" PRId64 " is not going on", id);
    }
    return 0;
}

struct finding *attempt_take(struct journal *j, int64_t id) {
    pthread_mutex_lock(&j->lock);
    struct attempt_memory *a = attempt_find(j, id);
    struct finding *list = NULL;
    if (a != NULL) {
        list = a->first;
        a->first = NULL;
        attempt_count(a);
    }
    pthread_mutex_unlock(&j->lock);
    return list;
}

void attempt_give_back(struct journal *j, int64_t id, struct finding *list) {
    if (list == NULL) {
        return;
    }
    pthread_mutex_lock(&j->lock);
    struct attempt_memory *a = attempt_find(j, id);
    if (a != NULL) {
        struct finding *newer = a->first;
        a->first = list;
        attempt_count(a);
        *a->last = newer;
        attempt_count(a);
        list = NULL;
    }
    pthread_mutex_unlock(&j->lock);
    finding_free_list(list);
}
