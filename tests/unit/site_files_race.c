// SPDX-License-Identifier: Apache-2.0
// Somebody at the destination exchanges a directory and a symbolic link that leads outside, again
// and again, while files are sent, mended, listed and deleted there: each kind of system call that
// takes a path has a race of its own. Outside stands the same as inside, so that a call that
// follows the link finds its object; nothing there may be touched (not even its ctime) or told.
//
// A second for each in the suite; script/hostile sets MVIMIG_RACE_MS=10000.
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "tests/unit/site_files_support.h"

#define MANY 12
#define SECRET "the secret that stands outside"

struct race {
    struct place *p;
    int real;      // the directory "d" itself, by whatever name
    int at;        // where "d" is exchanged: the source or the destination
    bool at_stage; // the staging folder is exchanged instead
    bool leaked;   // something of outside was told
    unsigned rounds, met;
    atomic_uint flips;
    atomic_bool stop;
    pthread_t thread;
};

// --- the one who exchanges

static void pause_a_little(unsigned *seed) {
    struct timespec ts = {.tv_nsec = rand_r(seed) % 60000};
    nanosleep(&ts, NULL);
}

// The first staging folder there, if any.
static bool find_stage(int dir, char out[256]) {
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY);
    DIR *d = fdopendir(fd);
    bool found = false;
    for (struct dirent *x; d != NULL && !found && (x = readdir(d)) != NULL;) {
        found = strncmp(x->d_name, ".mvimig-staging-", 16) == 0 && x->d_type == DT_DIR;
        if (found) {
            snprintf(out, 256, "%s", x->d_name);
        }
    }
    closedir(d);
    return found;
}

static void *exchange(void *arg) {
    struct race *r = arg;
    unsigned seed = 5;
    char name[256] = "d";
    while (!atomic_load(&r->stop)) {
        if (r->at_stage && !find_stage(r->at, name)) {
            continue;
        }
        if (renameat2(r->at, name, r->p->root, "link", RENAME_EXCHANGE) == 0) {
            atomic_fetch_add(&r->flips, 1);
            pause_a_little(&seed);
            renameat2(r->at, name, r->p->root, "link", RENAME_EXCHANGE);
        }
        pause_a_little(&seed);
    }
    return NULL;
}

static bool is_link(int dir, const char *name) {
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

// --- what stands outside

static int tell_ctime(void *arg, const struct tree_entry *t, struct err *e) {
    struct buf *out = ((void **)arg)[0];
    int root = *(int *)((void **)arg)[1];
    struct stat st;
    (void)e;
    assert_int_equal(fstatat(root, t->path, &st, AT_SYMLINK_NOFOLLOW), 0);
    buf_printf(out, "%c %s %o %u %llu %lld.%09ld\n", t->type, t->path, t->mode, (unsigned)st.st_uid,
               (unsigned long long)st.st_nlink, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    return 0;
}

static void describe_outside(const struct place *p, struct buf *out) {
    struct err e = {0};
    struct stat st;
    int root = p->outside;
    void *args[] = {out, &root};
    const struct tree_walker w = {.entry = tell_ctime, .arg = args};
    assert_int_equal(fstat(root, &st), 0);
    buf_printf(out, "%lld.%09ld\n", (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    assert_int_equal(tree_walk(root, &(struct tree_selection){.under = "."}, &w, &e), 0);
}

// --- rounds

static int forget(void *arg, const char *name, struct err *e) {
    (void)e;
    return path_remove_tree(*(int *)arg, name);
}

static void empty(int dir) {
    struct err e = {0};
    assert_int_equal(tree_each_name(dir, forget, &dir, &e), 0);
}

static void name_of(char out[16], char first, int i) {
    snprintf(out, 16, "%c%d", first, i);
}

static void fill(int dir, char first, const char *text) {
    char name[16];
    for (int i = 0; i < MANY; i++) {
        name_of(name, first, i);
        put_text_file(dir, name, text);
    }
}

static void fill_dirs(int dir, char first) {
    char name[16];
    for (int i = 0; i < MANY; i++) {
        name_of(name, first, i);
        assert_int_equal(mkdirat(dir, name, 0700), 0);
    }
}

static int open_dir(int at, const char *name) {
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    assert_true(fd >= 0);
    return fd;
}

static bool is_secret(const uint8_t digest[HASH_SIZE]) {
    uint8_t secret[HASH_SIZE];
    hash_bytes(SECRET, strlen(SECRET), secret);
    return memcmp(digest, secret, HASH_SIZE) == 0;
}

static struct race *racing; // the callbacks' argument is the place

static int on_as_laid(void *arg, char type, const char *path, const uint8_t digest[HASH_SIZE],
                      bool *ours, struct err *e) {
    (void)arg;
    (void)type;
    (void)path;
    (void)e;
    *ours = false;
    racing->leaked = racing->leaked || is_secret(digest);
    return 0;
}

static int on_each(void *arg, const struct files_delete_item *item,
                   enum files_delete_outcome outcome, struct err *e) {
    (void)item;
    (void)e;
    ((struct race *)arg)->met += outcome != FILES_DELETE_AS_LAID;
    return 0;
}

static void send_once(struct race *r, bool checksum) {
    struct files_job job = job_of(r->p);
    job.as_laid = on_as_laid;
    job.checksum = checksum;
    int rc = send_job(r->p, &job);
    assert_true(rc == 0 || rc == ERR_RETRY || rc == ERR_FAILED);
    r->met += rc != 0 || r->p->counts.problems > 0;
}

static void delete_once(struct race *r) {
    struct files_delete_item items[MANY] = {0};
    char paths[MANY][20];
    struct err e = {0};
    for (int i = 0; i < MANY; i++) {
        snprintf(paths[i], sizeof paths[i], "d/f%d", i);
        items[i] = (struct files_delete_item){.type = 'f', .path = paths[i]};
        hash_bytes(SECRET, strlen(SECRET), items[i].digest);
    }
    int rc = files_delete(r->p->end, items, MANY, true, on_each, r, &e);
    assert_true(rc == 0 || rc == ERR_RETRY || rc == ERR_FAILED);
}

// --- the kinds; `prepare` makes the real directory (and the source) ready for one round

static void prepare_new(struct race *r) {
    empty(r->real);
}

// What "d" is at the source may arrive as a link as well.
static void prepare_all_new(struct race *r) {
    empty(r->p->destination);
}

static void prepare_files(struct race *r) {
    empty(r->real);
    fill(r->real, 'f', "stands in the way of a directory");
}

static void prepare_dirs(struct race *r) {
    empty(r->real);
    fill_dirs(r->real, 'f');
}

static void prepare_mends(struct race *r) {
    char name[16];
    for (int i = 0; i < MANY; i++) {
        name_of(name, 'f', i);
        if (!is_there(r->real, name)) {
            put_text_file(r->real, name, "content");
        }
        assert_int_equal(fchmodat(r->real, name, 0640, 0), 0);
        if (geteuid() == 0) {
            assert_int_equal(fchownat(r->real, name, 7, 7, 0), 0);
        }
        set_time(r->real, name, 1000000000);
    }
}

static void prepare_links(struct race *r) {
    empty(r->real);
    int e = open_dir(r->p->destination, "e");
    empty(e);
    close(e);
}

static void prepare_targets(struct race *r) {
    char name[16];
    empty(r->real);
    for (int i = 0; i < MANY; i++) {
        name_of(name, 'f', i);
        assert_int_equal(symlinkat("another target", r->real, name), 0);
    }
}

static void prepare_deletes(struct race *r) {
    empty(r->real);
    fill(r->real, 'f', SECRET);
}

static void prepare_contents(struct race *r) {
    empty(r->real);
    fill(r->real, 'f', "another content");
}

static void source_files(struct place *p, int d) {
    (void)p;
    fill(d, 'f', "content");
}

static void source_dirs(struct place *p, int d) {
    (void)p;
    fill_dirs(d, 'f');
}

static void source_links(struct place *p, int d) {
    char name[16];
    int e = open_dir(p->source, "e");
    fill(d, 'f', "content");
    for (int i = 0; i < MANY; i++) {
        name_of(name, 'f', i);
        assert_int_equal(linkat(d, name, e, name, 0), 0);
    }
    close(e);
}

static void source_targets(struct place *p, int d) {
    char name[16];
    (void)p;
    for (int i = 0; i < MANY; i++) {
        name_of(name, 'f', i);
        assert_int_equal(symlinkat("target", d, name), 0);
    }
}

static const struct kind {
    const char *name;
    char outside; // what stands there under the same names: 'f'iles, 'd'irectories, 'l'inks, 0
    void (*source)(struct place *p, int d);
    void (*prepare)(struct race *r);
    bool deletes, checksum, at_source, at_stage;
} kinds[] = {
    {"open, rename", 0, source_files, prepare_new, false, false, false, false},
    {"rename over what is there", 'f', source_files, prepare_contents, false, false, false, false},
    {"mkdir", 0, source_dirs, prepare_new, false, false, false, false},
    {"unlink", 'f', source_dirs, prepare_files, false, false, false, false},
    {"rmdir", 'd', source_files, prepare_dirs, false, false, false, false},
    {"chmod, chown, utimens", 'f', source_files, prepare_mends, false, false, false, false},
    {"link", 'f', source_links, prepare_links, false, false, false, false},
    {"readlink", 'l', source_targets, prepare_targets, false, false, false, false},
    {"reading content there", 'f', source_files, prepare_contents, false, true, false, false},
    {"deleting", 'f', source_files, prepare_deletes, true, false, false, false},
    {"reading the source", 'f', source_files, prepare_all_new, false, false, true, false},
    {"the staging folder", 'f', source_files, prepare_new, false, false, false, true},
};

static void make_outside(struct place *p, char what) {
    char name[16];
    if (what == 'f') {
        fill(p->outside, 'f', SECRET);
    } else if (what == 'd') {
        fill_dirs(p->outside, 'f');
    }
    for (int i = 0; what == 'l' && i < MANY; i++) {
        name_of(name, 'f', i);
        assert_int_equal(symlinkat(SECRET, p->outside, name), 0);
    }
    for (int i = 0; what == 'f' && i < MANY; i++) { // as mends see them
        name_of(name, 'f', i);
        set_time(p->outside, name, 1000000000);
    }
}

// No file at the destination has what stands outside.
static void expect_no_secret(struct race *r, const struct kind *k) {
    AUTO_BUF struct buf tree = BUF_INIT(1 << 20);
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX];
    if (k->deletes) {
        return; // it stands there by right
    }
    hash_bytes(SECRET, strlen(SECRET), digest);
    hash_hex(digest, hex);
    describe_tree(r->p->destination, &tree);
    assert_null(strstr(buf_str(&tree), hex));
}

static void race(struct place *p, const struct kind *k) {
    const char *ms = getenv("MVIMIG_RACE_MS");
    AUTO_BUF struct buf before = BUF_INIT(1 << 20), after = BUF_INIT(1 << 20);
    struct race r = {
        .p = p, .at = k->at_source ? p->source : p->destination, .at_stage = k->at_stage};
    racing = &r;
    assert_int_equal(mkdirat(p->source, "d", 0755), 0);
    assert_int_equal(mkdirat(p->source, "e", 0755), 0);
    assert_int_equal(mkdirat(p->destination, "d", 0755), 0);
    assert_int_equal(mkdirat(p->destination, "e", 0755), 0);
    AUTO_CLOSE int source = open_dir(p->source, "d");
    AUTO_CLOSE int real = open_dir(p->destination, "d");
    r.real = real;
    k->source(p, source);
    make_outside(p, k->outside);
    describe_outside(p, &before);
    assert_int_equal(symlinkat("../outside", p->root, "link"), 0);
    assert_int_equal(pthread_create(&r.thread, NULL, exchange, &r), 0);
    int64_t end = clock_mono_ns() + (ms == NULL ? 1000 : strtol(ms, NULL, 10)) * INT64_C(1000000);
    // Where others keep the processors busy, few rounds fit into the time, and none may have met
    // it.
    while (clock_mono_ns() < end || r.rounds < 3 ||
           (!k->at_stage && r.met == 0 && r.rounds < 1000)) {
        k->prepare(&r);
        if (k->deletes) {
            delete_once(&r);
        } else {
            send_once(&r, k->checksum);
        }
        r.rounds++;
    }
    atomic_store(&r.stop, true);
    pthread_join(r.thread, NULL);
    describe_outside(p, &after);
    print_message("%s: %u rounds, %u met the link, %u exchanges\n", k->name, r.rounds, r.met,
                  atomic_load(&r.flips));
    assert_string_equal(buf_str(&after), buf_str(&before));
    assert_false(r.leaked);
    assert_true(atomic_load(&r.flips) > 10);
    if (!k->at_stage) {
        assert_false(is_link(r.at, "d"));
        assert_true(r.met > 0); // else there was no race
    }
    expect_no_secret(&r, k);
}

// Undisturbed again, all of it arrives and nothing of ours is left.
static void test_races(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        void *made;
        assert_int_equal(place_make(&made), 0);
        struct place *p = made;
        race(p, &kinds[i]);
        // Hard links that went alone are not joined again; a link of the source may have arrived.
        if (kinds[i].prepare == prepare_links || kinds[i].at_source) {
            empty(p->destination);
        }
        send_all(p);
        if (!kinds[i].deletes) {
            send_all(p); // times of directories that were replaced amid the first
            expect_equal_trees(p);
        }
        assert_int_equal(count_own(p), 0);
        assert_int_equal(place_remove(&made), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_races)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
