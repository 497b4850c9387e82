// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as a plan. What is refused says so with ERR_PLAN and a text; what is
// accepted is written, read and written again, with the same bytes and the same hashes.
//
//     clang -g -std=gnu17 -D_GNU_SOURCE -I. -fsanitize=fuzzer,address,undefined tests/fuzz/plan.c
//         base/*.c schema/pattern.c schema/inventory.c plans/*.c ... -o plan
//     ./plan -dict=tests/fuzz/plan.dict -max_len=4096 CORPUS tests/fuzz/plan_corpus
//
// Compiled without a fuzzer (-DFUZZ_MAIN) it runs the files it is given, for a debugger and for
// tests of the corpus.
#include <stdint.h>
#include <string.h>

#include "plans/plan.h"

#define FUZZ_TEXT_MAX ((size_t)256 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct plan *a, const struct plan *b) {
    MUST(a->n_steps == b->n_steps && a->n_sets == b->n_sets);
    for (size_t i = 0; i < a->n_steps; i++) {
        MUST(memcmp(a->steps[i].hash, b->steps[i].hash, HASH_SIZE) == 0);
        MUST(strcmp(a->steps[i].id, b->steps[i].id) == 0);
        MUST(a->steps[i].n_deps == b->steps[i].n_deps);
    }
}

static void write_and_read(const struct plan *p) {
    AUTO_BUF struct buf first = BUF_INIT(FUZZ_TEXT_MAX);
    AUTO_BUF struct buf second = BUF_INIT(FUZZ_TEXT_MAX);
    AUTO_BUF struct buf shown = BUF_INIT(FUZZ_TEXT_MAX);
    AUTO_PLAN struct plan *again = NULL;
    struct err e = {0};
    plan_emit(p, &first);
    MUST(plan_read("again", buf_str(&first), first.len, &again, NULL, &e) == 0);
    check_same(p, again);
    plan_emit(again, &second);
    MUST(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    plan_graph(p, &shown);
    buf_clear(&shown);
    plan_diff(p, again, &shown);
    MUST(strcmp(buf_str(&shown), "both plans do the same\n") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_PLAN struct plan *p = NULL;
    struct err e = {0};
    int rc = plan_read("plan", (const char *)data, size, &p, NULL, &e);
    if (rc != 0) {
        MUST(rc == ERR_PLAN && e.code == ERR_PLAN && e.text[0] != 0 && p == NULL);
        return 0;
    }
    const char *const with_files[] = {"DataSets", "DataSetFiles"};
    const struct plan_order orders[] = {{"DataSets", "DataSetFiles"}};
    const struct plan_rules rules = {orders, 1, with_files, 2};
    (void)plan_validate(p, &rules, NULL, &e); // may refuse; must not crash
    write_and_read(p);
    return 0;
}

#ifdef FUZZ_MAIN
#include <fcntl.h>
#include <stdlib.h>

#include "base/tempfile.h"

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        AUTO_FREE char *text = NULL;
        size_t len = 0;
        struct err e = {0};
        if (file_read(AT_FDCWD, argv[i], FUZZ_TEXT_MAX, &text, &len, &e) != 0) {
            return 1;
        }
        LLVMFuzzerTestOneInput((const uint8_t *)text, len);
    }
    return 0;
}
#endif
