// SPDX-License-Identifier: Apache-2.0
// Sessions live as long as the worker: a login per step would cost more than most batches.
#include "executor/step.h"

static int session(struct mongo_end *end, struct mongo **slot, struct mongo **out, struct err *e) {
    MUST(end != NULL);
    if (*slot == NULL) {
        int rc = mongo_session(end, slot, e);
        if (rc != 0)
            return rc;
    }
    *out = *slot;
    return 0;
}

int step_source_db(struct step_run *s, struct mongo **out, struct err *e) {
    return session(s->run->source_db, s->source_db, out, e);
}

int step_destination_db(struct step_run *s, struct mongo **out, struct err *e) {
    return session(s->run->destination_db, s->destination_db, out, e);
}

int step_verify_db(struct step_verify *v, struct mongo **out, struct err *e) {
    int rc = session(v->run->destination_db, v->destination_db, out, e);
    if (rc == 0)
        mongo_be_patient(*out);
    return rc;
}
