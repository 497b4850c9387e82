// SPDX-License-Identifier: Apache-2.0
#include "site/tar_header.h"

#include <string.h>

#include "base/escape.h"

// Fields of a ustar header: offset and length.
enum {
    NAME = 0,
    NAME_LEN = 100,
    MODE = 100,
    UID = 108,
    GID = 116,
    SHORT_LEN = 8,
    SIZE = 124,
    MTIME = 136,
    LONG_LEN = 12,
    CHECKSUM = 148,
    FLAG = 156,
    LINK = 157,
    LINK_LEN = 100,
    MAGIC = 257,
    PREFIX = 345,
    PREFIX_LEN = 155,
};

// Octal digits, ended by a space, a zero byte or the field; or libarchive's binary form. False when
// it is neither or does not fit.
static bool read_number(const uint8_t *field, size_t len, int64_t *out) {
    if ((field[0] & 0x80) != 0) {
        int64_t v = field[0] == 0xff ? -1 : 0;
        if (field[0] != 0xff && field[0] != 0x80) {
            return false;
        }
        for (size_t i = 1; i < len; i++) {
            if (v > INT64_MAX >> 9 || v < INT64_MIN >> 9) {
                return false;
            }
            v = v * 256 + field[i];
        }
        *out = v;
        return true;
    }
    int64_t v = 0;
    size_t i = 0;
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++) {
        v = v * 8 + (field[i] - '0');
    }
    *out = v;
    return i > 0 && (i == len || field[i] == ' ' || field[i] == 0);
}

static bool checksum_ok(const uint8_t *block) {
    int64_t stated;
    unsigned sum = SHORT_LEN * ' '; // instead of the field itself; without a branch in the loops
    for (size_t i = 0; i < CHECKSUM; i++) {
        sum += block[i];
    }
    for (size_t i = CHECKSUM + SHORT_LEN; i < TAR_BLOCK; i++) {
        sum += block[i];
    }
    return read_number(block + CHECKSUM, SHORT_LEN, &stated) && stated == sum;
}

static void read_path(const uint8_t *block, char *out) {
    size_t prefix = strnlen((const char *)block + PREFIX, PREFIX_LEN);
    size_t name = strnlen((const char *)block + NAME, NAME_LEN);
    memcpy(out, block + PREFIX, prefix);
    out[prefix] = '/';
    size_t at = prefix > 0 ? prefix + 1 : 0;
    memcpy(out + at, block + NAME, name);
    out[at + name] = 0;
}

static bool read_fields(const uint8_t *block, struct tar_header *h) {
    int64_t mode, uid, gid, size, mtime;
    if (!read_number(block + MODE, SHORT_LEN, &mode) || mode < 0 || mode > 07777 ||
        !read_number(block + UID, SHORT_LEN, &uid) || uid < 0 || uid > UINT32_MAX ||
        !read_number(block + GID, SHORT_LEN, &gid) || gid < 0 || gid > UINT32_MAX ||
        !read_number(block + SIZE, LONG_LEN, &size) || size < 0 ||
        !read_number(block + MTIME, LONG_LEN, &mtime) ||
        __builtin_mul_overflow(mtime, INT64_C(1000000000), &h->m.mtime_ns)) {
        return false;
    }
    h->size = (uint64_t)size;
    h->m.mode = (uint32_t)mode;
    h->m.uid = (uint32_t)uid;
    h->m.gid = (uint32_t)gid;
    return true;
}

int tar_header_read(const uint8_t block[TAR_BLOCK], struct tar_header *h, struct err *e) {
    memset(h, 0, offsetof(struct tar_header, m.path));
    h->m.xattrs = NULL;
    h->m.n_xattrs = 0;
    if (memcmp(block + MAGIC, "ustar\00000", 8) != 0 || !checksum_ok(block)) {
        return err_set(e, ERR_DATA, "tar stream: no header where one must be");
    }
    h->flag = (char)block[FLAG];
    if (h->flag == 0 || strchr("x0125", h->flag) == NULL) {
        char shown[16];
        return err_set(e, ERR_DATA, "tar stream: a member of type \"%s\"",
                       escape_into(shown, sizeof shown, &h->flag, 1));
    }
    if (!read_fields(block, h)) {
        return err_set(e, ERR_DATA, "tar stream: a number in a header that is none or too large");
    }
    read_path(block, h->m.path);
    size_t link = strnlen((const char *)block + LINK, LINK_LEN);
    memcpy(h->m.target, block + LINK, link);
    h->m.target[link] = 0;
    return 0;
}
