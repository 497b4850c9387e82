// SPDX-License-Identifier: Apache-2.0
// Specifications of indexes: what old servers kept, as createIndexes of today takes it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "site/index_spec.h"

static void read_json(const char *json, bson_t *out) {
    bson_error_t e;
    if (!bson_init_from_json(out, json, -1, &e)) {
        fail_msg("%s: %s", json, e.message);
    }
}

static void converts(void **state) {
    static const struct {
        const char *from, *to;
        bool changed;
    } rows[] = {
        {"{\"v\":2,\"key\":{\"a\":1},\"name\":\"a_1\",\"ns\":\"d.c\"}",
         "{\"key\":{\"a\":1},\"name\":\"a_1\"}", false},
        {"{\"v\":1,\"key\":{\"a\":1},\"name\":\"n\"}", "{\"key\":{\"a\":1},\"name\":\"n\"}", true},
        {"{\"v\":2,\"key\":{\"a\":-1},\"name\":\"n\",\"background\":true}",
         "{\"key\":{\"a\":-1},\"name\":\"n\"}", true},
        {"{\"key\":{\"a\":true,\"b\":\"\",\"c\":0,\"d\":0.0,\"e\":null,\"f\":-3,\"g\":\"2d\"},"
         "\"name\":\"n\"}",
         "{\"key\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":-3,\"g\":\"2d\"},\"name\":\"n\"}",
         true},
        {"{\"key\":{\"a\":{\"$numberLong\":\"0\"},\"b\":{\"$numberDecimal\":\"-0E+3\"}},\"name\":"
         "\"n\"}",
         "{\"key\":{\"a\":1,\"b\":1},\"name\":\"n\"}", true},
        {"{\"key\":{\"a\":{\"$numberDecimal\":\"0.5\"},\"b\":1e-12,\"c\":-1e-12,\"d\":[]},\"name\":"
         "\"n\"}",
         "{\"key\":{\"a\":{\"$numberDecimal\":\"0.5\"},\"b\":1,\"c\":-1,\"d\":1},\"name\":\"n\"}",
         true},
        {"{\"key\":{\"a\":{\"$numberDecimal\":\"NaN\"}},\"name\":\"n\"}",
         "{\"key\":{\"a\":{\"$numberDecimal\":\"NaN\"}},\"name\":\"n\"}", false},
        {"{\"key\":{\"a\":1},\"name\":\"n\",\"dropDups\":true,\"safe\":null}",
         "{\"key\":{\"a\":1},\"name\":\"n\"}", true},
        {"{\"key\":{\"a\":1},\"name\":\"n\",\"unique\":true,\"sparse\":true,\"expireAfterSeconds\":"
         "60}",
         "{\"key\":{\"a\":1},\"name\":\"n\",\"unique\":true,\"sparse\":true,\"expireAfterSeconds\":"
         "60}",
         false},
        {"{\"key\":{\"_fts\":\"text\",\"_ftsx\":1},\"name\":\"n\",\"weights\":{\"t\":1},"
         "\"textIndexVersion\":3}",
         "{\"key\":{\"_fts\":\"text\",\"_ftsx\":1},\"name\":\"n\",\"weights\":{\"t\":1},"
         "\"textIndexVersion\":3}",
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bson_t from, to, made;
        read_json(rows[i].from, &from);
        read_json(rows[i].to, &to);
        if (index_spec_convert(&from, &made) != rows[i].changed || !bson_equal(&made, &to)) {
            char *json = bson_as_relaxed_extended_json(&made, NULL);
            fail_msg("%s became %s", rows[i].from, json);
        }
        bson_destroy(&from);
        bson_destroy(&to);
        bson_destroy(&made);
    }
}

static void matches(void **state) {
    static const struct {
        const char *a, *b;
        enum index_match match;
    } rows[] = {
        {"{\"key\":{\"a\":1},\"name\":\"x\"}", "{\"key\":{\"a\":1.0},\"name\":\"y\"}", INDEX_SAME},
        {"{\"key\":{\"a\":1},\"name\":\"x\"}",
         "{\"key\":{\"a\":1},\"name\":\"x\",\"unique\":false}", INDEX_SAME},
        {"{\"key\":{\"a\":1},\"name\":\"x\"}", "{\"key\":{\"a\":-1},\"name\":\"y\"}", INDEX_OTHER},
        {"{\"key\":{\"a\":1},\"name\":\"x\"}", "{\"key\":{\"a\":-1},\"name\":\"x\"}",
         INDEX_DIFFERS},
        {"{\"key\":{\"a\":1,\"b\":1},\"name\":\"x\"}", "{\"key\":{\"b\":1,\"a\":1},\"name\":\"y\"}",
         INDEX_OTHER},
        {"{\"key\":{\"a\":1},\"name\":\"x\"}", "{\"key\":{\"a\":1,\"b\":1},\"name\":\"y\"}",
         INDEX_OTHER},
        {"{\"key\":{\"a\":1},\"name\":\"x\",\"unique\":true}", "{\"key\":{\"a\":1},\"name\":\"y\"}",
         INDEX_DIFFERS},
        {"{\"key\":{\"a\":1},\"name\":\"x\",\"expireAfterSeconds\":0}",
         "{\"key\":{\"a\":1},\"name\":\"x\"}", INDEX_DIFFERS},
        {"{\"key\":{\"a\":1},\"name\":\"x\",\"expireAfterSeconds\":{\"$numberLong\":\"5\"}}",
         "{\"key\":{\"a\":1},\"name\":\"x\",\"expireAfterSeconds\":5}", INDEX_SAME},
        {"{\"key\":{\"a\":1},\"name\":\"x\",\"collation\":{\"locale\":\"de\",\"version\":\"57.1\"}"
         "}",
         "{\"key\":{\"a\":1},\"name\":\"y\",\"collation\":{\"locale\":\"de\",\"version\":\"60.0\"}"
         "}",
         INDEX_SAME},
        {"{\"key\":{\"a\":1},\"name\":\"x\",\"collation\":{\"locale\":\"de\"}}",
         "{\"key\":{\"a\":1},\"name\":\"y\"}", INDEX_OTHER},
        {"{\"key\":{\"a\":1},\"name\":\"x\",\"partialFilterExpression\":{\"b\":1}}",
         "{\"key\":{\"a\":1},\"name\":\"x\",\"partialFilterExpression\":{\"b\":2}}", INDEX_DIFFERS},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bson_t a, b;
        read_json(rows[i].a, &a);
        read_json(rows[i].b, &b);
        if (index_spec_match(&a, &b) != rows[i].match ||
            index_spec_match(&b, &a) != rows[i].match) {
            fail_msg("%s and %s: %d", rows[i].a, rows[i].b, (int)index_spec_match(&a, &b));
        }
        bson_destroy(&a);
        bson_destroy(&b);
    }
}

static void knows_the_index_of_id(void **state) {
    bson_t a, b, c;
    (void)state;
    read_json("{\"key\":{\"_id\":1},\"name\":\"_id_\"}", &a);
    read_json("{\"key\":{\"_id\":\"hashed\"},\"name\":\"_id_hashed\"}", &b);
    read_json("{\"key\":{\"_id\":1,\"a\":1},\"name\":\"n\"}", &c);
    assert_true(index_spec_is_id(&a));
    assert_false(index_spec_is_id(&b) || index_spec_is_id(&c));
    bson_destroy(&a);
    bson_destroy(&b);
    bson_destroy(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts),
        cmocka_unit_test(matches),
        cmocka_unit_test(knows_the_index_of_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
