// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "schema/pattern.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

#define PATTERN_MAX 1024
#define PATTERN_PARENS 50
#define PATTERN_STEPS 100000
#define PATTERN_DEPTH 10000
#define PATTERN_HEAP_KIB 1024
#define PATTERN_SHOWN 200

struct pattern {
    pcre2_code *code;
    pcre2_match_context *limits;
    char shown[PATTERN_SHOWN]; // escaped, for messages
};

static int pattern_fail(const struct pattern *p, int code, int pcre, struct err *e) {
    PCRE2_UCHAR why[256] = "";
    pcre2_get_error_message(pcre, why, sizeof why);
    return err_set(e, code, "pattern \"%s\": %s", p->shown, (const char *)why);
}

// (*LIMIT_MATCH=...), (*UTF) and their like stand at the very start and would change our settings.
static bool pattern_sets_options(const char *text) {
    return text[0] == '(' && text[1] == '*' && text[2] >= 'A' && text[2] <= 'Z';
}

static int pattern_check_text(const struct pattern *p, const char *text, struct err *e) {
    size_t len = strlen(text);
    if (len == 0) {
        return err_set(e, ERR_USAGE, "an empty pattern; write what it should find");
    }
    if (len > PATTERN_MAX) {
        return err_set(e, ERR_USAGE, "pattern \"%s\": longer than %d bytes", p->shown, PATTERN_MAX);
    }
    if (pattern_sets_options(text)) {
        return err_set(e, ERR_USAGE, "pattern \"%s\": it may not begin with a verb (*...)",
                       p->shown);
    }
    return 0;
}

static int pattern_build(struct pattern *p, const char *text, struct err *e) {
    int why;
    PCRE2_SIZE where;
    pcre2_compile_context *cc = pcre2_compile_context_create(NULL);
    MUST(cc != NULL);
    pcre2_set_max_pattern_length(cc, PATTERN_MAX);
    pcre2_set_parens_nest_limit(cc, PATTERN_PARENS);
    p->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                            PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &why,
                            &where, cc);
    pcre2_compile_context_free(cc);
    if (p->code == NULL) {
        pattern_fail(p, ERR_USAGE, why, e);
        return err_append(e, " (at byte %zu)", where);
    }
    p->limits = pcre2_match_context_create(NULL);
    MUST(p->limits != NULL);
    pcre2_set_match_limit(p->limits, PATTERN_STEPS);
    pcre2_set_depth_limit(p->limits, PATTERN_DEPTH);
    pcre2_set_heap_limit(p->limits, PATTERN_HEAP_KIB);
    return 0;
}

int pattern_compile(const char *text, struct pattern **out, struct err *e) {
    AUTO(pattern_cleanup) struct pattern *p = must_calloc(1, sizeof *p);
    escape_into(p->shown, sizeof p->shown, text, strlen(text));
    int rc = pattern_check_text(p, text, e);
    if (rc == 0) {
        rc = pattern_build(p, text, e);
    }
    if (rc == 0) {
        *out = STEAL(p);
    }
    return rc;
}

void pattern_free(struct pattern *p) {
    if (p != NULL) {
        pcre2_code_free(p->code);
        pcre2_match_context_free(p->limits);
        free(p);
    }
}

void pattern_cleanup(struct pattern **p) {
    pattern_free(*p);
    *p = NULL;
}

int pattern_match(const struct pattern *p, const char *subject, size_t len, struct err *e) {
    // Of its own for each call: one pattern serves many threads.
    pcre2_match_data *found = pcre2_match_data_create(1, NULL);
    MUST(found != NULL);
    int rc = pcre2_match(p->code, (PCRE2_SPTR)subject, len, 0, 0, found, p->limits);
    pcre2_match_data_free(found);
    if (rc == PCRE2_ERROR_NOMATCH) {
        return 0;
    }
    return rc >= 0 ? 1 : pattern_fail(p, ERR_LIMIT, rc, e);
}

#define PATTERN_SUBSTITUTE (PCRE2_SUBSTITUTE_OVERFLOW_LENGTH | PCRE2_SUBSTITUTE_UNSET_EMPTY)

int pattern_replace(const struct pattern *p, const char *replacement, const char *subject,
                    size_t len, struct buf *out, struct err *e) {
    size_t size = len + strlen(replacement) + 64;
    for (;;) {
        AUTO_FREE char *text = must_calloc(1, size);
        PCRE2_SIZE used = size;
        int rc = pcre2_substitute(p->code, (PCRE2_SPTR)subject, len, 0, PATTERN_SUBSTITUTE, NULL,
                                  p->limits, (PCRE2_SPTR)replacement, PCRE2_ZERO_TERMINATED,
                                  (PCRE2_UCHAR *)text, &used);
        if (rc == PCRE2_ERROR_NOMEMORY && used > size && used <= out->max + 1) {
            size = used;
            continue;
        }
        if (rc == PCRE2_ERROR_NOMEMORY) {
            return err_set(e, ERR_LIMIT, "pattern \"%s\": the text it makes is too long", p->shown);
        }
        if (rc <= 0) {
            return rc == 0 ? 0 : pattern_fail(p, ERR_LIMIT, rc, e);
        }
        buf_clear(out);
        rc = buf_append(out, text, used, e);
        return rc != 0 ? rc : 1;
    }
}

// A pattern with the same groups that matches nothing but the empty text: what a replacement makes
// of it tells whether the replacement is well formed.
static void pattern_empty_twin(const struct pattern *p, struct buf *out) {
    uint32_t groups = 0, names = 0, entry = 0;
    PCRE2_SPTR table = NULL;
    pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    pcre2_pattern_info(p->code, PCRE2_INFO_NAMECOUNT, &names);
    pcre2_pattern_info(p->code, PCRE2_INFO_NAMEENTRYSIZE, &entry);
    pcre2_pattern_info(p->code, PCRE2_INFO_NAMETABLE, &table);
    for (uint32_t g = 1; g <= groups; g++) {
        const char *name = NULL;
        for (uint32_t i = 0; i < names; i++) {
            PCRE2_SPTR row = table + (size_t)i * entry;
            name = (uint32_t)(row[0] << 8 | row[1]) == g ? (const char *)row + 2 : name;
        }
        if (name != NULL) {
            buf_printf(out, "(?<%s>)", name);
        } else {
            buf_puts(out, "()");
        }
    }
}

int pattern_check_replacement(const struct pattern *p, const char *replacement, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT((size_t)1 << 20);
    AUTO_BUF struct buf made = BUF_INIT((size_t)1 << 20);
    AUTO(pattern_cleanup) struct pattern *twin = must_calloc(1, sizeof *twin);
    memcpy(twin->shown, p->shown, sizeof twin->shown);
    pattern_empty_twin(p, &text);
    int rc = pattern_build(twin, buf_str(&text), e);
    if (rc == 0) {
        rc = pattern_replace(twin, replacement, "", 0, &made, e);
    }
    if (rc >= 0) {
        return 0;
    }
    e->code = ERR_USAGE;
    return err_wrap(e, "replacement");
}
