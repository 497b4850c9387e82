// SPDX-License-Identifier: Apache-2.0
// The network configuration: the two ends of a migration. JSON as the predecessor's files have it
// (comments with // and #, trailing commas) or YAML; keys in schema/config.tbl.h. Duplicate and
// unknown keys are errors that name line and nearest key.
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"

// What kind an end is follows from its keys; keys that contradict each other are errors.
enum end_kind {
    END_DIRECT,     // mongoUri and/or dataDir, and no clusterUrl
    END_STANDALONE, // mongoUser without mongoUri and clusterUrl: the old server, from inside its
                    // cluster; a source only
    END_CLUSTER,    // clusterUrl or kubeconfig, with clusterProject: OpenShift
};

struct end_config {
    const char *label; // "source" or "destination", for messages
    enum end_kind kind;
    struct secret *mongo_uri; // may hold a password, so it is a secret; never printed as it is
    struct secret *mongo_user, *mongo_password;
    struct secret *cluster_token;
    char *mongo_database; // default DLAAS
    char *data_dir;       // absolute; NULL when the files are reached otherwise
    char *mvi_url, *cluster_url, *cluster_project;
    char **files_command; // how to run commands where data_dir is; ends with NULL, NULL: it is here
    char *mongo_service, *files_pod, *kubeconfig;
    char *mongo_auth_source; // NULL: mongo_database
    char *mongo_pod, *mongo_secret, *ssh_tunnel;
    char *cluster_ca; // NULL: the system's certificates
    char *tls_ca_file, *tls_certificate_key_file;
};

struct config {
    char *path; // where it was read
    struct end_config source, destination;
};

// ERR_USAGE with file and line. Values that are "${NAME}" as a whole are taken from the environment
// here, and the files of ...File keys are read. The source's data directory: config, else
// MIGMGR_MOUNTPOINT, else /opt/powerai-vision/data. Values are never part of an error's text.
int config_read(const char *path, struct config **out, struct err *e);
// `text` instead of a file, for tests.
int config_parse(const char *name, const char *text, size_t len, struct config **out,
                 struct err *e);
void config_free(struct config *c);
void config_cleanup(struct config **c);
#define AUTO_CONFIG AUTO(config_cleanup)
// Every secret of the configuration into the redactor, also the password inside a mongoUri (as it
// stands there and decoded). Names of users are none: owners may have the same.
void config_redact(const struct config *c, struct redact *r);

// The keys of an end, for help, completion and docs; ended by a NULL name.
struct config_key {
    const char *name, *meaning;
};
extern const struct config_key config_keys[];
