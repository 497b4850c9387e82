// SPDX-License-Identifier: Apache-2.0
#include "executor/step_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/path.h"
#include "base/strtab.h"
#include "base/tempfile.h"
#include "executor/base.h"
#include "executor/laid.h"
#include "executor/parts.h"

struct selection {
    struct tree_selection tree;
    struct strtab *ids;
    struct pattern **excludes;
    size_t n_excludes;
};

static void selection_free(struct selection *sel) {
    strtab_free(sel->ids);
    for (size_t i = 0; i < sel->n_excludes; i++)
        pattern_free(sel->excludes[i]);
    free(sel->excludes);
}

static int selection_of(const struct plan *p, const struct plan_step *s, struct selection *sel,
                        struct err *e) {
    sel->excludes = must_calloc(p->n_excludes + 1, sizeof *sel->excludes);
    for (size_t i = 0; i < p->n_excludes; i++) {
        int rc = pattern_compile(p->excludes[i], &sel->excludes[i], e);
        if (rc != 0)
            return rc;
        sel->n_excludes++;
    }
    sel->ids = s->n_sets > 0 ? plan_step_ids(s) : NULL;
    sel->tree = (struct tree_selection){.under = s->under,
                                        .ids = sel->ids,
                                        .name = s->name,
                                        .except = s->except,
                                        .n_except = s->n_except,
                                        .excludes = sel->excludes,
                                        .n_excludes = sel->n_excludes};
    return 0;
}

int step_files_each(const struct run *r, const struct plan_step *s, const struct tree_walker *w,
                    struct err *e) {
    AUTO(selection_free) struct selection sel = {0};
    int rc = selection_of(r->plan, s, &sel, e);
    return rc != 0 ? rc : tree_walk(r->source_root, &sel.tree, w, e);
}

// What the callbacks of files_send know.
struct sending {
    struct step_run *s;
    struct laid_writer *laid;
};

// What one call of files_send has counted, as the journal has it.
static void to_result(const struct files_counts *c, struct step_result *r) {
    r->files = c->files;
    r->bytes = c->bytes;
    r->sent = c->sent;
    r->sent_bytes = c->sent_bytes;
    r->present = c->present + c->mended;
}

static int on_batch(void *arg, const struct files_batch *b, struct err *e) {
    const struct sending *x = arg;
    struct step_run *s = x->s;
    // The batches of an attempt are its own: what an earlier one sent is found to be there.
    struct batch_record record = {.position = ((uint64_t)s->attempt << 24) + b->number,
                                  .end = ((uint64_t)s->attempt << 24) + b->number};
    to_result(&b->counts, &record.result);
    int rc = laid_flush(x->laid, e);
    return rc != 0 ? rc : journal_batch(s->run->journal, s->step, s->attempt, &record, e);
}

static void key_of(char type, const char *path, struct buf *out) {
    buf_put(out, &type, 1);
    buf_puts(out, path);
}

static int on_as_laid(void *arg, char type, const char *path, const uint8_t digest[HASH_SIZE],
                      bool *ours, struct err *e) {
    const struct sending *x = arg;
    AUTO_BUF struct buf key = BUF_INIT(PATH_REL_MAX + 2);
    key_of(type, path, &key);
    return base_has(x->s->run->base, NULL, key.data, key.len, digest, ours, e);
}

static void on_laid(void *arg, char type, const char *path, const uint8_t digest[HASH_SIZE]) {
    const struct sending *x = arg;
    AUTO_BUF struct buf key = BUF_INIT(PATH_REL_MAX + 2);
    key_of(type, path, &key);
    laid_add(x->laid, key.data, key.len, digest);
}

static int on_conflict(void *arg, const struct files_conflict *c, struct err *e) {
    const struct sending *x = arg;
    char shown[PATH_REL_MAX + 1];
    struct conflict_record record = {.object = "file",
                                     .id =
                                         escape_into(shown, sizeof shown, c->path, strlen(c->path)),
                                     .class = c->updated ? "updated" : "file-different",
                                     .decision = c->decision,
                                     .source_digest = c->source_digest,
                                     .destination_digest = c->destination_digest,
                                     .detail = ""};
    int rc = strcmp(c->decision, "replaced") == 0 ? journal_fence(x->s->run->journal, e) : 0;
    return rc != 0 ? rc : step_conflict(x->s, &record, e);
}

static int on_problem(void *arg, const char *path, const char *class, const char *detail,
                      struct err *e) {
    char shown[PATH_REL_MAX + 1];
    struct problem_record record = {.object = "file",
                                    .id = escape_into(shown, sizeof shown, path, strlen(path)),
                                    .class = class,
                                    .detail = detail};
    const struct sending *x = arg;
    return step_problem(x->s, &record, e);
}

static void on_progress(void *arg, uint64_t files, uint64_t bytes) {
    step_progress(((struct sending *)arg)->s, files, bytes);
}

static void on_note(void *arg, const char *text) {
    const struct step_run *s = ((struct sending *)arg)->s;
    run_log(s->run, RUN_LOG_WARNING, s->step->id, "%s", text);
}

// A step that has much to send gets the streams that no other step needs. Those that become ready
// later do not wait for them: of files there are none, since all are ready at once.
static bool on_stream_more(void *arg) {
    struct run *r = ((struct sending *)arg)->s->run;
    uint64_t now = r->progress.streams;
    while (r->progress.steps_running + now < (uint64_t)r->jobs) {
        if (atomic_compare_exchange_weak(&r->progress.streams, &now, now + 1))
            return true;
    }
    return false;
}

static void on_stream_less(void *arg) {
    ((struct sending *)arg)->s->run->progress.streams--;
}

// Opens the folder of a product below the work directory, made where it is missing.
static int product_folder(const struct run *r, const struct plan_step *s, char *path,
                          const char **leaf, int *fd, struct err *e) {
    step_product_path(r->plan, s, path);
    *fd = path_open_parent(r->workdir_fd, path, true, 0700, leaf);
    if (*fd < 0)
        return err_sys(e, ERR_IO, errno, "the work directory's %s cannot be made", path);
    return 0;
}

// One that a step leaves for the first time is synced with others, before its record is committed.
// One that takes the place of another is not: the journal may know that one as done.
static int publish(const struct run *r, struct tempfile *t, const char *leaf, int *folder,
                   struct err *e) {
    struct stat st;
    int fd;
    if (r->unsynced == NULL || fstatat(*folder, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return tempfile_publish(t, e);
    int rc = tempfile_publish_unsynced(t, &fd, e);
    return rc != 0 ? rc : unsynced_add(r->unsynced, fd, steal_fd(folder), e);
}

int step_files_run(struct step_run *s, struct err *e) {
    AUTO(selection_free) struct selection sel = {0};
    AUTO_TEMPFILE struct tempfile manifest = TEMPFILE_INIT;
    AUTO_CLOSE int folder = -1;
    char path[STEP_PRODUCT_MAX];
    const char *leaf = NULL;
    struct files_counts counts = {0};
    int rc = selection_of(s->run->plan, s->step, &sel, e);
    if (rc == 0)
        rc = product_folder(s->run, s->step, path, &leaf, &folder, e);
    if (rc == 0)
        rc = tempfile_create(&manifest, folder, leaf, 0600, e);
    if (rc != 0)
        return rc;
    AUTO_LAID_WRITER struct laid_writer *laid = laid_writer_new(s, NULL);
    struct sending sending = {.s = s, .laid = laid};
    struct files_job job = {.source_root = s->run->source_root,
                            .selection = sel.tree,
                            .on_conflict = s->step->on_conflict,
                            .checksum = s->run->checksum,
                            .rate = s->run->rate,
                            .manifest_fd = manifest.fd,
                            .step = s->step->id,
                            .arg = &sending,
                            .batch = on_batch,
                            .conflict = on_conflict,
                            .as_laid = s->run->base != NULL ? on_as_laid : NULL,
                            .laid = on_laid,
                            .problem = on_problem,
                            .progress = on_progress,
                            .stream_more = on_stream_more,
                            .stream_less = on_stream_less,
                            .note = on_note};
    parts_token(s->run->plan, s->step->hash, job.token);
    rc = files_send(s->run->destination_files, &job, &counts, s->result.digest, e);
    to_result(&counts, &s->result);
    return rc != 0 ? rc : publish(s->run, &manifest, leaf, &folder, e);
}

static int on_difference(void *arg, const char *path, const char *what, const char *detail,
                         struct err *e) {
    struct step_verify *v = arg;
    char shown[PATH_REL_MAX + 1];
    struct step_difference d = {.object = "file",
                                .id = escape_into(shown, sizeof shown, path, strlen(path)),
                                .what = what,
                                .detail = detail};
    v->differ++;
    return v->difference(v->arg, v->step, &d, e);
}

static void on_verify_progress(void *arg, uint64_t files, uint64_t bytes) {
    step_verify_progress(arg, files, bytes);
}

// `job`: who is told, and of what.
static int verify_manifest(struct step_verify *v, struct files_verify *job,
                           struct files_counts *counts, struct err *e) {
    char path[STEP_PRODUCT_MAX];
    step_product_path(v->run->plan, v->step, path);
    AUTO_CLOSE int fd = path_open(v->run->workdir_fd, path, O_RDONLY, 0);
    if (fd < 0)
        return err_sys(e, ERR_DATA, errno,
                       "its manifest %s cannot be read (`mvimig apply PLAN --rerun=%s` writes it "
                       "anew)",
                       path, v->step->id);
    job->manifest_fd = fd;
    job->checksum = v->run->checksum;
    return files_verify(v->run->destination_files, job, counts, e);
}

// --- live: the source as it is now

struct live {
    struct step_verify *v;
    struct strtab *first;  // path and what, of the first reading
    struct strtab *second; // the same, of the second
    struct strtab *since;  // paths that differ from the manifest: the destination's doing
    struct strtab *kept;   // paths with somebody else's content, that stays
    struct strtab *unread; // files that were there already, and whose content nobody knows
    bool again;
    struct stable {
        const char *path, *what, *detail;
    } * stable;
    size_t n, cap;
    struct arena *arena;
};

static int live_note(struct live *l, const char *path, const char *what, const char *detail) {
    char *key = arena_printf(l->arena, "%s/%s", what, path);
    size_t len = strlen(key);
    *strtab_slot(l->again ? l->second : l->first, key, len, NULL) = 1;
    if (l->again && strtab_has(l->first, key, len)) {
        struct stable s = {.path = arena_strdup(l->arena, path),
                           .what = arena_strdup(l->arena, what),
                           .detail = arena_strdup(l->arena, detail != NULL ? detail : "")};
        ARENA_PUSH(l->arena, l->stable, l->n, l->cap, s);
    }
    return 0;
}

static int live_difference(void *arg, const char *path, const char *what, const char *detail,
                           struct err *e) {
    (void)e;
    return live_note(arg, path, what, detail);
}

static int live_conflict(void *arg, const struct files_conflict *c, struct err *e) {
    (void)e;
    return live_note(arg, c->path, "content", c->destination_digest);
}

// What cannot be read or has vanished is nothing to compare; a run tells it.
static int live_problem(void *arg, const char *path, const char *class, const char *detail,
                        struct err *e) {
    (void)arg, (void)path, (void)class, (void)detail, (void)e;
    return 0;
}

static int live_since(void *arg, const char *path, const char *what, const char *detail,
                      struct err *e) {
    struct live *l = arg;
    (void)what, (void)detail, (void)e;
    *strtab_slot(l->since, path, strlen(path), NULL) = 1;
    return 0;
}

static void live_passed(void *arg, const char *path, bool kept) {
    struct live *l = arg;
    *strtab_slot(kept ? l->kept : l->unread, path, strlen(path), NULL) = 1;
}

static void live_progress(void *arg, uint64_t files, uint64_t bytes) {
    struct live *l = arg;
    if (!l->again)
        on_verify_progress(l->v, files, bytes);
}

static int live_look(struct live *l, struct files_counts *counts, struct err *e) {
    AUTO(selection_free) struct selection sel = {0};
    const struct run *r = l->v->run;
    char digest[HASH_HEX];
    int rc = selection_of(r->plan, l->v->step, &sel, e);
    struct files_job job = {.source_root = r->source_root,
                            .selection = sel.tree,
                            .on_conflict = l->v->step->on_conflict,
                            .checksum = r->checksum,
                            .dry_run = true,
                            .manifest_fd = -1,
                            .step = l->v->step->id,
                            .arg = l,
                            .conflict = live_conflict,
                            .problem = live_problem,
                            .progress = live_progress,
                            .difference = live_difference};
    if (rc == 0)
        rc = files_send(r->destination_files, &job, counts, digest, e);
    return rc == ERR_CONFLICTS ? 0 : rc; // told one by one
}

static int live_tell(struct live *l, struct err *e) {
    struct step_verify *v = l->v;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        const struct stable *s = &l->stable[i];
        size_t len = strlen(s->path);
        bool kept = strtab_has(l->kept, s->path, len);
        if (strtab_has(l->since, s->path, len) || (!kept && strtab_has(l->unread, s->path, len))) {
            rc = on_difference(v, s->path, s->what, s->detail, e);
        } else if (!kept) {
            rc = on_difference(v, s->path, "source changed", s->what, e);
            v->differ--;
            v->changed++;
        }
    }
    return rc;
}

static int verify_live(struct step_verify *v, struct err *e) {
    AUTO_STRTAB struct strtab *first = strtab_new(), *second = strtab_new(), *since = strtab_new();
    AUTO_STRTAB struct strtab *kept = strtab_new(), *unread = strtab_new();
    AUTO_ARENA struct arena *arena = arena_new();
    struct live l = {.v = v,
                     .first = first,
                     .second = second,
                     .since = since,
                     .kept = kept,
                     .unread = unread,
                     .arena = arena};
    struct files_verify job = {.arg = &l, .difference = live_since, .passed = live_passed};
    struct files_counts counts = {0}, ignored = {0};
    int rc = live_look(&l, &counts, e);
    if (rc == 0 && strtab_count(first) > 0) {
        clock_sleep_ms(STEP_LIVE_WAIT_MS);
        l.again = true;
        rc = live_look(&l, &ignored, e);
    }
    if (rc == 0 && l.n > 0)
        rc = verify_manifest(v, &job, &ignored, e);
    if (rc == 0)
        rc = live_tell(&l, e);
    v->compared += counts.files;
    v->same += counts.files - v->differ - v->changed;
    return rc;
}

int step_files_verify(struct step_verify *v, struct err *e) {
    struct files_counts counts = {0};
    struct files_verify job = {
        .arg = v, .difference = on_difference, .progress = on_verify_progress};
    if (v->live)
        return verify_live(v, e);
    int rc = verify_manifest(v, &job, &counts, e);
    if (rc == 0 && counts.unread > 0)
        run_log(v->run, RUN_LOG_WARNING, v->step->id,
                "%llu file(s) were there when the step began and are known by size and time alone; "
                "verify --live --checksum compares their content with the source's",
                (unsigned long long)counts.unread);
    v->compared += counts.files;
    v->same += counts.present;
    return rc;
}

// --- preview

struct previewing {
    struct run *r;
    struct preview *out;
};

static int preview_as_laid(void *arg, char type, const char *path, const uint8_t digest[HASH_SIZE],
                           bool *ours, struct err *e) {
    const struct previewing *x = arg;
    AUTO_BUF struct buf key = BUF_INIT(PATH_REL_MAX + 2);
    key_of(type, path, &key);
    return base_has(x->r->base, NULL, key.data, key.len, digest, ours, e);
}

static int preview_conflict(void *arg, const struct files_conflict *c, struct err *e) {
    const struct previewing *x = arg;
    (void)e;
    x->out->kept += strcmp(c->decision, "replaced") != 0;
    return 0;
}

static int preview_problem(void *arg, const char *path, const char *class, const char *detail,
                           struct err *e) {
    const struct previewing *x = arg;
    (void)path, (void)class, (void)detail, (void)e;
    x->out->problems++;
    return 0;
}

static int preview_difference(void *arg, const char *path, const char *what, const char *detail,
                              struct err *e) {
    (void)arg, (void)path, (void)what, (void)detail, (void)e;
    return 0;
}

static void preview_progress(void *arg, uint64_t files, uint64_t bytes) {
    const struct previewing *x = arg;
    x->r->progress.items += files;
    x->r->progress.bytes += bytes;
}

int step_files_preview(struct run *r, const struct plan_step *s, struct preview *out,
                       struct err *e) {
    AUTO(selection_free) struct selection sel = {0};
    struct previewing x = {r, out};
    struct files_counts counts = {0};
    char digest[HASH_HEX];
    *out = (struct preview){0};
    int rc = selection_of(r->plan, s, &sel, e);
    struct files_job job = {.source_root = r->source_root,
                            .selection = sel.tree,
                            .on_conflict = s->on_conflict,
                            .checksum = r->checksum,
                            .dry_run = true,
                            .manifest_fd = -1,
                            .step = s->id,
                            .arg = &x,
                            .conflict = preview_conflict,
                            .problem = preview_problem,
                            .as_laid = r->base != NULL ? preview_as_laid : NULL,
                            .progress = preview_progress,
                            .difference = preview_difference};
    if (rc == 0) {
        rc = files_send(r->destination_files, &job, &counts, digest, e);
    }
    out->files = counts.files;
    out->bytes = counts.bytes;
    out->to_send = counts.sent;
    out->to_send_bytes = counts.sent_bytes;
    out->to_mend = counts.mended;
    return rc == ERR_CONFLICTS ? 0 : rc; // told by `kept`: a run would stop there
}
