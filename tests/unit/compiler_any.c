// SPDX-License-Identifier: Apache-2.0
// Any inventory gives a valid plan that reads back the same: owners, IDs, names, paths and entries
// of any bytes; and a large one gives it quickly.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/path.h"
#include "compiler/compile.h"

#define ROUNDS 300
#define TEXT_MAX ((size_t)64 << 20)

static uint64_t next(uint64_t *seed) {
    *seed += 0x9E3779B97F4A7C15u;
    return hash_mix64(seed, sizeof *seed);
}

static size_t below(uint64_t *seed, size_t n) {
    return (size_t)(next(seed) % n);
}

// Texts that somebody could choose, and random bytes (without zeros).
static const char *any_text(struct arena *a, uint64_t *seed) {
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "a/b",
        "/",
        "alice",
        "bob",
        "shared",
        "- x",
        "# c",
        "a: b",
        "{",
        "]",
        "&a",
        "*a",
        "!t",
        "null",
        "true",
        "1",
        "1e9",
        "~",
        "\"",
        "'",
        "\\",
        "a\nb",
        "\t",
        "\x01",
        "\x7F",
        "\xC2\x85",
        "\xE2\x80\xA8",
        "\xFF",
        "%41",
        " lead",
        "trail ",
        "---",
        "...",
        "<<",
        "\xEF\xBB\xBF",
        "rest",
        "unsafe",
        "0001",
        "datasets",
        "{owner}",
        "{id}*",
        "\xE2\x80\xAE-",
        "-rf",
        "$(x)",
        "a\r\nb",
    };
    if (below(seed, 3) > 0) {
        return texts[below(seed, sizeof texts / sizeof *texts)];
    }
    size_t len = below(seed, below(seed, 20) == 0 ? 600 : 12);
    char *text = arena_alloc(a, len + 1);
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)(1 + below(seed, 255));
    }
    return text;
}

static struct inv_object any_object(struct inventory *inv, size_t collection, uint64_t *seed) {
    struct arena *a = inv->arena;
    const struct model_collection *m = &inv->model->collections[collection];
    struct inv_object o = {.collection = collection,
                           .id = any_text(a, seed),
                           .owner = below(seed, 8) == 0 ? NULL : any_text(a, seed),
                           .project = below(seed, 2) == 0 ? NULL : any_text(a, seed),
                           .name = below(seed, 4) == 0 ? NULL : any_text(a, seed)};
    size_t len = strlen(o.id);
    // As the scan says it.
    o.id_is_string = escape_is_utf8(o.id, len) && below(seed, 6) > 0;
    o.id_is_safe = o.id_is_string && path_component_ok(o.id, len);
    o.owner_is_safe = o.owner != NULL && path_component_ok(o.owner, strlen(o.owner));
    o.files = arena_alloc(a, (m->n_files + 1) * sizeof *o.files);
    for (size_t k = 0; k < m->n_files; k++) {
        o.files[k] = (struct inv_count){below(seed, 3000), below(seed, 300000000)};
    }
    o.refs = arena_alloc(a, (m->n_refs + 1) * sizeof *o.refs);
    for (size_t r = 0; r < m->n_refs; r++) {
        size_t to = model_index(inv->model, m->refs[r].collection);
        o.refs[o.n_refs++] = (struct inv_ref){to, any_text(a, seed), m->refs[r].follow};
    }
    o.paths = arena_alloc(a, 2 * sizeof *o.paths);
    o.n_paths = below(seed, 3);
    for (size_t p = 0; p < o.n_paths; p++) {
        o.paths[p].path = arena_printf(a, "%s/%s", any_text(a, seed), any_text(a, seed));
    }
    if (below(seed, 2) == 0) {
        o.children = arena_alloc(a, inv->model->n_collections * sizeof *o.children);
        o.children[model_index(inv->model, "DataSetFiles")] = below(seed, 9);
    }
    return o;
}

static bool has_object(const struct inventory *inv, const struct inv_object *o) {
    for (size_t i = 0; i < inv->n_objects; i++) {
        if (inv->objects[i].collection == o->collection && strcmp(inv->objects[i].id, o->id) == 0) {
            return true;
        }
    }
    return false;
}

static void any_objects(struct inventory *inv, uint64_t *seed) {
    size_t cap = 0, wanted = below(seed, 60);
    for (size_t i = 0; i < wanted; i++) {
        size_t c = below(seed, inv->model->n_collections);
        if (inv->model->collections[c].level != MODEL_TOP) {
            continue;
        }
        struct inv_object o = any_object(inv, c, seed);
        if (!has_object(inv, &o)) {
            ARENA_PUSH(inv->arena, inv->objects, inv->n_objects, cap, o);
        }
    }
}

// Directories as the scan finds them: of owners that are safe, each once.
static void any_dirs(struct inventory *inv, uint64_t *seed) {
    size_t cap = 0, rest_cap = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *owner = any_text(inv->arena, seed);
        bool known = false;
        for (size_t k = 0; k < inv->n_rest; k++) {
            known = known || strcmp(inv->rest[k].top, owner) == 0;
        }
        if (known || !path_component_ok(owner, strlen(owner))) {
            continue;
        }
        struct inv_dir d = {.path = arena_printf(inv->arena, "%s/datasets", owner),
                            .owner = owner,
                            .entries = arena_alloc(inv->arena, sizeof *d.entries)};
        d.entries[0].name = any_text(inv->arena, seed);
        d.n_entries = path_component_ok(d.entries[0].name, strlen(d.entries[0].name));
        ARENA_PUSH(inv->arena, inv->dirs, inv->n_dirs, cap, d);
        ARENA_PUSH(inv->arena, inv->rest, inv->n_rest, rest_cap, (struct inv_rest){.top = owner});
    }
    ARENA_PUSH(inv->arena, inv->rest, inv->n_rest, rest_cap, (struct inv_rest){.top = "."});
}

static struct inventory *any_inventory(const struct model *m, uint64_t *seed) {
    struct inventory *inv = inventory_new(m);
    inv->source.server = any_text(inv->arena, seed);
    inv->source.root = any_text(inv->arena, seed);
    any_objects(inv, seed);
    any_dirs(inv, seed);
    for (size_t i = 0; i < m->n_collections; i++) {
        inv->collections[i] =
            (struct inv_collection){.exists = true, .documents = below(seed, 3), .bytes = 100};
    }
    for (int i = 0; i < 5; i++) {
        inventory_add_finding(inv, (enum inv_finding_kind)below(seed, N_FINDING_KINDS),
                              any_text(inv->arena, seed), any_text(inv->arena, seed),
                              any_text(inv->arena, seed));
    }
    inventory_sort(inv);
    return inv;
}

static void ask(struct arena *a, struct scope *s, const struct inventory *inv, uint64_t *seed) {
    *s = (struct scope){.on_conflict = (int)below(seed, 4) - 1,
                        .files_only = below(seed, 4) == 0,
                        .no_follow = below(seed, 3) == 0,
                        .with_accounts = below(seed, 2) == 0};
    s->server = below(seed, 3) == 0;
    for (size_t i = 0; !s->server && i < inv->n_objects; i++) {
        const struct inv_object *o = &inv->objects[i];
        if (o->owner != NULL && below(seed, 4) == 0) {
            ARENA_PUSH(a, s->users.items, s->users.n, s->users.cap, o->owner);
        }
        if (o->project != NULL && below(seed, 8) == 0) {
            ARENA_PUSH(a, s->projects.items, s->projects.n, s->projects.cap, o->project);
        }
    }
}

static void check(const struct model *m, struct inventory *inv, const struct scope *s,
                  uint64_t round) {
    AUTO_ARENA struct arena *a = arena_new();
    AUTO_PLAN struct plan *p = NULL, *again = NULL;
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX), second = BUF_INIT(TEXT_MAX);
    struct err e = {0};
    struct compile_options o = {.name = "any", .pass = 1};
    if (compile(s, inv, &o, &p, &e) != 0) {
        fail_msg("round %llu: %s", (unsigned long long)round, e.text);
    }
    plan_emit(p, &text);
    if (plan_read("plan", buf_str(&text), text.len, &again, NULL, &e) != 0 ||
        plan_validate(again, compile_rules(m, a), NULL, &e) != 0) {
        fail_msg("round %llu: %s\n%s", (unsigned long long)round, e.text, buf_str(&text));
    }
    plan_emit(again, &second);
    assert_int_equal(text.len, second.len);
    assert_memory_equal(text.data, second.data, text.len);
    for (size_t i = 0; i < p->n_steps; i++) {
        assert_memory_equal(p->steps[i].hash, again->steps[i].hash, HASH_SIZE);
    }
}

static void test_any(void **state) {
    struct model *m = NULL;
    struct err e = {0};
    (void)state;
    assert_int_equal(model_read(NULL, NULL, 0, &m, &e), 0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t seed = round;
        AUTO_ARENA struct arena *a = arena_new();
        AUTO_INVENTORY struct inventory *inv = any_inventory(m, &seed);
        struct scope s;
        ask(a, &s, inv, &seed);
        check(m, inv, &s, round);
    }
    model_free(m);
}

// --- a large server

#define DATASETS 10000

static void large_objects(struct inventory *inv) {
    static const char *const names[] = {"DataSets", "TrainedModels", "DLTasks"};
    inv->objects = arena_alloc(inv->arena, 3 * DATASETS * sizeof *inv->objects);
    for (size_t i = 0; i < 3 * DATASETS; i++) {
        size_t c = model_index(inv->model, names[i % 3]);
        uint64_t h = hash_mix64(&i, sizeof i);
        struct inv_object o = {
            .collection = c, .id_is_string = true, .id_is_safe = true, .owner_is_safe = true};
        o.id = arena_printf(inv->arena, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)h,
                            (unsigned)(h >> 48), (unsigned)(h & 0xfff), (unsigned)(h >> 52),
                            (unsigned long long)h & 0xffffffffffffull);
        o.owner = arena_printf(inv->arena, "user%zu", i % 20);
        o.name = arena_printf(inv->arena, "Object number %zu of the line", i);
        o.files = arena_alloc(inv->arena, 2 * sizeof *o.files);
        o.files[0] = (struct inv_count){50, 5000000};
        inv->objects[inv->n_objects++] = o;
    }
    inventory_sort(inv);
}

static void test_large(void **state) {
    struct model *m = NULL;
    struct err e = {0};
    (void)state;
    assert_int_equal(model_read(NULL, NULL, 0, &m, &e), 0);
    AUTO_INVENTORY struct inventory *inv = inventory_new(m);
    AUTO_PLAN struct plan *p = NULL;
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
    struct scope s = {.server = true, .on_conflict = -1};
    struct compile_options o = {.name = "large", .pass = 1};
    large_objects(inv);
    for (size_t i = 0; i < m->n_collections; i++) {
        inv->collections[i] =
            (struct inv_collection){.exists = true, .documents = 100000, .bytes = 20000000};
    }
    int64_t begin = clock_mono_ns();
    if (compile(&s, inv, &o, &p, &e) != 0) {
        fail_msg("%s", e.text);
    }
    plan_emit(p, &text);
    int64_t took = clock_mono_ns() - begin;
    print_message("%d objects: %zu sets, %zu steps, %zu bytes of plan in %lld ms\n", 3 * DATASETS,
                  p->n_sets, p->n_steps, text.len, (long long)(took / 1000000));
    assert_true(text.len < 4u << 20);
    assert_true(took < 10000000000ll); // sanitizers and a busy machine included
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
