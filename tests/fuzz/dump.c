// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as the compressed part of a dump file. The digests would keep every
// mutation out, so the file gets an end frame that fits its bytes: what is left to say no are zstd,
// the frames of the documents, and the counts. The first byte chooses whether those fit.
//
//     clang ... -fsanitize=fuzzer,address,undefined tests/fuzz/dump.c site/segment_*.c
//         site/bson_frame.c base/*.c ... -o dump
//     ./dump -max_len=65536 CORPUS tests/fuzz/dump_corpus
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tempfile.h"
#include "site/bson_frame.h"
#include "site/segment.h"
#include "site/segment_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder_name[] = "/dev/shm/mvimig-fuzz-XXXXXX";

static void remove_folder(void) {
    char file[sizeof folder_name + sizeof "/dump"];
    snprintf(file, sizeof file, "%s/dump", folder_name);
    unlink(file);
    rmdir(folder_name);
}

static int folder(void) {
    static int fd = -1;
    if (fd < 0) {
        MUST(mkdtemp(folder_name) != NULL && atexit(remove_folder) == 0);
        fd = open(folder_name, O_RDONLY | O_DIRECTORY);
        MUST(fd >= 0);
    }
    return fd;
}

static void put_file(const uint8_t *data, size_t size, uint64_t documents, uint64_t bytes) {
    struct segment_end end = {.documents = documents, .bytes = bytes};
    uint8_t frame[SEGMENT_END_SIZE];
    hash_bytes(data, size, end.file);
    segment_end_write(&end, frame);
    int fd = openat(folder(), "dump", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    MUST(fd >= 0 && fd_write_all(fd, data, size) == 0 &&
         fd_write_all(fd, frame, sizeof frame) == 0);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_SEGMENT_READER struct segment_reader *r = NULL;
    struct err e = {0};
    AUTO_BUF struct buf doc = BUF_INIT(DOC_MAX);
    size_t len;
    int rc;
    uint64_t bytes = 0;
    if (size == 0) {
        return 0;
    }
    put_file(data + 1, size - 1, data[0], 64u * data[0]);
    MUST(segment_open(folder(), "dump", &r, &e) == 0);
    MUST(segment_check(r, NULL, &e) == 0);
    while ((rc = segment_peek(r, &len, &e)) > 0 && (rc = segment_next(r, &doc, &e)) > 0) {
        MUST(doc.len == len && doc_framed(doc.data, len) && segment_offset(r) == (bytes += len));
        buf_clear(&doc);
    }
    MUST(rc == ERR_DATA || (rc == 0 && bytes == 64u * data[0]));
    return 0;
}
