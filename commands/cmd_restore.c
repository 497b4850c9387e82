// SPDX-License-Identifier: Apache-2.0
// mvimig restore: a backup into the destination's database. All of it is checked and laid into the
// work directory as dump files before anything is inserted; from there on it is a migration like
// any other, with a plan, a journal, conflicts, resume and verify.
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/human.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "commands/command.h"
#include "commands/execution.h"
#include "commands/migration_dir.h"
#include "commands/plan_file.h"
#include "commands/restore_plan.h"
#include "commands/status.h"
#include "executor/step.h"
#include "plans/params.h"
#include "site/backup_stage.h"

struct restoring {
    struct command_context *c;
    struct execution x;
    struct model *model;
    const char *backup, *name;
    enum conflict_policy on_conflict;
    bool with_accounts, with_transient, with_unknown;
    struct backup_stage stage;
    struct backup_facts facts;
    struct backup_load *load;
    json_t *left_out;   // [{name, why}]
    struct buf unknown; // what is refused
};

static bool is_named(const struct scope_list *lists, const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < lists->n; i++) {
        for (const char *p = lists->items[i]; *p != 0; p += strcspn(p, ",")) {
            p += *p == ',';
            if (strcspn(p, ",") == len && strncmp(p, name, len) == 0)
                return true;
        }
    }
    return false;
}

static int read_with(struct restoring *r, struct err *e) {
    static const char *const classes[] = {"accounts", "transient", "unknown"};
    bool *const given[] = {&r->with_accounts, &r->with_transient, &r->with_unknown};
    const struct scope_list *with = &r->c->options->with;
    for (size_t i = 0; i < with->n; i++) {
        size_t words = 1, known = 0;
        const struct scope_list one = {.items = &with->items[i], .n = 1};
        for (const char *p = with->items[i]; *p != 0; p++)
            words += *p == ',';
        for (size_t k = 0; k < 3; k++) {
            known += is_named(&one, classes[k]);
            *given[k] |= is_named(&one, classes[k]);
        }
        if (known != words)
            return err_set(e, ERR_USAGE, "--with takes accounts, transient and unknown, each once");
    }
    return 0;
}

static int read_options(struct restoring *r, struct err *e) {
    const struct options *o = r->c->options;
    if (read_with(r, e) != 0)
        return e->code;
    int policy = o->on_conflict != NULL ? plan_conflict_find(o->on_conflict) : CONFLICT_KEEP;
    if (policy < 0)
        return err_set(e, ERR_USAGE, "--on-conflict takes keep, replace or fail");
    r->on_conflict = (enum conflict_policy)policy;
    return 0;
}

// "restore-" and the name of the backup, without what stands behind its first dot.
static int find_name(struct restoring *r, struct err *e) {
    char name[64] = "restore-";
    AUTO_FREE char *path = must_strdup(r->backup);
    size_t n = strlen(name), len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = 0;
    const char *slash = strrchr(path, '/');
    for (const char *p = slash != NULL ? slash + 1 : path; *p != 0 && *p != '.' && n < 63; p++)
        name[n++] = isalnum((unsigned char)*p) && (unsigned char)*p < 0x80 ? *p : '-';
    name[n] = 0;
    r->name = r->c->options->name != NULL ? r->c->options->name : arena_strdup(r->c->arena, name);
    return plan_name_ok(r->name) ? 0
                                 : err_set(e, ERR_USAGE,
                                           "--name takes letters, digits, '.', '_' and '-', at "
                                           "most 63, beginning with a letter or digit");
}

static void leave_out(struct restoring *r, const char *collection, const char *why) {
    json_t *one = json_pack("{ss ss}", "name", collection, "why", why);
    if (one != NULL) // NULL: the name is not UTF-8
        json_array_append_new(r->left_out, one);
}

static int want(void *arg, const char *collection, bool *take, struct err *e) {
    struct restoring *r = arg;
    const struct model_collection *m = model_find(r->model, collection);
    bool accounts = m != NULL && m->class == MODEL_ACCOUNTS && !r->with_accounts;
    bool transient = m != NULL && m->class == MODEL_TRANSIENT && !r->with_transient;
    (void)e;
    *take = false;
    if (is_named(&r->c->options->leave_out, collection))
        leave_out(r, collection, "--leave-out");
    else if (strncmp(collection, "system.", 7) == 0)
        leave_out(r, collection, "the server's own");
    else if (accounts || transient)
        leave_out(r, collection,
                  accounts ? "accounts; --with accounts takes it along"
                           : "transient; --with transient takes it along");
    else if (m == NULL && !r->with_unknown && r->unknown.len < 1000)
        buf_printf(&r->unknown, "%s%.200s", r->unknown.len > 0 ? "," : "", collection);
    else
        *take = m != NULL || r->with_unknown;
    return 0;
}

static int take(void *arg, const char *collection, const uint8_t *doc, size_t len, struct err *e) {
    struct restoring *r = arg;
    return backup_load_add(r->load, collection, doc, len, e);
}

static int read_backup(struct restoring *r, struct err *e) {
    const struct backup_taker taker = {.database = mongo_end_database(r->x.ends.destination_db),
                                       .collection = want,
                                       .document = take,
                                       .arg = r};
    size_t n;
    r->load = backup_load_new(r->stage.fd);
    int rc = backup_read(r->backup, &taker, &r->facts, e);
    if (rc == 0)
        rc = backup_load_finish(r->load, e);
    if (rc == 0 && r->unknown.len > 0)
        rc = err_set(e, ERR_USAGE,
                     "%s holds collections that the schema does not declare: %s; --with unknown "
                     "takes them along, --leave-out %s leaves them out",
                     r->backup, buf_str(&r->unknown), buf_str(&r->unknown));
    backup_load_segments(r->load, &n);
    if (rc == 0 && n == 0)
        rc = err_set(e, ERR_USAGE, "%s holds no documents to restore", r->backup);
    if (rc == ERR_DATA)
        return err_append(e, "; nothing was restored; if it was damaged on its way here, bring "
                             "it again");
    return rc == 0 ? 0 : err_append(e, "; nothing was restored");
}

struct total {
    const char *collection;
    uint64_t documents, bytes;
};

// Of the collection that begins at *i, which is set behind it.
static struct total sum_up(const struct backup_segment *s, size_t n, size_t *i) {
    struct total t = {.collection = s[*i].collection};
    for (; *i < n && s[*i].collection == t.collection; ++*i) {
        t.documents += s[*i].sum.documents;
        t.bytes += s[*i].sum.bytes;
    }
    return t;
}

static void tell_json(struct restoring *r) {
    static const char *const forms[] = {[BACKUP_OURS] = "mvimig",
                                        [BACKUP_MONGODUMP] = "mongodump",
                                        [BACKUP_ARCHIVE] = "mongodump-archive",
                                        [BACKUP_JSON] = "json"};
    size_t n;
    const struct backup_segment *s = backup_load_segments(r->load, &n);
    AUTO_BUF struct buf status = BUF_INIT(1 << 26);
    struct report report = {0};
    struct err ignored = {0};
    json_t *list = json_array();
    for (size_t i = 0; i < n;) {
        struct total t = sum_up(s, n, &i);
        json_array_append_new(list,
                              json_pack("{ss sI sI}", "name", t.collection, "documents",
                                        (json_int_t)t.documents, "bytes", (json_int_t)t.bytes));
    }
    json_t *all =
        json_pack("{s:s* s:s s:s* s:o s:O}", "backup", r->backup, "form", forms[r->facts.form],
                  "workDir", r->x.workdir, "collections", list, "leftOut", r->left_out);
    if (r->x.workdir_fd >= 0 && report_read(r->x.workdir_fd, r->c->arena, &report, &ignored) == 0) {
        status_json(&report, &status);
        json_object_set_new(all, "status", json_loads(buf_str(&status), 0, NULL));
    }
    out_json(r->c->out, all, false);
}

static void tell(struct restoring *r) {
    size_t n;
    const struct backup_segment *s = backup_load_segments(r->load, &n);
    struct out *out = r->c->out;
    char a[HUMAN_TEXT], b[HUMAN_TEXT];
    for (size_t k = 0; k < n;) {
        struct total t = sum_up(s, n, &k);
        out_result(out, "  %-28s %12s %10s\n", t.collection, human_count(t.documents, a),
                   human_bytes(t.bytes, b));
    }
    json_t *one;
    size_t i;
    json_array_foreach(r->left_out, i, one)
        out_result(out, "Left out: %s (%s)\n", json_string_value(json_object_get(one, "name")),
                   json_string_value(json_object_get(one, "why")));
    if (r->facts.form == BACKUP_JSON)
        out_result(out,
                   "%s is JSON of the earlier migration scripts: 64-bit integers that are "
                   "small come back as 32-bit ones, and types that JSON lacks came as text or "
                   "not at all\n",
                   r->backup);
}

static int write_plan(struct restoring *r, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(64 << 20);
    struct restore_plan_options o = {
        .name = r->name, .backup = r->backup, .facts = &r->facts, .on_conflict = r->on_conflict};
    o.segments = backup_load_segments(r->load, &o.n);
    int rc = restore_plan_write(r->c, &r->x.ends, r->model, &o, &text, e);
    if (rc == 0)
        rc = tempfile_put(r->stage.fd, WORKDIR_PLAN, 0600, text.data, text.len, e);
    const char *path =
        arena_printf(r->c->arena, "%s/%s/" WORKDIR_PLAN, r->x.workdir, r->stage.name);
    return rc == 0 ? execution_load(&r->x, path, e) : rc;
}

// Where the steps look for them.
static int place(struct restoring *r, size_t i, const struct backup_segment *s, struct err *e) {
    char path[STEP_PRODUCT_MAX];
    const char *leaf;
    step_product_path(r->x.plan, &r->x.plan->steps[i], path);
    AUTO_CLOSE int dir = path_open_parent(r->x.workdir_fd, path, true, 0700, &leaf);
    if (dir < 0 || renameat(r->stage.fd, s->path, dir, leaf) != 0 || fsync(dir) != 0)
        return err_sys(e, ERR_IO, errno, "%s/%s cannot be written", r->x.workdir, path);
    return 0;
}

static int place_all(struct restoring *r, struct err *e) {
    size_t n;
    const struct backup_segment *s = backup_load_segments(r->load, &n);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = place(r, i, &s[i], e);
    return rc;
}

static int open_destination(struct restoring *r, struct err *e) {
    struct command_context *c = r->c;
    int rc = read_options(r, e);
    if (rc == 0)
        rc = find_name(r, e);
    if (rc == 0)
        rc = read_schema(c, &r->model, e);
    if (rc == 0)
        rc = ends_configure(&r->x.ends, c, NULL, e);
    return rc == 0 ? ends_open(&r->x.ends, ENDS_DESTINATION_DB, e) : rc;
}

static int stage_open(struct restoring *r, struct err *e) {
    int rc = migration_dir_path(r->c, &r->x.ends, r->name, &r->x.workdir, e);
    AUTO_CLOSE int fd = -1;
    if (rc == 0)
        rc = migration_dir_open(r->x.workdir, true, &fd, e);
    const char *path = arena_printf(r->c->arena, "%s/incoming", rc == 0 ? r->x.workdir : "");
    return rc == 0 ? backup_stage_open(&r->stage, path, true, e) : rc;
}

static int restore(struct restoring *r, struct err *e) {
    bool dry = r->c->options->dry_run;
    r->backup = r->c->options->words[0];
    int rc = open_destination(r, e);
    if (rc == 0 && !dry)
        rc = stage_open(r, e);
    if (rc == 0)
        rc = read_backup(r, e);
    if (rc != 0)
        return rc;
    r->x.quiet = r->c->options->json;
    if (dry && r->x.quiet) {
        tell_json(r);
        return 0;
    }
    if (!r->x.quiet)
        tell(r);
    if (dry) {
        out_result(r->c->out, "Dry run: the backup is whole; nothing was touched\n");
        return 0;
    }
    rc = write_plan(r, e);
    if (rc == 0)
        rc = execution_open_journal(&r->x, true, e);
    if (rc == 0)
        rc = place_all(r, e);
    backup_stage_drop(&r->stage);
    if (rc != 0)
        return rc;
    rc = execution_walk(&r->x, e);
    if (r->x.quiet)
        tell_json(r);
    return rc;
}

static int run(struct command_context *c, struct err *e) {
    struct restoring r = {
        .c = c, .stage = BACKUP_STAGE_INIT, .left_out = json_array(), .unknown = BUF_INIT(4 << 10)};
    execution_init(&r.x, c);
    int rc = restore(&r, e);
    backup_stage_drop(&r.stage);
    backup_load_free(r.load);
    execution_close(&r.x);
    model_free(r.model);
    json_decref(r.left_out);
    buf_free(&r.unknown);
    return rc;
}

const struct command command_restore = {
    .name = "restore",
    .bit = C_RESTORE,
    .synopsis = "BACKUP -c FILE",
    .summary = "restore a backup of dump or mongodump into the destination",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
