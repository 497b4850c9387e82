// SPDX-License-Identifier: Apache-2.0
// mvimig dump: the documents of a scope as a backup, without a destination.
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/human.h"
#include "commands/command.h"
#include "commands/ends.h"
#include "commands/scope_options.h"
#include "compiler/compile.h"
#include "executor/export.h"
#include "scan/scan.h"

struct dumping {
    struct command_context *c;
    struct ends ends;
    struct model *model;
    struct scope scope, resolved;
    struct inventory *inventory;
    struct plan *plan;
    struct backup_writer *out;
    int64_t shown_ns;
};

static bool time_to_show(struct dumping *d) {
    int64_t now = clock_mono_ns();
    if (now - d->shown_ns < (d->c->out->terminal ? 200000000ll : 10000000000ll))
        return false;
    d->shown_ns = now;
    return true;
}

static void show_scan(void *arg, const char *what, uint64_t seen) {
    struct dumping *d = arg;
    char n[HUMAN_TEXT];
    if (!time_to_show(d))
        return;
    AUTO_FREE char *text = must_sprintf("scan: %s, %s seen", what, human_count(seen, n));
    out_progress(d->c->out, text);
}

static void show_dump(void *arg, const char *collection, uint64_t documents) {
    struct dumping *d = arg;
    char n[HUMAN_TEXT];
    if (!time_to_show(d))
        return;
    AUTO_FREE char *text =
        must_sprintf("dump: %s, %s documents", collection, human_count(documents, n));
    out_progress(d->c->out, text);
}

static void log_dump(void *arg, enum run_log_level level, const char *step, const char *text) {
    struct dumping *d = arg;
    out_log(d->c->out, (enum out_level)level, step, "%s", text);
}

static int make_plan(struct dumping *d, struct err *e) {
    const char *data_dir = d->ends.config->source.data_dir;
    const struct scan_options so = {.model = d->model,
                                    .scope = &d->scope,
                                    .source = d->ends.source_db,
                                    .source_root = d->ends.source_root,
                                    .source_dir = data_dir != NULL ? data_dir : "",
                                    .destination_dir = "",
                                    .arg = d,
                                    .progress = show_scan};
    const struct compile_options co = {.name = "dump", .pass = 1};
    int rc = scan(&so, &d->inventory, e);
    out_progress_end(d->c->out);
    if (rc == 0)
        rc = scope_resolve(d->inventory, &d->scope, &d->resolved, d->c->arena, e);
    return rc == 0 ? compile(&d->resolved, d->inventory, &co, &d->plan, e) : rc;
}

static bool has_dump(const struct plan *p, const char *collection) {
    for (size_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].kind == KIND_DUMP &&
            (collection == NULL || strcmp(p->steps[i].collection, collection) == 0))
            return true;
    return false;
}

static int write_backup(struct dumping *d, struct err *e) {
    const struct export_options o = {.plan = d->plan,
                                     .source = d->ends.source_db,
                                     .out = d->out,
                                     .log = log_dump,
                                     .progress = show_dump,
                                     .arg = d};
    if (!has_dump(d->plan, NULL))
        return err_set(e, ERR_FAILED,
                       "nothing was written: the scope has no documents at the source");
    int rc = export_documents(&o, e);
    out_progress_end(d->c->out);
    return rc == 0 ? backup_publish(d->out, e) : rc;
}

static void tell_left_out(struct dumping *d) {
    static const char *const classes[] = {
        [MODEL_ACCOUNTS] = "accounts", [MODEL_TRANSIENT] = "transient"};
    char n[HUMAN_TEXT];
    for (size_t i = 0; d->scope.server && i < d->model->n_collections; i++) {
        const struct model_collection *m = &d->model->collections[i];
        const struct inv_collection *there = &d->inventory->collections[i];
        if (m->class != MODEL_WORK && there->documents > 0 && !has_dump(d->plan, m->name))
            out_result(d->c->out, "Left out: %s, %s documents (--with %s takes them along)\n",
                       m->name, human_count(there->documents, n), classes[m->class]);
    }
}

static void tell(struct dumping *d) {
    size_t n;
    const struct backup_entry *entries = backup_entries(d->out, &n);
    uint64_t documents = 0, bytes = 0;
    char a[HUMAN_TEXT], b[HUMAN_TEXT];
    for (size_t i = 0; i < n; i++) {
        out_result(d->c->out, "  %-28s %12s %10s\n", entries[i].collection,
                   human_count(entries[i].documents, a), human_bytes(entries[i].bytes, b));
        documents += entries[i].documents;
        bytes += entries[i].bytes;
    }
    tell_left_out(d);
    out_result(d->c->out, "%s documents (%s) of %zu collections written to %s\n",
               human_count(documents, a), human_bytes(bytes, b), n, d->c->options->output);
}

static void tell_json(struct dumping *d) {
    size_t n;
    const struct backup_entry *entries = backup_entries(d->out, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list,
                              json_pack("{ss sI sI ss}", "name", entries[i].collection, "documents",
                                        (json_int_t)entries[i].documents, "bytes",
                                        (json_int_t)entries[i].bytes, "sha256", entries[i].digest));
    out_json(d->c->out,
             json_pack("{ss ss so}", "backup", d->c->options->output, "database",
                       d->ends.config->source.mongo_database, "collections", list),
             false);
}

// A folder of a dataset whose own document is gone says whose the documents are that belong to it.
// A server's are all taken, whoever they belong to.
static unsigned needed_ends(const struct dumping *d) {
    bool files = !d->scope.server && d->ends.config->source.data_dir != NULL;
    return ENDS_SOURCE_DB | (files ? ENDS_SOURCE_FILES : 0u);
}

static int dump(struct dumping *d, struct err *e) {
    struct command_context *c = d->c;
    if (c->options->output == NULL)
        return err_set(e, ERR_USAGE,
                       "nothing says where to: give -o FILE.zip, or -o DIR for a folder");
    int rc = scope_from_options(c->options, &d->scope, e);
    if (rc == 0)
        rc = read_schema(c, &d->model, e);
    if (rc == 0)
        rc = ends_configure(&d->ends, c, NULL, e);
    if (rc == 0)
        rc = ends_open(&d->ends, needed_ends(d), e);
    // Before the scan: a name that is taken is told at once.
    if (rc == 0)
        rc = backup_create(c->options->output, mongo_end_database(d->ends.source_db), &d->out, e);
    if (rc == 0)
        rc = make_plan(d, e);
    if (rc == 0)
        rc = write_backup(d, e);
    if (rc == 0)
        (c->options->json ? tell_json : tell)(d);
    return rc;
}

static int run(struct command_context *c, struct err *e) {
    struct dumping d = {.c = c, .ends = ENDS_INIT, .shown_ns = clock_mono_ns()};
    int rc = dump(&d, e);
    backup_writer_free(d.out);
    plan_free(d.plan);
    inventory_free(d.inventory);
    model_free(d.model);
    ends_close(&d.ends);
    return rc;
}

const struct command command_dump = {
    .name = "dump",
    .bit = C_DUMP,
    .synopsis = "-c FILE (--server | --users A,B | --projects P,Q) -o FILE.zip | DIR",
    .summary = "write the documents of a scope into a backup that mongorestore reads, too",
    .max_words = 0,
    .run = run,
};
