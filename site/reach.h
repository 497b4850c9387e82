// SPDX-License-Identifier: Apache-2.0
// How an end is reached that its configuration does not name by a URI and a folder alone: by its
// cluster (MongoDB by a port-forward, files by exec), by an SSH tunnel, or as the standalone server
// from inside of its cluster or on its machine. What comes out is what a direct end has: options
// for mongo_end_open() and a struct file_end.
#pragma once

#include <stdbool.h>

#include "schema/config.h"
#include "site/cluster_find.h"
#include "site/file_end_exec.h"
#include "site/mongo.h"

#define REACH_DATA "/opt/powerai-vision/data" // as MVI's pods have it mounted

struct reach_options {
    const struct end_config *end;             // borrowed
    bool insecure;                            // the cluster's certificate is not checked
    void (*say)(void *arg, const char *text); // what a tunnel met; from a thread of its own
    void *arg;
};

struct reach;
// True when MongoDB (or the files, of a destination) of this end are not reached directly.
bool reach_is_needed(const struct end_config *end);
// Prepares the login; asks nothing yet.
int reach_open(const struct reach_options *o, struct reach **out, struct err *e);
void reach_close(struct reach *r); // after the ends that were made of it

// Finds MongoDB and its login, starts the tunnel, and fills uri, user, password and dialer of *o,
// which live as long as the reach. ERR_NOTFOUND, ERR_LOGIN, ERR_UNREACHABLE as of cluster_json().
int reach_mongo(struct reach *r, struct mongo_options *o, struct err *e);
// Finds the pod with the files. The pod is looked for again after a stream that broke.
int reach_files(struct reach *r, enum file_receiver receiver, struct file_end **out, struct err *e);
// The cluster, for those that look closer; NULL when it is none.
struct cluster *reach_cluster(struct reach *r);
// The single questions, for those that look closer. What is found lives in the arena.
int reach_find_files(struct reach *r, struct arena *a, struct cluster_pod *pod, struct err *e);
// `nth`: of the members of a replica set.
int reach_find_mongo(struct reach *r, struct arena *a, unsigned nth, struct cluster_pod *pod,
                     struct err *e);
// The command that runs its arguments in the pod with the files.
const char *const *reach_prefix(struct reach *r, struct arena *a, const struct cluster_pod *pod);
