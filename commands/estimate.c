// SPDX-License-Identifier: Apache-2.0
#include "commands/estimate.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/human.h"
#include "commands/migration_dir.h"
#include "executor/base.h"
#include "plans/params.h"
#include "state/report_rates.h"

#define STREAMS 4

// What is assumed where no run has shown anything, for all workers together: from a slow link and a
// busy server to two machines in one rack.
static const struct assumed {
    double items_slow, items_fast, bytes_slow, bytes_fast; // a second
} assumed[N_REPORT_STAGES][N_REPORT_WORK] = {
    [REPORT_FILES] =
        {[REPORT_MOVED] = {300, 8000, 10e6, 200e6}, [REPORT_COMPARED] = {3000, 150000, 1e12, 1e12}},
    [REPORT_DUMP] = {[REPORT_MOVED] = {5000, 100000, 10e6, 200e6},
                     [REPORT_COMPARED] = {5000, 100000, 10e6, 200e6}},
    [REPORT_RESTORE] = {[REPORT_MOVED] = {2000, 80000, 5e6, 100e6},
                        [REPORT_COMPARED] = {5000, 100000, 10e6, 200e6}},
};

// --- what is still to move

struct comparing {
    struct command_context *c;
    uint64_t all;
    int64_t shown_ns;
};

static void show_compare(void *arg, uint64_t files) {
    struct comparing *x = arg;
    int64_t now = clock_mono_ns();
    char n[2][HUMAN_TEXT];
    if (now - x->shown_ns < (x->c->out->terminal ? 200000000ll : 10000000000ll))
        return;
    x->shown_ns = now;
    const char *text = arena_printf(x->c->arena, "compare files: %s of %s",
                                    human_count(files, n[0]), human_count(x->all, n[1]));
    out_progress(x->c->out, text);
}

static void count_plan(const struct plan *plan, struct estimate *est) {
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct plan_step *s = &plan->steps[i];
        if (plan_is_file_step(s)) {
            est->has_files = true;
            est->files.files += s->expect.files;
            est->files.bytes += s->expect.bytes;
        } else if (s->kind == KIND_DELETE) {
            est->has_deletions = true;
        } else if (s->kind == KIND_DUMP) {
            est->has_documents = true;
            est->documents += s->expect.documents;
            est->document_bytes += s->expect.bytes;
        }
    }
    est->files.to_send = est->files.files;
    est->files.to_send_bytes = est->files.bytes;
    est->to_move = est->documents;
}

static void count_documents(const struct plan *plan, const struct inventory *inv,
                            struct estimate *est) {
    uint64_t to_move = 0, differ = 0;
    if (inv->forecast == NULL)
        return;
    for (size_t i = 0; i < inv->model->n_collections; i++) {
        const struct inv_forecast *f = &inv->forecast[i];
        to_move += f->fresh + f->unfixed;
        differ += f->different + f->clash;
    }
    // Each collection that moves has to have its forecast.
    for (size_t i = 0; i < plan->n_steps; i++) {
        size_t k = plan->steps[i].kind == KIND_DUMP
                       ? model_index(inv->model, plan->steps[i].collection)
                       : (size_t)-1;
        if (plan->steps[i].kind == KIND_DUMP && (k == (size_t)-1 || !inv->forecast[k].made))
            return;
    }
    est->documents_compared = true;
    est->to_move = to_move;
    est->differ = differ;
}

// A folder beside which the bases stand. The work directory itself may not have been made yet.
static int open_beside(const struct plan *plan, const char *workdir) {
    int fd = open(workdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; fd < 0 && i < plan->n_base; i++) {
        const char *slash = strrchr(workdir, '/');
        if (slash != NULL) {
            AUTO_FREE char *other =
                must_sprintf("%.*s/%s", (int)(slash - workdir), workdir, plan->base[i]);
            fd = open(other, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
    }
    return fd;
}

static int compare(struct command_context *c, const struct ends *ends, const struct plan *plan,
                   const char *workdir, struct estimate *est, struct err *e) {
    AUTO_CLOSE int beside = open_beside(plan, workdir);
    struct comparing x = {.c = c, .all = est->files.files};
    struct run r = {.plan = plan,
                    .workdir_fd = beside,
                    .source_root = ends->source_root,
                    .source_db = ends->source_db,
                    .destination_db = ends->destination_db,
                    .destination_files = ends->destination_files,
                    .jobs = STREAMS};
    int rc = beside >= 0 ? base_open(plan, beside, &r.base, e) : 0;
    if (rc == 0 && est->has_files) {
        rc = preview_files(&r, show_compare, &x, &est->files, e);
        est->files_compared = rc == 0;
    }
    if (rc == 0 && est->has_deletions) {
        rc = preview_deletions(&r, &est->deletions, e);
        est->deletions_compared = rc == 0;
    }
    base_close(r.base);
    out_progress_end(c->out);
    return rc;
}

// --- how long

struct span {
    double low, high; // seconds
    bool assumed;
};

static void add_assumed(const struct assumed *a, double items, double bytes, struct span *s) {
    double fast[] = {items / a->items_fast, bytes / a->bytes_fast};
    double slow[] = {items / a->items_slow, bytes / a->bytes_slow};
    s->low += fast[0] > fast[1] ? fast[0] : fast[1];
    s->high += slow[0] > slow[1] ? slow[0] : slow[1];
    s->assumed = true;
}

// Small things cost by the item, large ones by the byte, and what comes next may be either. Beside
// that, no two runs are alike.
#define LUCK 0.7
#define MISFORTUNE 1.5
// A run that did less than this part of what is ahead says little of it.
#define TRUSTED 0.01

static void add_work(const struct report_rates *all, enum report_stage_id stage,
                     enum report_work work, double items, double bytes, struct span *s) {
    const struct report_rate *r = &all->rates[stage][work];
    double busy = all->elapsed_ms > 0 ? all->busy_ms / all->elapsed_ms : 1;
    busy = busy < 1 ? 1 : busy;
    if (items <= 0)
        return;
    if (r->items < TRUSTED * items) {
        add_assumed(&assumed[stage][work], items, bytes, s);
        return;
    }
    double by_item = items * r->ms / r->items;
    double by_byte = r->bytes > 0 && bytes > 0 ? bytes * r->ms / r->bytes : by_item;
    s->low += LUCK * (by_item < by_byte ? by_item : by_byte) / busy / 1000;
    s->high += MISFORTUNE * (by_item < by_byte ? by_byte : by_item) / busy / 1000;
}

static void read_rates(struct command_context *c, const struct plan *plan, const char *workdir,
                       struct report_rates *rates, struct estimate *est) {
    const char *slash = strrchr(workdir, '/');
    const char *parent =
        slash == NULL ? "." : arena_strndup(c->arena, workdir, (size_t)(slash - workdir));
    est->measured = "";
    for (size_t i = 0; i < plan->n_base; i++) {
        const char *dir = arena_printf(c->arena, "%s/%s", parent, plan->base[i]);
        struct err why = {0};
        AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct report_rates before = *rates;
        if (fd < 0 || report_rates_add(fd, rates, &why) != 0) {
            out_log(c->out, OUT_WARNING, NULL, "%s tells nothing of how long it took: %s", dir,
                    fd < 0 ? "it cannot be opened" : why.text);
            *rates = before;
        } else if (rates->busy_ms > before.busy_ms) {
            est->measured = arena_printf(c->arena, "%s%s%s", est->measured,
                                         est->measured[0] != 0 ? ", " : "", plan->base[i]);
        }
    }
}

static void guess_time(const struct report_rates *rates, struct estimate *est) {
    struct span s = {0, 0, false};
    double documents = (double)est->documents, bytes = (double)est->document_bytes;
    double moved = (double)(est->to_move + est->differ);
    double share = documents > 0 && moved < documents ? moved / documents : 1;
    double files = (double)est->files.files, sent = (double)est->files.to_send;
    add_work(rates, REPORT_DUMP, REPORT_COMPARED, documents, bytes, &s);
    add_work(rates, REPORT_RESTORE, REPORT_MOVED, documents * share, bytes * share, &s);
    add_work(rates, REPORT_RESTORE, REPORT_COMPARED, documents * (1 - share), bytes * (1 - share),
             &s);
    add_work(rates, REPORT_FILES, REPORT_MOVED, sent, (double)est->files.to_send_bytes, &s);
    add_work(rates, REPORT_FILES, REPORT_COMPARED, sent < files ? files - sent : 0,
             est->files.bytes > est->files.to_send_bytes
                 ? (double)(est->files.bytes - est->files.to_send_bytes)
                 : 0,
             &s);
    est->low = s.low;
    est->high = s.high;
    est->assumed = s.assumed;
}

int estimate_make(struct command_context *c, const struct ends *ends, const struct plan *plan,
                  const struct inventory *inv, const char *workdir, struct estimate *out,
                  struct err *e) {
    struct report_rates rates = {0};
    int rc = 0;
    *out = (struct estimate){.measured = ""};
    count_plan(plan, out);
    count_documents(plan, inv, out);
    if ((out->has_files || out->has_deletions) && !c->options->no_predict &&
        ends->destination_files != NULL)
        rc = compare(c, ends, plan, workdir, out, e);
    if (rc == 0) {
        read_rates(c, plan, workdir, &rates, out);
        guess_time(&rates, out);
    }
    return rc;
}

bool estimate_is_work(const struct estimate *est) {
    bool files = est->files.to_send + est->files.to_mend > 0;
    bool documents = est->to_move + est->differ > 0;
    bool deletions =
        !est->deletions_compared || est->deletions.documents + est->deletions.files > 0;
    return (est->has_files && files) || (est->has_documents && documents) ||
           (est->has_deletions && deletions);
}

// --- telling

static const char *count(struct arena *a, uint64_t n) {
    char text[HUMAN_TEXT];
    return arena_strdup(a, human_count(n, text));
}

static void put_files(struct arena *a, const struct estimate *est, struct buf *out) {
    char bytes[HUMAN_TEXT];
    const struct preview *f = &est->files;
    buf_printf(out, "Still to move: %s of %s files (%s)", count(a, f->to_send), count(a, f->files),
               human_bytes(f->to_send_bytes, bytes));
    if (f->to_mend > 0)
        buf_printf(out, ", and mode, owner or time of %s", count(a, f->to_mend));
    if (f->kept > 0)
        buf_printf(out, "; %s stay there with other content", count(a, f->kept));
    if (f->problems > 0)
        buf_printf(out, "; %s cannot be moved", count(a, f->problems));
    buf_puts(out, est->files_compared ? ".\n" : "; not compared with the destination.\n");
}

static void put_documents(struct arena *a, const struct estimate *est, struct buf *out) {
    buf_printf(out, "Still to move: %s of %s documents", count(a, est->to_move),
               count(a, est->documents));
    if (est->differ > 0)
        buf_printf(out, "; %s differ there: conflicts, or updates of what an earlier pass laid",
                   count(a, est->differ));
    buf_puts(out, est->documents_compared ? ".\n" : "; not compared with the destination.\n");
}

static void put_deletions(struct arena *a, const struct estimate *est, struct buf *out) {
    if (est->deletions_compared)
        buf_printf(out, "Still to delete: %s document%s and %s file%s.\n",
                   count(a, est->deletions.documents), est->deletions.documents == 1 ? "" : "s",
                   count(a, est->deletions.files), est->deletions.files == 1 ? "" : "s");
    else
        buf_puts(out, "Still to delete: not compared with the destination.\n");
}

static const char *duration(struct arena *a, double seconds) {
    char text[HUMAN_TEXT];
    return arena_strdup(a, human_duration((int64_t)(seconds * 1e9), text));
}

const char *estimate_text(struct arena *a, const struct estimate *est) {
    AUTO_BUF struct buf out = BUF_INIT(1 << 16);
    if (est->has_files)
        put_files(a, est, &out);
    if (est->has_documents)
        put_documents(a, est, &out);
    if (est->has_deletions)
        put_deletions(a, est, &out);
    buf_puts(&out, "It would take ");
    if (est->high < 1)
        buf_puts(&out, "less than a second");
    else
        buf_printf(&out, "between %s and %s", duration(a, est->low), duration(a, est->high));
    if (est->measured[0] == 0)
        buf_puts(&out, ", by assumed rates: nothing was moved between these ends yet.");
    else
        buf_printf(&out, ", as earlier runs took (%s)%s.", est->measured,
                   est->assumed ? " and, for what they did not do, by assumed rates" : "");
    return arena_strndup(a, buf_str(&out), out.len);
}

static json_t *number(uint64_t n) {
    json_t *j = json_integer((json_int_t)n);
    MUST(j != NULL);
    return j;
}

json_t *estimate_json(const struct estimate *est) {
    json_t *j = json_object(), *files = json_object(), *documents = json_object();
    json_t *deletions = json_object();
    json_object_set_new(files, "compared", json_boolean(est->files_compared));
    json_object_set_new(files, "selected", number(est->files.files));
    json_object_set_new(files, "selectedBytes", number(est->files.bytes));
    json_object_set_new(files, "toSend", number(est->files.to_send));
    json_object_set_new(files, "toSendBytes", number(est->files.to_send_bytes));
    json_object_set_new(files, "toMend", number(est->files.to_mend));
    json_object_set_new(files, "kept", number(est->files.kept));
    json_object_set_new(files, "problems", number(est->files.problems));
    json_object_set_new(documents, "compared", json_boolean(est->documents_compared));
    json_object_set_new(documents, "selected", number(est->documents));
    json_object_set_new(documents, "selectedBytes", number(est->document_bytes));
    json_object_set_new(documents, "toMove", number(est->to_move));
    json_object_set_new(documents, "differ", number(est->differ));
    json_object_set_new(j, "files", files);
    json_object_set_new(j, "documents", documents);
    json_object_set_new(deletions, "compared", json_boolean(est->deletions_compared));
    json_object_set_new(deletions, "documents", number(est->deletions.documents));
    json_object_set_new(deletions, "files", number(est->deletions.files));
    if (est->has_deletions)
        json_object_set_new(j, "deletions", deletions);
    else
        json_decref(deletions);
    json_object_set_new(j, "secondsLow", json_real(est->low));
    json_object_set_new(j, "secondsHigh", json_real(est->high));
    json_object_set_new(j, "measured", json_string(est->measured));
    json_object_set_new(j, "assumedRates", json_boolean(est->assumed));
    return j;
}
