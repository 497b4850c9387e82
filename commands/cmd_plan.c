// SPDX-License-Identifier: Apache-2.0
// mvimig plan: scan both ends, compile, write the plan.
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/human.h"
#include "commands/bases.h"
#include "commands/command.h"
#include "commands/ends.h"
#include "commands/estimate.h"
#include "commands/migration_dir.h"
#include "commands/plan_file.h"
#include "commands/scope_options.h"
#include "compiler/compile.h"
#include "plans/params.h"
#include "scan/scan.h"
#include "site/product_version.h"

struct planning {
    struct command_context *c;
    struct ends ends;
    struct model *model;
    struct scope scope, resolved;
    struct inventory *inventory;
    const char *name, *workdir;
    int pass;
    struct estimate estimate;
    FILE *report;
    int64_t shown_ns;
};

// A name that says what is moved: "server", "users-alice-bob", "projects-line3".
static const char *default_name(struct arena *a, const struct scope *s) {
    if (s->server)
        return "server";
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    const struct scope_list *list = s->users.n > 0 ? &s->users : &s->projects;
    buf_puts(&b, s->users.n > 0 ? "users" : "projects");
    for (size_t i = 0; i < list->n; i++)
        buf_printf(&b, "-%s", list->items[i]);
    char *name = arena_strndup(a, buf_str(&b), b.len < 60 ? b.len : 60);
    for (char *p = name; *p != 0; p++)
        if (!isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80)
            *p = '-';
    return name;
}

static int write_finding(void *arg, const struct inv_finding *f) {
    struct planning *p = arg;
    if (p->report == NULL)
        return 0;
    json_t *line = json_pack("{ss ss ss ss}", "finding", inv_finding_names[f->kind], "collection",
                             f->collection, "id", f->id, "detail", f->detail);
    if (line == NULL) { // something that is not UTF-8: as it would be shown
        char id[1024], detail[1024];
        line =
            json_pack("{ss ss ss ss}", "finding", inv_finding_names[f->kind], "collection",
                      f->collection, "id", escape_into(id, sizeof id, f->id, strlen(f->id)),
                      "detail", escape_into(detail, sizeof detail, f->detail, strlen(f->detail)));
    }
    if (line != NULL && json_dumpf(line, p->report, JSON_COMPACT) == 0)
        fputc('\n', p->report);
    json_decref(line);
    return 0;
}

static void show_scan(void *arg, const char *what, uint64_t seen) {
    struct planning *p = arg;
    int64_t now = clock_mono_ns();
    char n[HUMAN_TEXT];
    if (now - p->shown_ns < (p->c->out->terminal ? 200000000ll : 10000000000ll))
        return;
    p->shown_ns = now;
    AUTO_FREE char *text = must_sprintf("scan: %s, %s seen", what, human_count(seen, n));
    out_progress(p->c->out, text);
}

static int open_ends(struct planning *p, struct err *e) {
    const struct options *o = p->c->options;
    unsigned need =
        ENDS_SOURCE_DB | ENDS_SOURCE_FILES | ENDS_DESTINATION_DB | ENDS_DESTINATION_FILES;
    int rc = ends_configure(&p->ends, p->c, NULL, e);
    // A plan of files alone needs the destination's database for nothing.
    if (o->files_only && rc == 0 && p->ends.config->destination.mongo_uri == NULL)
        need &= ~(unsigned)ENDS_DESTINATION_DB;
    if (rc == 0)
        rc = ends_open(&p->ends, need, e);
    return rc != 0 ? rc : ends_check_distinct(&p->ends, e);
}

static int run_scan(struct planning *p, struct err *e) {
    struct scan_options so = {.model = p->model,
                              .scope = &p->scope,
                              .source = p->ends.source_db,
                              .destination = p->ends.destination_db,
                              .source_root = p->ends.source_root,
                              .source_dir = p->ends.config->source.data_dir,
                              .destination_dir = p->ends.config->destination.data_dir,
                              .predict = !p->c->options->no_predict && !p->scope.files_only,
                              .finding = write_finding,
                              .arg = p,
                              .progress = show_scan};
    const char *report = p->c->options->report;
    if (report != NULL && (p->report = fopen(report, "we")) == NULL)
        return err_sys(e, ERR_USAGE, errno, "--report %s cannot be written", report);
    int rc = scan(&so, &p->inventory, e);
    out_progress_end(p->c->out);
    return rc;
}

// The version of MVI at an end, where mviUrl tells whom to ask: fix-ups go by the source's. A plan
// can be made without it.
static const char *ask_product(struct planning *p, const struct end_config *end) {
    char version[PRODUCT_VERSION_MAX];
    struct err why = {0};
    const struct product_site s = {.label = end->label,
                                   .url = end->mvi_url,
                                   .ca_file = end->cluster_ca,
                                   .insecure = p->c->options->insecure};
    if (end->mvi_url == NULL)
        return "";
    if (product_version(&s, version, &why) == 0)
        return arena_strdup(p->inventory->arena, version);
    out_log(p->c->out, OUT_WARNING, NULL,
            "the plan is made without the version of MVI at the %s: %s", end->label, why.text);
    return "";
}

static void ask_products(struct planning *p) {
    struct inv_end *from = &p->inventory->source, *to = &p->inventory->destination;
    from->product = ask_product(p, &p->ends.config->source);
    to->product = ask_product(p, &p->ends.config->destination);
    if (from->product[0] != 0 && to->product[0] != 0 &&
        product_compare(to->product, from->product) < 0)
        out_log(p->c->out, OUT_WARNING, NULL,
                "the destination's MVI (%s) is older than the source's (%s): bring it up to that "
                "version before the plan is applied",
                to->product, from->product);
}

// Planning again for a name is its next pass: behind the pass of the plan that was applied last.
static int find_pass(struct planning *p, struct err *e) {
    int rc = migration_dir_path(p->c, &p->ends, p->name, &p->workdir, e);
    if (rc != 0)
        return rc;
    const char *last = arena_printf(p->c->arena, "%s/" WORKDIR_PLAN, p->workdir);
    AUTO_PLAN struct plan *before = NULL;
    p->pass = 1;
    if (access(last, F_OK) != 0)
        return 0;
    rc = plan_read_file(last, &before, e);
    if (rc == 0)
        p->pass = before->pass + 1;
    return rc;
}

static void tell_json(struct planning *p, const struct plan *plan, const char *digest) {
    json_t *j = json_object(), *findings = json_object();
    json_object_set_new(j, "plan", json_string(p->c->options->output));
    json_object_set_new(j, "name", json_string(plan->name));
    json_object_set_new(j, "pass", json_integer(plan->pass));
    json_object_set_new(j, "steps", json_integer((json_int_t)plan->n_steps));
    json_object_set_new(j, "digest", json_sprintf("sha256:%s", digest));
    for (int k = 0; k < N_FINDING_KINDS; k++)
        if (p->inventory->finding_counts[k] > 0)
            json_object_set_new(findings, inv_finding_names[k],
                                json_integer((json_int_t)p->inventory->finding_counts[k]));
    json_object_set_new(j, "findings", findings);
    json_object_set_new(j, "still", estimate_json(&p->estimate));
    out_json(p->c->out, j, false);
}

static int deliver(struct planning *p, const struct plan *plan, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(64 << 20);
    const char *file = p->c->options->output;
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX];
    plan_emit(plan, &text);
    hash_bytes(text.data, text.len, digest);
    hash_hex(digest, hex);
    const char *estimate = estimate_text(p->c->arena, &p->estimate);
    if (file == NULL) {
        out_raw(p->c->out, text.data, text.len);
        out_log(p->c->out, OUT_INFO, NULL, "plan %s, pass %d: %zu steps, digest sha256:%s",
                plan->name, plan->pass, plan->n_steps, hex);
        for (size_t len; *estimate != 0; estimate += len + (estimate[len] == '\n')) {
            len = strcspn(estimate, "\n");
            out_log(p->c->out, OUT_INFO, NULL, "%.*s", (int)len, estimate);
        }
        return 0;
    }
    int rc = plan_file_write(file, text.data, text.len, e);
    if (rc != 0)
        return rc;
    if (p->c->options->json) {
        tell_json(p, plan, hex);
        return 0;
    }
    out_result(p->c->out, "%s\n\n%s\n\n", plan->comment != NULL ? plan->comment : "", estimate);
    out_result(p->c->out, "Plan %s, pass %d: %zu steps, written to %s\nDigest sha256:%s\n",
               plan->name, plan->pass, plan->n_steps, file, hex);
    out_result(p->c->out, "\nNext: read it (mvimig show %s), then mvimig apply %s\n", file, file);
    return 0;
}

int plan_name_from_options(struct command_context *c, const char **out, struct err *e) {
    struct scope scope = {0};
    *out = c->options->name;
    int rc = *out == NULL ? scope_from_options(c->options, &scope, e) : 0;
    if (rc != 0)
        return rc;
    if (*out == NULL)
        *out = default_name(c->arena, &scope);
    if (!plan_name_ok(*out))
        return err_set(e, ERR_USAGE,
                       "--name takes letters, digits, '.', '_' and '-', at most 63, beginning with "
                       "a letter or digit");
    return 0;
}

static void write_compiled(void *arg, const struct inv_finding *f) {
    write_finding(arg, f);
}

// Scan and compiler have written into it.
static int close_report(struct planning *p, struct err *e) {
    if (p->report != NULL && fclose(STEAL(p->report)) != 0)
        return err_sys(e, ERR_IO, errno, "--report %s cannot be written", p->c->options->report);
    return 0;
}

static int make_plan(struct planning *p, struct err *e) {
    struct command_context *c = p->c;
    AUTO_PLAN struct plan *plan = NULL;
    int rc = scope_from_options(c->options, &p->scope, e);
    if (rc == 0 && c->options->json && c->options->output == NULL)
        rc = err_set(e, ERR_USAGE,
                     "--json tells the summary on standard output; give -o FILE for the plan");
    if (rc == 0)
        rc = read_schema(c, &p->model, e);
    if (rc == 0)
        rc = open_ends(p, e);
    if (rc != 0)
        return rc;
    rc = plan_name_from_options(c, &p->name, e);
    if (rc == 0)
        rc = find_pass(p, e);
    if (rc == 0)
        rc = run_scan(p, e);
    if (rc == 0)
        ask_products(p);
    if (rc == 0)
        rc = scope_resolve(p->inventory, &p->scope, &p->resolved, c->arena, e);
    struct compile_options co = {.name = p->name,
                                 .pass = p->pass,
                                 .create_indexes = c->options->create_indexes,
                                 .delete = c->options->delete,
                                 .max_delete = c->options->max_delete,
                                 .finding = write_compiled,
                                 .arg = p};
    if (rc == 0)
        rc = bases_find(c, p->workdir, p->inventory, &co, e);
    if (rc == 0)
        rc = compile(&p->resolved, p->inventory, &co, &plan, e);
    if (rc == 0)
        rc = close_report(p, e);
    if (rc == 0)
        rc = estimate_make(c, &p->ends, plan, p->inventory, p->workdir, &p->estimate, e);
    if (rc == 0)
        rc = deliver(p, plan, e);
    // The code of usage without a text: an outcome, whose status is 2.
    return rc == 0 && c->options->detailed_exitcode && estimate_is_work(&p->estimate) ? ERR_USAGE
                                                                                      : rc;
}

static int run(struct command_context *c, struct err *e) {
    struct planning p = {.c = c, .ends = ENDS_INIT, .shown_ns = clock_mono_ns()};
    int rc = make_plan(&p, e);
    if (p.report != NULL)
        fclose(p.report);
    inventory_free(p.inventory);
    model_free(p.model);
    ends_close(&p.ends);
    return rc;
}

const struct command command_plan = {
    .name = "plan",
    .bit = C_PLAN,
    .synopsis = "-c FILE (--server | --users A,B | --projects P,Q) [-o PLAN]",
    .summary = "scan both ends and write down what a migration would do",
    .max_words = 0,
    .run = run,
};
