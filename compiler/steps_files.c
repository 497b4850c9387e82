// SPDX-License-Identifier: Apache-2.0
// What moves as files: the file sets of objects; entries beside them that no document names; and
// everything else, a step for each directory at the top. (Files that objects name by their path are
// in steps_paths.c.)
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/human.h"
#include "base/path.h"
#include "compiler/internal.h"

static struct plan_step *file_step(struct compiling *c, enum step_kind_id kind, const char *id,
                                   const char *under, const struct inv_count *count) {
    struct plan_step *s = step_add(c, kind, id);
    s->under = under;
    s->expect = (struct plan_expect){.any = true, .files = count->files, .bytes = count->bytes};
    return s;
}

// --- the file sets of objects

static struct inv_count count_files(const struct compiling *c, const struct object_set *set,
                                    size_t k) {
    struct inv_count sum = {0};
    for (size_t i = 0; i < set->n; i++) {
        const struct inv_object *o = &c->inv->objects[set->objects[i]];
        sum.files += o->files != NULL ? o->files[k].files : 0;
        sum.bytes += o->files != NULL ? o->files[k].bytes : 0;
    }
    return sum;
}

static void file_set_step(struct compiling *c, const struct object_set *set, size_t k) {
    const struct model_collection *m = &c->m->collections[set->collection];
    const struct model_files *f = &m->files[k];
    struct inv_count count = count_files(c, set, k);
    if (count.files == 0 && !f->required) {
        return;
    }
    const char *part = k == 0 ? "" : arena_printf(c->scratch, ".%s", last_component(f->under));
    const char *id = arena_printf(c->arena, "files/%s%s/%s", m->noun, part, set->label);
    enum step_kind_id kind = f->tree ? KIND_FILE_BATCH : KIND_TAR_LIST;
    struct plan_step *s = file_step(c, kind, id, model_under(f, set->owner, c->arena), &count);
    s->name = f->tree ? NULL : f->name;
    s->set = set->name;
    s->on_conflict = step_policy(c, CONFLICT_REPLACE);
}

static void object_steps(struct compiling *c) {
    for (size_t i = 0; i < c->n_sets; i++) {
        const struct object_set *set = &c->sets[i];
        for (size_t k = 0; set->files && k < c->m->collections[set->collection].n_files; k++) {
            file_set_step(c, set, k);
        }
    }
}

// --- entries by name, cut into sets

static void entry_set(struct compiling *c, const char *kind, const char *dir, size_t number,
                      const struct named_entry *entries, size_t n) {
    const char **ids = arena_alloc(c->arena, (n + 1) * sizeof *ids);
    const char **comments = arena_alloc(c->arena, (n + 1) * sizeof *comments);
    struct inv_count sum = {0};
    char bytes[HUMAN_TEXT];
    for (size_t i = 0; i < n; i++) {
        ids[i] = entries[i].name;
        comments[i] = entries[i].comment;
        sum.files += entries[i].count.files;
        sum.bytes += entries[i].count.bytes;
    }
    bool top = strcmp(dir, ".") == 0;
    const char *part = top ? "" : arena_printf(c->scratch, "/%s", name_path(c->scratch, dir));
    const char *name = arena_printf(c->arena, "%s%s/%04zu", kind, part, number);
    const char *comment =
        arena_printf(c->arena, "%zu of %s, %s, %s", n, top ? "the data directory" : dir,
                     count_of(c->arena, sum.files, "files"), human_bytes(sum.bytes, bytes));
    set_add(c, name, comment, ids, comments, n);
    struct plan_step *s = file_step(c, KIND_FILE_BATCH, arena_printf(c->arena, "files/%s", name),
                                    arena_strdup(c->arena, dir), &sum);
    s->set = name;
    s->on_conflict = step_policy(c, CONFLICT_KEEP);
}

void entry_steps(struct compiling *c, const char *kind, const char *dir,
                 const struct named_entry *entries, size_t n) {
    struct cut_state state = {0};
    size_t first = 0, number = 1;
    for (size_t i = 0; i < n; i++) {
        if (cut_before(&set_limits, &state, entries[i].name, entries[i].count.files,
                       entries[i].count.bytes)) {
            entry_set(c, kind, dir, number++, entries + first, i - first);
            first = i;
        }
    }
    if (n > 0) {
        entry_set(c, kind, dir, number, entries + first, n - first);
    }
}

static bool is_utf8(const char *text) {
    return escape_is_utf8(text, strlen(text));
}

static bool takes_directory(const struct compiling *c, const char *owner) {
    return c->scope->server || (owner != NULL && scope_has(&c->scope->users, owner));
}

static void undocumented_steps(struct compiling *c, const struct inv_dir *d,
                               const struct strtab *dirs) {
    struct named_entry *entries = arena_alloc(c->scratch, (d->n_entries + 1) * sizeof *entries);
    size_t n = 0;
    for (size_t i = 0; i < d->n_entries; i++) {
        const struct inv_entry *t = &d->entries[i];
        AUTO_FREE char *path = must_sprintf("%s/%s", d->path, t->name);
        if (t->documented || strtab_has(dirs, path, strlen(path))) {
            continue;
        }
        if (is_utf8(t->name)) {
            entries[n++] = (struct named_entry){t->name, NULL, t->count};
        } else {
            report_finding(c, FINDING_NOT_UTF8, "", path, "");
        }
    }
    entry_steps(c, "undocumented", d->path, entries, n);
}

static void directories_steps(struct compiling *c) {
    AUTO_STRTAB struct strtab *dirs = strtab_new();
    bool added;
    for (size_t i = 0; i < c->inv->n_dirs; i++) {
        strtab_slot(dirs, c->inv->dirs[i].path, strlen(c->inv->dirs[i].path), &added);
    }
    for (size_t i = 0; i < c->inv->n_dirs; i++) {
        const struct inv_dir *d = &c->inv->dirs[i];
        if (takes_directory(c, d->owner) && is_utf8(d->path)) {
            undocumented_steps(c, d, dirs);
        }
    }
}

// --- everything else

struct excepts {
    const char **items;
    size_t n, cap;
};

static bool is_below(const char *path, const char *dir) {
    size_t len = strlen(dir);
    return strcmp(dir, ".") == 0 || (strncmp(path, dir, len) == 0 && path[len] == '/');
}

static int text_order(const void *x, const void *y) {
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static void add_except(struct compiling *c, struct excepts *x, const char *path) {
    ARENA_PUSH(c->arena, x->items, x->n, x->cap, path);
}

static bool has_ancestor(const struct strtab *paths, const char *path) {
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (strtab_has(paths, path, (size_t)(slash - path))) {
            return true;
        }
    }
    return false;
}

// Each once; what stands below another one of the list is left out with it.
static void reduce_excepts(struct excepts *x) {
    AUTO_STRTAB struct strtab *paths = strtab_new();
    size_t distinct = 0, kept = 0;
    bool added;
    if (x->n > 1) {
        qsort(x->items, x->n, sizeof *x->items, text_order);
    }
    for (size_t i = 0; i < x->n; i++) {
        strtab_slot(paths, x->items[i], strlen(x->items[i]), &added);
        if (added) {
            x->items[distinct++] = x->items[i];
        }
    }
    for (size_t i = 0; i < distinct; i++) {
        if (!has_ancestor(paths, x->items[i])) {
            x->items[kept++] = x->items[i];
        }
    }
    x->n = kept;
}

// What other steps move, and the tool's own folders.
static void collect_excepts(struct compiling *c, const char *under, struct excepts *x) {
    for (size_t i = 0; i < c->plan->n_steps; i++) {
        const char *other = c->plan->steps[i].under;
        if (other != NULL && strcmp(other, ".") != 0 && is_below(other, under)) {
            add_except(c, x, other);
        }
    }
    for (size_t i = 0; i < c->m->n_work_folders; i++) {
        if (is_below(c->m->work_folders[i], under)) {
            add_except(c, x, c->m->work_folders[i]);
        }
    }
}

static bool is_work_folder(const struct compiling *c, const char *path) {
    for (size_t i = 0; i < c->m->n_work_folders; i++) {
        if (strcmp(c->m->work_folders[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static void rest_step(struct compiling *c, const char *id, const char *under,
                      const struct inv_count *count) {
    struct excepts x = {0};
    collect_excepts(c, under, &x);
    reduce_excepts(&x);
    struct plan_step *s = file_step(c, KIND_FILE_BATCH, id, under, count);
    s->except = x.items;
    s->n_except = x.n;
    s->on_conflict = step_policy(c, CONFLICT_KEEP);
}

// Loose files, and with them directories whose names no plan can hold. `except` names directories
// at the top as a whole.
static void loose_step(struct compiling *c, const struct inv_count *count,
                       const struct named_entry *whole_tops, size_t n_whole) {
    struct excepts x = {0};
    collect_excepts(c, ".", &x);
    for (size_t i = 0; i < x.n; i++) {
        size_t len = strcspn(x.items[i], "/");
        x.items[i] =
            is_work_folder(c, x.items[i]) ? x.items[i] : arena_strndup(c->arena, x.items[i], len);
    }
    for (size_t i = 0; i < n_whole; i++) {
        add_except(c, &x, whole_tops[i].name);
    }
    reduce_excepts(&x);
    struct plan_step *s = file_step(c, KIND_FILE_BATCH, "files/loose", ".", count);
    s->except = x.items;
    s->n_except = x.n;
    s->on_conflict = step_policy(c, CONFLICT_KEEP);
}

// Other steps, or the tool itself, have their part of this directory.
static bool is_shared(struct compiling *c, const char *top) {
    struct excepts x = {0};
    collect_excepts(c, top, &x);
    return x.n > 0;
}

// Directories of owners whose names no plan can hold: no other step has them.
static bool count_unnameable(const struct compiling *c, struct inv_count *sum) {
    bool any = false;
    for (size_t i = 0; c->scope->server && i < c->inv->n_dirs; i++) {
        const struct inv_dir *d = &c->inv->dirs[i];
        for (size_t k = 0; !is_utf8(d->path) && k < d->n_entries; k++) {
            any = true;
            sum->files += d->entries[k].count.files;
            sum->bytes += d->entries[k].count.bytes;
        }
    }
    return any;
}

// A directory at the top that is nobody else's goes whole, as an entry of the data directory: then
// its own mode and time go along, and an empty one is not lost.
static void rest_steps(struct compiling *c) {
    struct named_entry *whole = arena_alloc(c->scratch, (c->inv->n_rest + 1) * sizeof *whole);
    struct inv_count loose = {0};
    bool has_loose = count_unnameable(c, &loose);
    size_t n = 0;
    for (size_t i = 0; i < c->inv->n_rest; i++) {
        const struct inv_rest *r = &c->inv->rest[i];
        if (!takes_directory(c, r->top) || is_work_folder(c, r->top)) {
            continue;
        }
        if (strcmp(r->top, ".") == 0 || !is_utf8(r->top)) {
            has_loose = has_loose || c->scope->server;
            loose.files += r->count.files;
            loose.bytes += r->count.bytes;
        } else if (is_shared(c, r->top)) {
            const char *name = name_component(c->scratch, r->top);
            rest_step(c, arena_printf(c->arena, "files/rest/%s", name), r->top, &r->count);
        } else {
            whole[n] = (struct named_entry){r->top, NULL, r->count};
            whole[n++].count.files++; // itself
        }
    }
    entry_steps(c, "whole", ".", whole, n);
    if (has_loose) {
        loose_step(c, &loose, whole, n);
    }
}

// Dumps are taken before the files are read: whatever a document names is copied after it.
static void files_need_dumps(struct compiling *c) {
    bool dumps = c->plan->n_steps > 0 && c->plan->steps[0].kind == KIND_DUMP;
    for (size_t i = 0; dumps && i < c->plan->n_steps; i++) {
        if (c->plan->steps[i].kind != KIND_DUMP) {
            step_needs(c, &c->plan->steps[i], "dump/");
        }
    }
}

void steps_files_make(struct compiling *c) {
    object_steps(c);
    path_steps(c);
    directories_steps(c);
    rest_steps(c);
    files_need_dumps(c);
}
