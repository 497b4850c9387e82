// SPDX-License-Identifier: Apache-2.0
// The database side of `mvimig check`.
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/human.h"
#include "commands/check.h"
#include "site/mongo_state.h"
#include "site/reach.h"

#define CLOCK_NOTE_S 60
// Of MongoDB 4.2 and 6.0: what mvimig is tested with lies between.
#define WIRE_TESTED_FIRST 8
#define WIRE_TESTED_LAST 17

static void check_rights(struct check *k, const char *end, struct mongo *m, bool write) {
    char missing[200];
    bool login = false;
    struct err e = {0};
    if (mongo_missing_rights(m, write, &login, missing, sizeof missing, &e) != 0) {
        check_bad(k, end, "rights", &e);
    } else if (!login) {
        check_tell(k, end, "rights", CHECK_NOTE,
                   "the server asks for no login: whoever reaches it can read and change all; no "
                   "matter of the migration's");
    } else if (missing[0] != 0) {
        err_set(&e, ERR_LOGIN, "the user lacks %s; grant it %s on the database", missing,
                write ? "readWrite" : "read");
        check_bad(k, end, "rights", &e);
    } else {
        check_tell(k, end, "rights", CHECK_OK, "%s", write ? "reads and writes" : "reads");
    }
}

static void check_clock(struct check *k, const char *end, struct mongo *m) {
    int64_t ms = 0;
    char n[HUMAN_TEXT];
    struct err e = {0};
    if (mongo_clock(m, &ms, &e) != 0) {
        check_bad(k, end, "clock", &e);
        return;
    }
    int64_t off = ms / 1000 - clock_wall_ns() / 1000000000;
    if (off > CLOCK_NOTE_S || off < -CLOCK_NOTE_S)
        check_tell(k, end, "mongodb clock", CHECK_NOTE, "%s %s the clock here: set them (NTP)",
                   human_duration((off < 0 ? -off : off) * 1000000000, n),
                   off > 0 ? "ahead of" : "behind");
}

static void check_server(struct check *k, const char *end, struct mongo_end *db, bool write) {
    AUTO_MONGO struct mongo *m = NULL;
    const struct mongo_server *s = mongo_end_server(db);
    struct err e = {0};
    uint64_t free = 0;
    check_tell(k, end, "mongodb", CHECK_OK, "%s (wire version %d) at %s/%s%s", s->version,
               s->wire_version, s->host, mongo_end_database(db),
               s->replica_set ? ", member of a replica set" : "");
    if (s->wire_version < WIRE_TESTED_FIRST || s->wire_version > WIRE_TESTED_LAST)
        check_tell(k, end, "mongodb", CHECK_NOTE,
                   "mvimig is tested with MongoDB 4.2 to 6.0 (wire versions %d to %d), not with "
                   "this version; make a trial migration first",
                   WIRE_TESTED_FIRST, WIRE_TESTED_LAST);
    if (mongo_session(db, &m, &e) != 0) {
        check_bad(k, end, "mongodb", &e);
        return;
    }
    check_rights(k, end, m, write);
    check_clock(k, end, m);
    if (write && mongo_free_bytes(m, &free, &e) == 0)
        check_mongo_room(k, free);
}

// What stands before a connection in a cluster, each by itself. Of the destination, tools and login
// were told with its files.
static bool check_secret(struct check *k, const struct end_config *end, struct reach *r) {
    struct secret *user = NULL, *password = NULL;
    struct err e = {0};
    if (end->mongo_user != NULL)
        return true;
    int rc = cluster_find_login(reach_cluster(r), end->mongo_secret, &user, &password, &e);
    secret_free(user);
    secret_free(password);
    if (rc != 0)
        return check_bad(k, end->label, "secret", &e);
    check_tell(k, end->label, "secret", CHECK_OK, "it holds MongoDB's user and password");
    return true;
}

static bool check_cluster(struct check *k, const struct end_config *end) {
    bool source = end == &k->ends.config->source;
    struct reach *r = NULL;
    struct cluster_pod pod;
    struct err e = {0};
    if ((source ? ends_reach_source : ends_reach_destination)(&k->ends, &r, &e) != 0)
        return source ? check_bad(k, end->label, "tools", &e) : false;
    if (source)
        check_tell(k, end->label, "tools", CHECK_OK, "%s", cluster_program(reach_cluster(r)));
    int rc = reach_find_mongo(r, k->c->arena, 0, &pod, &e);
    bool asked = rc == 0 || rc == ERR_NOTFOUND || rc == ERR_RETRY;
    if (source && asked)
        check_tell(k, end->label, "login", CHECK_OK, "project %s can be entered",
                   cluster_project(reach_cluster(r)));
    if (!asked)
        return source ? check_bad(k, end->label, "login", &e) : false;
    if (rc != 0)
        return check_bad(k, end->label, "mongodb pod", &e);
    check_tell(k, end->label, "mongodb pod", CHECK_OK, "%s", pod.name);
    return check_secret(k, end, r);
}

static bool open_one(struct check *k, const struct end_config *end, unsigned need, bool write) {
    struct err e = {0};
    if (end->kind == END_CLUSTER && !check_cluster(k, end))
        return false;
    if (end->ssh_tunnel != NULL && !child_in_path("ssh")) {
        err_set(&e, ERR_USAGE, "sshTunnel needs ssh, which is not in the PATH; install it");
        return check_bad(k, end->label, "tools", &e);
    }
    if (ends_open(&k->ends, need, &e) != 0)
        return check_bad(k, end->label, "mongodb", &e);
    check_server(k, end->label, write ? k->ends.destination_db : k->ends.source_db, write);
    return true;
}

static void check_versions(struct check *k) {
    const struct mongo_server *s = mongo_end_server(k->ends.source_db);
    const struct mongo_server *d = mongo_end_server(k->ends.destination_db);
    if (s->wire_version > d->wire_version)
        check_tell(k, "", "versions", CHECK_NOTE,
                   "the destination's MongoDB (%s) is older than the source's (%s): newer types "
                   "and larger documents may be refused; each would be told",
                   d->version, s->version);
    else
        check_tell(k, "", "versions", CHECK_OK, "MongoDB %s to %s", s->version, d->version);
}

bool check_databases(struct check *k) {
    const struct config *c = k->ends.config;
    bool files_only = c->source.kind == END_DIRECT && c->source.mongo_uri == NULL;
    if (files_only) {
        check_tell(k, "", "mongodb", CHECK_NOTE,
                   "the configuration names none: files alone can be moved (--files-only)");
        return false;
    }
    bool source = open_one(k, &c->source, ENDS_SOURCE_DB, false);
    bool destination = open_one(k, &c->destination, ENDS_DESTINATION_DB, true);
    if (source && destination)
        check_versions(k);
    return source && destination;
}
