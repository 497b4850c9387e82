// SPDX-License-Identifier: Apache-2.0
#include "commands/ends.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/stop.h"
#include "base/tempfile.h"
#include "site/file_end_exec.h"
#include "site/reach.h"

#define SCHEMA_MAX (1 << 20)

int ends_configure(struct ends *ends, struct command_context *c, const char *otherwise,
                   struct err *e) {
    const char *path = c->options->config;
    ends->receiver = c->options->receiver;
    if (path == NULL)
        path = getenv("MVI_MIG_CONFIG");
    if (path == NULL || *path == 0)
        path = otherwise;
    if (path == NULL || *path == 0)
        return err_set(e, ERR_USAGE,
                       "no network configuration: give -c FILE or set MVI_MIG_CONFIG");
    ends->context = c;
    int rc = config_read(path, &ends->config, e);
    if (rc == 0)
        config_redact(ends->config, c->out->redact);
    return rc;
}

static int need_direct(const struct end_config *end, bool db, struct err *e) {
    if (db && end->mongo_uri == NULL)
        return err_set(e, ERR_USAGE,
                       "%s: the configuration does not say where MongoDB is; give mongoUri, or "
                       "clusterUrl and clusterProject",
                       end->label);
    if (!db && end->data_dir == NULL)
        return err_set(e, ERR_USAGE,
                       "%s: the configuration does not say where the files are; give dataDir%s",
                       end->label, strcmp(end->label, "source") == 0 ? "" : ", or clusterUrl");
    return 0;
}

// From any thread.
static void say(void *arg, const char *text) {
    struct command_context *c = arg;
    out_log(c->out, OUT_WARNING, NULL, "%s", text);
}

static int need_reach(struct ends *ends, const struct end_config *end, struct reach **r,
                      struct err *e) {
    struct command_context *c = ends->context;
    if (*r != NULL)
        return 0;
    const struct reach_options o = {
        .end = end, .insecure = c->options->insecure, .say = say, .arg = c};
    if (o.insecure && end->cluster_token != NULL)
        out_log(c->out, OUT_WARNING, NULL,
                "--insecure: the certificate of the %s's cluster is not checked; who stands "
                "between can read and change all that passes, the token first",
                end->label);
    return reach_open(&o, r, e);
}

static int open_db(struct ends *ends, const struct end_config *end, struct reach **r,
                   struct mongo_end **out, struct err *e) {
    struct mongo_options o = {.label = end->label,
                              .uri = end->mongo_uri,
                              .user = end->mongo_user,
                              .password = end->mongo_password,
                              .database = end->mongo_database,
                              .auth_source = end->mongo_auth_source,
                              .retrying = say,
                              .retrying_arg = ends->context,
                              .tls_ca_file = end->tls_ca_file,
                              .tls_certificate_key_file = end->tls_certificate_key_file};
    int rc = 0;
    if (*out != NULL)
        return 0;
    if (!reach_is_needed(end)) {
        rc = need_direct(end, true, e);
    } else {
        rc = need_reach(ends, end, r, e);
        if (rc == 0)
            rc = reach_mongo(*r, &o, e);
        if (rc == 0 && o.password != NULL)
            redact_add(ends->context->out->redact, o.password);
    }
    return rc == 0 ? mongo_end_open(&o, out, e) : rc;
}

static int open_source_files(struct ends *ends, struct err *e) {
    const struct end_config *end = &ends->config->source;
    if (ends->source_root >= 0)
        return 0;
    int rc = need_direct(end, false, e);
    if (rc == 0)
        rc = path_open_root(end->data_dir, &ends->source_root, e);
    return rc == 0 ? 0 : err_wrap(e, "source files");
}

const char *const *ends_ssh_environment(char *env[2]) {
    const char *agent = getenv("SSH_AUTH_SOCK");
    env[0] = agent == NULL ? NULL : must_sprintf("SSH_AUTH_SOCK=%s", agent);
    env[1] = NULL;
    return (const char *const *)env;
}

int ends_reach_source(struct ends *ends, struct reach **out, struct err *e) {
    int rc = need_reach(ends, &ends->config->source, &ends->source_reach, e);
    *out = ends->source_reach;
    return rc;
}

int ends_reach_destination(struct ends *ends, struct reach **out, struct err *e) {
    int rc = need_reach(ends, &ends->config->destination, &ends->destination_reach, e);
    *out = ends->destination_reach;
    return rc;
}

static int open_by_command(const struct end_config *end, enum file_receiver receiver,
                           struct file_end **out, struct err *e) {
    char *env[2] = {NULL, NULL};
    const struct file_end_exec o = {.label = "destination",
                                    .prefix = (const char *const *)end->files_command,
                                    .env = ends_ssh_environment(env),
                                    .root = end->data_dir,
                                    .receiver = receiver};
    int rc = file_end_exec_open(&o, out, e);
    free(env[0]);
    return rc;
}

static int open_by_cluster(struct ends *ends, enum file_receiver receiver, struct err *e) {
    struct end_config *end = &ends->config->destination;
    int rc = need_reach(ends, end, &ends->destination_reach, e);
    if (end->data_dir == NULL)
        end->data_dir = must_strdup(REACH_DATA);
    return rc == 0 ? reach_files(ends->destination_reach, receiver, &ends->destination_files, e)
                   : rc;
}

static int receiver_of(const char *name, enum file_receiver *out, struct err *e) {
    static const char *const names[] = {
        [RECEIVER_AUTO] = "auto", [RECEIVER_MVIMIG] = "mvimig", [RECEIVER_TAR] = "tar"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (name == NULL || strcmp(name, names[i]) == 0) {
            *out = (enum file_receiver)i;
            return 0;
        }
    return err_set(e, ERR_USAGE, "--receiver %s: it is auto, mvimig or tar", name);
}

static int open_destination_files(struct ends *ends, struct err *e) {
    const struct end_config *end = &ends->config->destination;
    int rc = 0;
    if (ends->destination_files != NULL)
        return 0;
    enum file_receiver receiver = RECEIVER_AUTO;
    rc = receiver_of(ends->receiver, &receiver, e);
    if (rc == 0 && end->kind != END_CLUSTER)
        rc = need_direct(end, false, e);
    if (rc == 0)
        rc = end->kind == END_CLUSTER ? open_by_cluster(ends, receiver, e)
             : end->files_command != NULL
                 ? open_by_command(end, receiver, &ends->destination_files, e)
                 : file_end_directory("destination", end->data_dir, &ends->destination_files, e);
    return rc == 0 ? 0 : err_wrap(e, "destination files");
}

int ends_open(struct ends *ends, unsigned need, struct err *e) {
    int rc = 0;
    if ((need & ENDS_SOURCE_FILES) != 0)
        rc = open_source_files(ends, e);
    if (rc == 0 && (need & ENDS_DESTINATION_FILES) != 0)
        rc = open_destination_files(ends, e);
    if (rc == 0 && (need & ENDS_SOURCE_DB) != 0)
        rc = open_db(ends, &ends->config->source, &ends->source_reach, &ends->source_db, e);
    if (rc == 0 && (need & ENDS_DESTINATION_DB) != 0)
        rc = open_db(ends, &ends->config->destination, &ends->destination_reach,
                     &ends->destination_db, e);
    return rc;
}

int ends_session(struct mongo_end *end, struct mongo **out, struct err *e) {
    int rc = mongo_session(end, out, e);
    if (rc == 0)
        mongo_be_patient(*out);
    return rc;
}

static int check_databases(struct ends *ends, struct err *e) {
    AUTO(mongo_cleanup) struct mongo *source = NULL, *destination = NULL;
    bool same = false;
    int rc = ends_session(ends->source_db, &source, e);
    if (rc == 0)
        rc = ends_session(ends->destination_db, &destination, e);
    if (rc == 0)
        rc = mongo_same_database(source, destination, &same, e);
    if (rc == 0 && same)
        return err_set(e, ERR_USAGE,
                       "source and destination are the same database (%s and %s hold the same "
                       "collections); name another destination in %s",
                       mongo_end_server(ends->source_db)->host,
                       mongo_end_server(ends->destination_db)->host, ends->config->path);
    return rc;
}

int ends_check_distinct(struct ends *ends, struct err *e) {
    bool same = false;
    int rc = 0;
    if (ends->source_db != NULL && ends->destination_db != NULL)
        rc = check_databases(ends, e);
    if (rc != 0 || ends->source_root < 0 || ends->destination_files == NULL)
        return rc;
    rc = files_same_root(ends->destination_files, ends->source_root, &same, e);
    if (rc == 0 && same)
        return err_set(
            e, ERR_USAGE,
            "source and destination are the same data directory (%s and %s); name another "
            "destination in %s",
            ends->config->source.data_dir, ends->config->destination.data_dir, ends->config->path);
    return rc;
}

void ends_close(struct ends *ends) {
    mongo_end_close(STEAL(ends->source_db));
    mongo_end_close(STEAL(ends->destination_db));
    file_end_free(STEAL(ends->destination_files));
    reach_close(STEAL(ends->source_reach));
    reach_close(STEAL(ends->destination_reach));
    auto_close(&ends->source_root);
    config_free(STEAL(ends->config));
}

int read_schema(struct command_context *c, struct model **out, struct err *e) {
    const char *path = c->options->schema;
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    if (path == NULL)
        return model_read("built-in schema", NULL, 0, out, e);
    int rc = file_read(AT_FDCWD, path, SCHEMA_MAX, &text, &len, e);
    if (rc == ERR_NOTFOUND)
        return err_set(e, ERR_USAGE, "--schema %s: there is no such file", path);
    return rc != 0 ? rc : model_read(path, text, len, out, e);
}
