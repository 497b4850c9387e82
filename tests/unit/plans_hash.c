// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/plans_support.h"

// A plan in pieces, so that each row can change one of them.
struct pieces {
    const char *pass, *excludes, *fixups, *set1, *set2, *files, *tar, *dump1, *dump2, *range,
        *restore1, *restore2;
};

static const struct pieces original = {
    .pass = "1",
    .excludes = "[]",
    .fixups = "[{collection: F, field: path, pattern: \"^a\", replacement: b}]",
    .set1 = "  a/d/1: [\"x\", \"y\"]\n",
    .set2 = "  a/d/2: [\"z\"]\n",
    .files = "  - {id: files/1, kind: file-batch, under: a/d, set: a/d/1}\n",
    .tar = "  - {id: files/2, kind: tar-list, under: a/m, set: a/d/2, name: \"{id}*\"}\n",
    .dump1 = "  - {id: dump/F/1, kind: dump, collection: F, by: dataset_id, set: a/d/1}\n",
    .dump2 = "  - {id: dump/D/1, kind: dump, collection: D, set: a/d/2}\n",
    .range = "  - {id: dump/R/1, kind: dump, collection: R, to_id: '\"m\"'}\n"
             "  - {id: dump/R/2, kind: dump, collection: R, from_id: '\"m\"'}\n",
    .restore1 = "  - {id: restore/F/1, kind: restore, from: dump/F/1, needs: [files/]}\n",
    .restore2 = "  - {id: restore/D/1, kind: restore, from: dump/D/1, needs: [restore/F/]}\n",
};

static struct plan *put_together(const struct pieces *p) {
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    buf_printf(&text,
               "mvimig: 1\nname: line3\npass: %s\nsource: {}\ndestination: {}\nexcludes: %s\n"
               "fixups: %s\nsets:\n%s%ssteps:\n%s%s%s%s%s%s%s",
               p->pass, p->excludes, p->fixups, p->set1, p->set2, p->files, p->tar, p->dump1,
               p->dump2, p->range, p->restore1, p->restore2);
    return plan_of(buf_str(&text));
}

// How the steps of two plans differ, as the IDs of the changed plan whose hashes the old one lacks.
static void assert_changes(const struct plan *old, const struct plan *new, const char *want,
                           const char *why) {
    AUTO_BUF struct buf got = BUF_INIT(1 << 16);
    for (size_t i = 0; i < new->n_steps; i++) {
        bool found = false;
        for (size_t j = 0; j < old->n_steps; j++) {
            found = found || memcmp(old->steps[j].hash, new->steps[i].hash, HASH_SIZE) == 0;
        }
        if (!found) {
            buf_printf(&got, "%s%s", got.len > 0 ? " " : "", new->steps[i].id);
        }
    }
    if (strcmp(buf_str(&got), want) != 0) {
        print_error("%s: changed %s\n", why, buf_str(&got));
        fail();
    }
}

struct edit {
    const char *why;
    size_t piece; // of struct pieces
    const char *text;
    const char *want; // IDs of the steps whose hash is new
};
#define PIECE(member) offsetof(struct pieces, member)

static void assert_edits(const struct edit *rows, size_t n) {
    AUTO_PLAN struct plan *old = put_together(&original);
    for (size_t i = 0; i < n; i++) {
        struct pieces edited = original;
        *(const char **)(void *)((char *)&edited + rows[i].piece) = rows[i].text;
        AUTO_PLAN struct plan *new = put_together(&edited);
        assert_changes(old, new, rows[i].want, rows[i].why);
    }
}

static void edits_that_change_nothing(void **state) {
    (void)state;
    static const struct edit rows[] = {
        {"comments", PIECE(set1), "  a/d/1:  # two\n    - \"x\"  # Bumper\n    - \"y\"\n", ""},
        {"another order of IDs", PIECE(set1), "  a/d/1: [\"y\", \"x\"]\n", ""},
        {"another id", PIECE(files),
         "  - {id: files/9, kind: file-batch, under: a/d, set: a/d/1}\n", ""},
        {"expectations", PIECE(files),
         "  - {id: files/1, kind: file-batch, under: a/d, set: a/d/1, expect: {files: 7}}\n", ""},
        {"the default said", PIECE(files),
         "  - {id: files/1, kind: file-batch, under: a/d, set: a/d/1, onConflict: replace}\n", ""},
        {"the default said", PIECE(dump2),
         "  - {id: dump/D/1, kind: dump, collection: D, by: _id, set: a/d/2}\n", ""},
        {"needs", PIECE(restore2), "  - {id: restore/D/1, kind: restore, from: dump/D/1}\n", ""},
        {"block style", PIECE(dump2),
         "  - id: dump/D/1\n    kind: dump\n    collection: D\n    set: a/d/2\n", ""},
        {"a set by prefix that holds the same", PIECE(tar),
         "  - {id: files/2, kind: tar-list, under: a/m, set: a/d/2, name: '{id}*'}\n", ""},
        {"a fix-up of a collection that is not there", PIECE(fixups),
         "[{collection: X, field: x, pattern: x, replacement: x}, {collection: F, field: path, "
         "pattern: \"^a\", replacement: b}]",
         ""},
    };
    assert_edits(rows, N_ROWS(rows));
}

static void edits_that_change_their_steps(void **state) {
    (void)state;
    static const struct edit rows[] = {
        {"an ID less", PIECE(set1), "  a/d/1: [\"x\"]\n", "files/1 dump/F/1 restore/F/1"},
        {"an ID more", PIECE(set2), "  a/d/2: [\"z\", \"w\"]\n", "files/2 dump/D/1 restore/D/1"},
        {"no ID is not no set", PIECE(set2), "  a/d/2: []\n", "files/2 dump/D/1 restore/D/1"},
        {"under", PIECE(files), "  - {id: files/1, kind: file-batch, under: a/e, set: a/d/1}\n",
         "files/1"},
        {"policy", PIECE(files),
         "  - {id: files/1, kind: file-batch, under: a/d, set: a/d/1, onConflict: fail}\n",
         "files/1"},
        {"policy of a restore", PIECE(restore1),
         "  - {id: restore/F/1, kind: restore, from: dump/F/1, needs: [files/], onConflict: "
         "replace}\n",
         "restore/F/1"},
        {"name", PIECE(tar),
         "  - {id: files/2, kind: tar-list, under: a/m, set: a/d/2, name: \"{id}.zip\"}\n",
         "files/2"},
        {"kind", PIECE(tar), "  - {id: files/2, kind: file-batch, under: a/m, set: a/d/2}\n",
         "files/2"},
        {"except", PIECE(tar), "  - {id: files/2, kind: file-batch, under: m, except: [m/x]}\n",
         "files/2"},
        {"by", PIECE(dump1), "  - {id: dump/F/1, kind: dump, collection: F, by: x, set: a/d/1}\n",
         "dump/F/1 restore/F/1"},
        {"collection, and its fix-ups", PIECE(dump1),
         "  - {id: dump/F/1, kind: dump, collection: G, by: dataset_id, set: a/d/1}\n",
         "dump/F/1 restore/F/1"},
        {"a bound", PIECE(range),
         "  - {id: dump/R/1, kind: dump, collection: R, to_id: '\"n\"'}\n"
         "  - {id: dump/R/2, kind: dump, collection: R, from_id: '\"n\"'}\n",
         "dump/R/1 dump/R/2"},
        {"one range cut in two", PIECE(range),
         "  - {id: dump/R/1, kind: dump, collection: R, to_id: '\"m\"'}\n"
         "  - {id: dump/R/2, kind: dump, collection: R, from_id: '\"m\"', to_id: '\"p\"'}\n"
         "  - {id: dump/R/3, kind: dump, collection: R, from_id: '\"p\"'}\n",
         "dump/R/2 dump/R/3"},
        {"orphans", PIECE(dump1),
         "  - {id: dump/F/1, kind: dump, collection: F, by: dataset_id, set: a/d/1, orphansOf: "
         "D}\n",
         "dump/F/1 restore/F/1"},
        {"a fix-up", PIECE(fixups),
         "[{collection: F, field: path, pattern: \"^a\", replacement: c}]", "restore/F/1"},
        {"a fix-up less", PIECE(fixups), "[]", "restore/F/1"},
        {"excludes", PIECE(excludes), "[\"x\"]", "files/1 files/2"},
        {"the next pass", PIECE(pass), "2",
         "files/1 files/2 dump/F/1 dump/D/1 dump/R/1 dump/R/2 restore/F/1 restore/D/1"},
        {"a set by prefix", PIECE(tar),
         "  - {id: files/2, kind: tar-list, under: a/m, set: a/d/, name: \"{id}*\"}\n", "files/2"},
    };
    assert_edits(rows, N_ROWS(rows));
}

// How IDs are cut into the sets that one step names does not matter, nor that one stands in two.
static void cuts(void **state) {
    (void)state;
    struct pieces one = original, two = original;
    one.set1 = "  a/d/1: [\"x\", \"y\"]\n";
    two.set1 = "  a/d/1: [\"x\", \"z\", \"y\"]\n";
    two.set2 = "  a/d/2: [\"z\"]\n";
    one.files = two.files = "";
    one.dump1 = two.dump1 = "  - {id: dump/F/1, kind: dump, collection: F, set: a/d/}\n";
    one.restore1 = two.restore1 = "  - {id: restore/F/1, kind: restore, from: dump/F/1}\n";
    AUTO_PLAN struct plan *a = put_together(&one);
    AUTO_PLAN struct plan *b = put_together(&two);
    assert_changes(a, b, "", "cuts");
}

// The order of excludes and excepts does not matter, that of fix-ups does.
static void orders(void **state) {
    (void)state;
    struct pieces one = original, two = original;
    one.excludes = "[\"x\", \"y\"]";
    two.excludes = "[\"y\", \"x\"]";
    one.tar = "  - {id: files/2, kind: file-batch, under: m, except: [m/x, m/y]}\n";
    two.tar = "  - {id: files/2, kind: file-batch, under: m, except: [m/y, m/x]}\n";
    one.fixups = "[{collection: F, field: a, pattern: a, replacement: b}, "
                 "{collection: F, field: a, pattern: b, replacement: c}]";
    two.fixups = "[{collection: F, field: a, pattern: b, replacement: c}, "
                 "{collection: F, field: a, pattern: a, replacement: b}]";
    AUTO_PLAN struct plan *a = put_together(&one);
    AUTO_PLAN struct plan *b = put_together(&two);
    assert_changes(a, b, "restore/F/1", "orders");
}

// Journals hold these: they may only change when a kind's version does.
static void hashes_are_stable(void **state) {
    (void)state;
    AUTO_PLAN struct plan *p = put_together(&original);
    static const struct {
        const char *id, *hash;
    } rows[] = {
        {"files/1", "24ffa9237be07f8ba5cae708242bba37c844d01a2d23f631a5689a4499685042"},
        {"files/2", "402ee921f6617b13d9d7ab2e58f96a988d82d2da03a3a28f6e19bfd3d7a96dcf"},
        {"dump/F/1", "ae3e1bb379f3bc25b625f4ed6f1765081dc1e81341f3130cd1bd74c73447df51"},
        {"dump/R/1", "ac59447b3fa8df99fbb83e9dde30ca100f547b0e192f72741deb571fda43d1bc"},
        {"restore/F/1", "1593f58839bda08f4fc08a655e1a9bb24db57f2ed5697a01fd15632e957f8b07"},
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        assert_string_equal(step_of(p, rows[i].id)->hash_text, rows[i].hash);
    }
}

// The file's own digest, for `apply --digest`: that of its bytes, comments included.
static void digests_are_of_the_bytes(void **state) {
    (void)state;
    AUTO_PLAN struct plan *a = plan_of(PLAN_HEAD "steps: []\n");
    AUTO_PLAN struct plan *b = plan_of(PLAN_HEAD "steps: [] # none\n");
    uint8_t hash[HASH_SIZE];
    char want[HASH_HEX];
    hash_bytes(PLAN_HEAD "steps: []\n", strlen(PLAN_HEAD "steps: []\n"), hash);
    hash_hex(hash, want);
    assert_string_equal(a->digest, want);
    assert_string_not_equal(b->digest, want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_that_change_nothing),
        cmocka_unit_test(edits_that_change_their_steps),
        cmocka_unit_test(cuts),
        cmocka_unit_test(orders),
        cmocka_unit_test(hashes_are_stable),
        cmocka_unit_test(digests_are_of_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
