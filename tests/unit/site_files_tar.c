// SPDX-License-Identifier: Apache-2.0
// The tar reader: what the sender writes is read however it is cut; everything else is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/path.h"
#include "site/tar_reader.h"

// --- an archive by hand

struct head {
    const char *name, *link, *magic;
    char flag;
    unsigned long long size;
    const char *raw_size; // instead of `size`
    int bad_checksum;
};

static void octal(char *field, size_t len, unsigned long long v) {
    snprintf(field, len, "%0*llo", (int)len - 2, v);
    field[len - 1] = ' ';
    field[len - 2] = field[len - 2] == 0 ? ' ' : field[len - 2];
}

static void put_head(struct buf *b, struct head h) {
    char block[513] = {0};
    memcpy(block, h.name, strnlen(h.name, 100));
    octal(block + 100, 8, 0644);
    octal(block + 108, 8, 5);
    octal(block + 116, 8, 6);
    octal(block + 124, 12, h.size);
    if (h.raw_size != NULL) {
        memcpy(block + 124, h.raw_size, 12);
    }
    octal(block + 136, 12, 1000);
    block[156] = h.flag;
    if (h.link != NULL) {
        memcpy(block + 157, h.link, strnlen(h.link, 100));
    }
    memcpy(block + 257, h.magic != NULL ? h.magic : "ustar\00000", 8);
    memset(block + 148, ' ', 8);
    unsigned sum = (unsigned)h.bad_checksum;
    for (int i = 0; i < 512; i++) {
        sum += (unsigned char)block[i];
    }
    snprintf(block + 148, 8, "%06o", sum);
    buf_put(b, block, 512);
}

static void pad(struct buf *b) {
    static const char zeros[512];
    buf_put(b, zeros, (512 - b->len % 512) % 512);
}

static void put_body(struct buf *b, const char *data, size_t len) {
    buf_put(b, data, len);
    pad(b);
}

static void put_raw_pax(struct buf *b, const char *records, size_t len) {
    put_head(b, (struct head){.name = "PaxHeader/x", .flag = 'x', .size = len});
    put_body(b, records, len);
}

// "key=value" records with their lengths in front.
static void add_record(struct buf *b, const char *record, size_t len) {
    size_t total = len + 3;
    while (total != (size_t)snprintf(NULL, 0, "%zu", total) + len + 2) {
        total++;
    }
    buf_printf(b, "%zu ", total);
    buf_put(b, record, len);
    buf_puts(b, "\n");
}

static void put_pax(struct buf *b, const char *const *records) {
    AUTO_BUF struct buf r = BUF_INIT(1 << 21);
    for (; *records != NULL; records++) {
        add_record(&r, *records, strlen(*records));
    }
    put_raw_pax(b, (const char *)r.data, r.len);
}
#define PAX(b, ...) put_pax(b, (const char *const[]){__VA_ARGS__, NULL})

static void put_file(struct buf *b, const char *name, const char *content) {
    put_head(b, (struct head){.name = name, .flag = '0', .size = strlen(content)});
    put_body(b, content, strlen(content));
}

static void put_end(struct buf *b) {
    static const char zeros[1024];
    buf_put(b, zeros, sizeof zeros);
}

// --- what is read

struct seen {
    struct buf text;
    bool unsafe;
};

static int on_member(void *arg, const struct tar_member *m, struct err *e) {
    struct seen *s = arg;
    (void)e;
    s->unsafe = s->unsafe || !path_relative_ok(m->path) ||
                (m->type == TAR_HARD && !path_relative_ok(m->target));
    buf_printf(&s->text, "%c %s %o %u:%u %llu @%lld", m->type, m->path, m->mode, m->uid, m->gid,
               (unsigned long long)m->size, (long long)m->mtime_ns);
    if (m->target[0] != 0) {
        buf_printf(&s->text, " -> %s", m->target);
    }
    for (size_t i = 0; i < m->n_xattrs; i++) {
        buf_printf(&s->text, " %s=%.*s", m->xattrs[i].name, (int)m->xattrs[i].len,
                   (const char *)m->xattrs[i].value);
    }
    buf_puts(&s->text, " [");
    return 0;
}

static int on_data(void *arg, uint64_t offset, const uint8_t *data, size_t len, struct err *e) {
    struct seen *s = arg;
    (void)e;
    for (size_t i = 0; i < len; i++) {
        buf_printf(&s->text, "%llu%c", (unsigned long long)(offset + i), data[i]);
    }
    return 0;
}

static int on_end(void *arg, struct err *e) {
    (void)e;
    buf_puts(&((struct seen *)arg)->text, "]\n");
    return 0;
}

static int read_pieces(const uint8_t *data, size_t len, size_t piece, struct seen *s,
                       struct err *e) {
    const struct tar_sink sink = {.arg = s, .member = on_member, .data = on_data, .end = on_end};
    struct tar_reader *r = tar_reader_new(&sink);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < len; at += piece) {
        rc = tar_reader_feed(r, data + at, len - at < piece ? len - at : piece, e);
    }
    rc = rc < 0 ? rc : tar_reader_finish(r, e);
    tar_reader_free(r);
    return rc;
}

static void make_good(struct buf *b) {
    PAX(b, "hdrcharset=BINARY", "mtime=1700000000.5", "SCHILY.xattr.user.a%20b=v");
    put_file(b, "plain", "abc");
    PAX(b, "hdrcharset=BINARY", "path=new\nline\xff", "uid=3000000000", "mtime=-5.25");
    put_file(b, "ignored", "");
    put_head(b, (struct head){.name = "dir/", .flag = '5'});
    put_head(b, (struct head){.name = "dir/link", .flag = '2', .link = "../.."});
    put_head(b, (struct head){.name = "dir/hard", .flag = '1', .link = "plain"});
    PAX(b, "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=sparse",
        "GNU.sparse.realsize=2000");
    put_head(b, (struct head){.name = "GNUSparseFile.0/sparse", .flag = '0', .size = 512 + 3});
    put_body(b, "3\n100\n2\n1500\n1\n2000\n0\n", 23);
    put_body(b, "xyz", 3);
    put_end(b);
}

static const char good[] = "f plain 644 5:6 3 @1700000000500000000 user.a b=v [0a1b2c]\n"
                           "f new\nline\xff 644 3000000000:6 0 @-4750000000 []\n"
                           "d dir 644 5:6 0 @1000000000000 []\n"
                           "l dir/link 644 5:6 0 @1000000000000 -> ../.. []\n"
                           "h dir/hard 644 5:6 0 @1000000000000 -> plain []\n"
                           "f sparse 644 5:6 2000 @1000000000000 [100x101y1500z]\n";

static void test_good_in_any_pieces(void **state) {
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    make_good(&b);
    static const size_t pieces[] = {1, 2, 7, 511, 512, 513, 1000, 1 << 20};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct seen s = {.text = BUF_INIT(1 << 20)};
        struct err e = {0};
        int rc = read_pieces(b.data, b.len, pieces[i], &s, &e);
        assert_string_equal(e.text, "");
        assert_int_equal(rc, 0);
        assert_string_equal(buf_str(&s.text), good);
        buf_free(&s.text);
    }
}

static void test_cut_anywhere(void **state) {
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    make_good(&b);
    for (size_t len = 0; len < b.len; len++) {
        struct seen s = {.text = BUF_INIT(1 << 20)};
        struct err e = {0};
        assert_int_equal(read_pieces(b.data, len, 1 << 20, &s, &e), ERR_DATA);
        assert_memory_equal(buf_str(&s.text), good, s.text.len);
        buf_free(&s.text);
    }
}

// Whatever a flipped bit makes of it: no unsafe path, no crash.
static void test_flipped_bits(void **state) {
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    make_good(&b);
    for (size_t i = 0; i < b.len * 8; i += 3) {
        struct seen s = {.text = BUF_INIT(1 << 20)};
        struct err e = {0};
        b.data[i / 8] ^= (uint8_t)(1u << i % 8);
        int rc = read_pieces(b.data, b.len, 333, &s, &e);
        b.data[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_true(rc == 0 || rc == ERR_DATA || rc == ERR_LIMIT);
        assert_false(s.unsafe);
        buf_free(&s.text);
    }
}

// --- the refused

static void refuse(struct buf *b, const char *what) {
    struct seen s = {.text = BUF_INIT(1 << 22)};
    struct err e = {0};
    int rc = read_pieces(b->data, b->len, 600, &s, &e);
    if (rc != ERR_DATA) {
        print_message("%s: %d, read as: %s\n", what, rc, buf_str(&s.text));
    }
    assert_int_equal(rc, ERR_DATA);
    assert_false(s.unsafe);
    assert_string_equal(buf_str(&s.text), "");
    buf_free(&s.text);
    buf_clear(b);
}

static void test_paths_that_lead_elsewhere(void **state) {
    (void)state;
    static const char *const paths[] = {"..",   "../x", "/etc/passwd", "a/../b", "a//b", "./a", ".",
                                        "a/..", "/",    "a/./b",       "a/",     "",     "//"};
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        put_file(&b, paths[i], "x");
        put_end(&b);
        refuse(&b, paths[i]);
        put_head(&b, (struct head){.name = "h", .flag = '1', .link = paths[i]});
        put_end(&b);
        refuse(&b, paths[i]);
        char record[64];
        snprintf(record, sizeof record, "path=%s", paths[i]);
        PAX(&b, record);
        put_file(&b, "fine", "x");
        put_end(&b);
        refuse(&b, record);
        snprintf(record, sizeof record, "GNU.sparse.name=%s", paths[i]);
        PAX(&b, "GNU.sparse.major=1", "GNU.sparse.minor=0", record, "GNU.sparse.realsize=1");
        put_head(&b, (struct head){.name = "s", .flag = '0', .size = 513});
        put_body(&b, "1\n0\n1\n", 6);
        put_body(&b, "x", 1);
        put_end(&b);
        refuse(&b, record);
    }
    put_head(&b, (struct head){.name = "../d/", .flag = '5'});
    put_end(&b);
    refuse(&b, "a directory outside");
}

static void test_headers(void **state) {
    (void)state;
    static const struct {
        const char *what;
        struct head h;
    } table[] = {
        {"checksum", {.name = "f", .flag = '0', .bad_checksum = 1}},
        {"magic of GNU tar", {.name = "f", .flag = '0', .magic = "ustar  "}},
        {"no magic", {.name = "f", .flag = '0', .magic = "\0\0\0\0\0\0\0"}},
        {"character device", {.name = "f", .flag = '3'}},
        {"block device", {.name = "f", .flag = '4'}},
        {"fifo", {.name = "f", .flag = '6'}},
        {"contiguous", {.name = "f", .flag = '7'}},
        {"old regular", {.name = "f", .flag = 0}},
        {"global header", {.name = "f", .flag = 'g', .size = 10}},
        {"long name", {.name = "f", .flag = 'L', .size = 10}},
        {"long link", {.name = "f", .flag = 'K', .size = 10}},
        {"sparse of old", {.name = "f", .flag = 'S'}},
        {"directory with content", {.name = "d/", .flag = '5', .size = 1}},
        {"link with content", {.name = "l", .flag = '2', .link = "x", .size = 1}},
        {"hard link with content", {.name = "l", .flag = '1', .link = "x", .size = 1}},
        {"link to nothing", {.name = "l", .flag = '2'}},
        {"hard link to nothing", {.name = "l", .flag = '1'}},
        {"file with a link", {.name = "f", .flag = '0', .link = "x"}},
        {"negative size",
         {.name = "f",
          .flag = '0',
          .raw_size = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}},
        {"endless size",
         {.name = "f",
          .flag = '0',
          .raw_size = "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}},
        {"other binary size", {.name = "f", .flag = '0', .raw_size = "\x81\0\0\0\0\0\0\0\0\0\0\1"}},
        {"size of letters", {.name = "f", .flag = '0', .raw_size = "0000000000a "}},
        {"size of nothing", {.name = "f", .flag = '0', .raw_size = "            "}},
        {"empty extended header", {.name = "x", .flag = 'x', .size = 0}},
        {"huge extended header", {.name = "x", .flag = 'x', .size = TAR_PAX_MAX + 1}},
    };
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        put_head(&b, table[i].h);
        put_end(&b);
        refuse(&b, table[i].what);
    }
}

static void test_extended_headers(void **state) {
    (void)state;
    static const char *const records[] = {"hdrcharset=UTF-8",
                                          "unknown=1",
                                          "atime=1",
                                          "comment=x",
                                          "=x",
                                          "size=-1",
                                          "size=",
                                          "size=1e3",
                                          "size=99999999999999999999",
                                          "size=9223372036854775808",
                                          "uid=4294967296",
                                          "gid=x",
                                          "mtime=",
                                          "mtime=1.",
                                          "mtime=1.1234567890",
                                          "mtime=--1",
                                          "mtime=x",
                                          "mtime=99999999999",
                                          "SCHILY.xattr.=x",
                                          "SCHILY.xattr.security.selinux=x",
                                          "SCHILY.xattr.trusted.x=x",
                                          "SCHILY.xattr.user.=x",
                                          "SCHILY.xattr.user.%4=x",
                                          "SCHILY.xattr.user.%zz=x",
                                          "SCHILY.xattr.user.%00=x",
                                          "SCHILY.acl.access=x",
                                          "LIBARCHIVE.xattr.user.a=eA",
                                          "GNU.sparse.major=1",
                                          "GNU.sparse.realsize=5",
                                          "GNU.sparse.major=2",
                                          "GNU.sparse.map=0,1",
                                          "linkpath=x",
                                          "path="};
    AUTO_BUF struct buf b = BUF_INIT(1 << 22);
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        PAX(&b, records[i]);
        put_file(&b, "f", "");
        put_end(&b);
        refuse(&b, records[i]);
    }
    PAX(&b, "uid=1", "uid=1");
    put_file(&b, "f", "");
    put_end(&b);
    refuse(&b, "a record twice");
    PAX(&b, "uid=1");
    PAX(&b, "gid=1");
    put_file(&b, "f", "");
    put_end(&b);
    refuse(&b, "two extended headers");
    PAX(&b, "uid=1");
    put_end(&b);
    refuse(&b, "an extended header for nothing");
    PAX(&b, "SCHILY.xattr.user.a=x");
    put_head(&b, (struct head){.name = "d/", .flag = '5'});
    put_end(&b);
    refuse(&b, "attributes of a directory");
    add_record(&b, "path=a\0b", 8);
    AUTO_BUF struct buf zero = BUF_INIT(4096);
    put_raw_pax(&zero, (const char *)b.data, b.len);
    put_file(&zero, "f", "");
    put_end(&zero);
    buf_clear(&b);
    refuse(&zero, "a zero byte in a path");
    static char deep[5000] = "path=";
    memset(deep + 5, 'a', sizeof deep - 6);
    PAX(&b, deep);
    put_file(&b, "f", "");
    put_end(&b);
    refuse(&b, "a path that is too long");
}

static void test_lengths_of_records(void **state) {
    (void)state;
    static const char *const raw[] = {"9 uid=12\n",  "7 uid=12\n", "8 uid=12\n8 gid=1",
                                      "08 uid=12\n", "-9 uid=1\n", "99999999999 uid=1\n",
                                      "uid=1\n",     "8 uid12x\n", " 9 uid=1\n",
                                      "0 ",          "1 ",         "4 a=",
                                      "999 uid=1\n", "8\tuid=1\n"};
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    for (size_t i = 1; i < sizeof raw / sizeof *raw; i++) {
        put_raw_pax(&b, raw[i], strlen(raw[i]));
        put_file(&b, "f", "");
        put_end(&b);
        refuse(&b, raw[i]);
    }
    put_raw_pax(&b, raw[0], strlen(raw[0])); // the table's form is right: only its lies are refused
    put_file(&b, "f", "");
    put_end(&b);
    struct seen s = {.text = BUF_INIT(1 << 20)};
    struct err e = {0};
    assert_int_equal(read_pieces(b.data, b.len, 600, &s, &e), 0);
    buf_free(&s.text);
}

static void test_sparse_maps(void **state) {
    (void)state;
    static const struct {
        const char *map;
        unsigned long long size, real;
    } table[] = {{"1\n0\n5\n", 512 + 4, 10},       // says more than there is
                 {"1\n0\n5\n", 512 + 6, 10},       // and less
                 {"1\n6\n5\n", 512 + 5, 10},       // past the end
                 {"1\n11\n0\n", 512, 10},          // begins past the end
                 {"2\n5\n2\n3\n2\n", 512 + 4, 10}, // backwards
                 {"2\n0\n5\n4\n1\n", 512 + 6, 10}, // overlapping
                 {"0\n", 512, 10},
                 {"99999\n", 512, 10},
                 {"x\n", 512, 10},
                 {"1\n0\n", 512, 10},
                 {"1\n\n0\n5\n", 512 + 5, 10},
                 {"1\n-1\n5\n", 512 + 5, 10},
                 {"1\n0\n5\nx", 512 + 5, 10},
                 {"1\n9999999999999999999\n1\n", 512 + 1, 10},
                 {"1\n0\n5\n", 5, 10},
                 {"1 0 5 ", 512 + 5, 10}};
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char real[40];
        snprintf(real, sizeof real, "GNU.sparse.realsize=%llu", table[i].real);
        PAX(&b, "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=s", real);
        put_head(&b, (struct head){.name = "s", .flag = '0', .size = table[i].size});
        put_body(&b, table[i].map, strlen(table[i].map));
        put_body(&b, "12345", 5);
        put_end(&b);
        struct seen s = {.text = BUF_INIT(1 << 20)};
        struct err e = {0};
        int rc = read_pieces(b.data, b.len, 600, &s, &e);
        if (rc != ERR_DATA) {
            print_message("map %zu: %d %s\n", i, rc, buf_str(&s.text));
        }
        assert_int_equal(rc, ERR_DATA);
        buf_free(&s.text);
        buf_clear(&b);
    }
}

static void test_ends(void **state) {
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    static const char zeros[512];
    put_end(&b);
    put_file(&b, "f", "");
    refuse(&b, "a member behind the end");
    put_end(&b);
    buf_puts(&b, "x");
    refuse(&b, "a byte behind the end");
    buf_put(&b, zeros, 512);
    put_file(&b, "f", "");
    put_end(&b);
    refuse(&b, "one block of zeros");
    refuse(&b, "nothing");
    // Padding that carries something.
    put_head(&b, (struct head){.name = "x", .flag = 'x', .size = 9});
    buf_puts(&b, "9 uid=12\nsmuggled");
    pad(&b);
    put_file(&b, "f", "");
    put_end(&b);
    refuse(&b, "padding");
}

static void test_a_million_empty_members_cost_nothing(void **state) {
    (void)state;
    struct seen s = {.text = BUF_INIT(1 << 30)};
    const struct tar_sink sink = {.arg = &s, .member = on_member, .data = on_data, .end = on_end};
    struct tar_reader *r = tar_reader_new(&sink);
    struct err e = {0};
    AUTO_BUF struct buf b = BUF_INIT(4096);
    put_file(&b, "f", "");
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(tar_reader_feed(r, b.data, b.len, &e), 0);
        buf_clear(&s.text);
    }
    tar_reader_free(r);
    buf_free(&s.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_in_any_pieces),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_paths_that_lead_elsewhere),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_extended_headers),
        cmocka_unit_test(test_lengths_of_records),
        cmocka_unit_test(test_sparse_maps),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_a_million_empty_members_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
