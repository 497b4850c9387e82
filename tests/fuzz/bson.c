// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as a BSON document. Nothing is read beyond its end; what is found well
// formed is walked to its end by libbson, too, with the same _id, which goes through its text and
// comes back.
//
//     clang -g -std=gnu17 -D_GNU_SOURCE -I. $(pkg-config --cflags libbson-1.0)
//         -fsanitize=fuzzer,address,undefined tests/fuzz/bson.c site/bson_*.c plans/range.c
//         base/*.c ... -o bson
//     ./bson -max_len=4096 CORPUS tests/fuzz/bson_corpus
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "site/bson_frame.h"
#include "site/bson_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct docid *id) {
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    struct err e = {0};
    struct docid again;
    bson_t doc;
    docid_text(id, &text);
    MUST(docid_parse(buf_str(&text), &doc, &e) == 0);
    MUST(docid_find(bson_get_data(&doc), doc.len, &again) == 1 && docid_equal(id, &again));
    bson_destroy(&doc);
}

static void check_filters(const struct docid *id) {
    bson_t filter;
    docid_filter(id, &filter);
    bson_destroy(&filter);
    docid_filter_in(id, 1, &filter);
    bson_destroy(&filter);
}

static void check_with_libbson(const uint8_t *data, size_t size, const struct docid *id) {
    bson_t doc;
    bson_iter_t it;
    MUST(bson_init_static(&doc, data, size));
    bool found = bson_iter_init_find(&it, &doc, "_id");
    // libbson refuses an empty code and bad UTF-8 in keys where we only look at lengths.
    MUST(!found || (id->type != 0 && (uint8_t)bson_iter_type(&it) == id->type));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t offset;
    struct docid id;
    struct doc_iter it;
    struct doc_element el;
    if (size < 4) {
        return 0;
    }
    const char *wrong = doc_check(data, size, &offset);
    MUST(offset <= size);
    if (!doc_framed(data, size)) {
        MUST(wrong);
        return 0;
    }
    doc_iter_init(&it, data, size);
    while (doc_next(&it, &el) > 0) {
        MUST(el.value + el.value_len <= data + size - 1);
    }
    if (docid_find(data, size, &id) == 1 && !wrong) {
        check_text(&id);
        check_filters(&id);
        check_with_libbson(data, size, &id);
    }
    return 0;
}
