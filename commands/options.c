// SPDX-License-Identifier: Apache-2.0
#include "commands/options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/rate.h"
#include "base/ytree.h"

enum option_kind { FLAG, TEXT, LIST, COUNT, MAYBE, SPAN, RATE };

struct option_row {
    const char *name;
    char letter;
    enum option_kind kind;
    size_t offset;
    const char *argument;
    unsigned commands;
    const char *help;
};

static const struct option_row rows[] = {
#define OPTION(name, letter, kind, field, argument, commands, help)                                \
    {name, letter, kind, offsetof(struct options, field), argument, (unsigned)(commands), help},
#include "commands/options.tbl.h"
#undef OPTION
};
#define N_ROWS (sizeof rows / sizeof *rows)

struct parse {
    int argc;
    char *const *argv;
    int next;
    unsigned command;
    struct arena *arena;
    struct options *out;
};

static const struct option_row *find_row(const struct parse *p, const char *name, size_t len) {
    for (size_t i = 0; i < N_ROWS; i++)
        if ((rows[i].commands & p->command) != 0 && strlen(rows[i].name) == len &&
            memcmp(rows[i].name, name, len) == 0)
            return &rows[i];
    return NULL;
}

static const struct option_row *find_letter(const struct parse *p, char letter) {
    for (size_t i = 0; i < N_ROWS; i++)
        if ((rows[i].commands & p->command) != 0 && rows[i].letter != 0 && rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

static int unknown(const struct parse *p, const char *given, struct err *e) {
    const char *known[N_ROWS];
    size_t n = 0;
    char shown[200];
    for (size_t i = 0; i < N_ROWS; i++)
        if ((rows[i].commands & p->command) != 0)
            known[n++] = rows[i].name;
    const char *near =
        given[0] == '-' && given[1] == '-' ? ytree_nearest(given + 2, known, n) : NULL;
    escape_into(shown, sizeof shown, given, strlen(given));
    if (near != NULL)
        return err_set(e, ERR_USAGE, "unknown option %s; did you mean --%s?", shown, near);
    return err_set(e, ERR_USAGE, "unknown option %s; `mvimig %s -h` lists what there is", shown,
                   p->argv[0]);
}

static int set_count(const struct option_row *row, const char *value, long *field, struct err *e) {
    char *end, shown[100];
    long n = strtol(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != 0 || n < 1 || n > 64)
        return err_set(e, ERR_USAGE, "--%s takes a number from 1 to 64, not %s", row->name,
                       escape_into(shown, sizeof shown, value, strlen(value)));
    *field = n;
    return 0;
}

static int set_span(const struct option_row *row, const char *value, long *field, struct err *e) {
    static const struct {
        const char *unit;
        long seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    long n = strtol(value, &end, 10);
    if (*value >= '0' && *value <= '9' && n >= 1 && n <= 1000000)
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcmp(end, units[i].unit) == 0) {
                *field = n * units[i].seconds;
                return 0;
            }
    return err_set(e, ERR_USAGE, "--%s takes a time as 90s, 30m, 8h or 2d", row->name);
}

static int set_rate(const struct option_row *row, const char *value, uint64_t *field,
                    struct err *e) {
    char shown[100];
    if (rate_parse(value, field) == 0)
        return 0;
    return err_set(e, ERR_USAGE,
                   "--%s takes KiB a second, or a number with K, M, G, KB, MB, GB or B behind it, "
                   "not %s",
                   row->name, escape_into(shown, sizeof shown, value, strlen(value)));
}

static int set_value(struct parse *p, const struct option_row *row, const char *value,
                     struct err *e) {
    void *field = (char *)p->out + row->offset;
    if (row->kind != FLAG && row->kind != MAYBE && *value == 0)
        return err_set(e, ERR_USAGE, "--%s is empty; it takes %s", row->name, row->argument);
    switch (row->kind) {
    case FLAG:
        *(bool *)field = true;
        return 0;
    case MAYBE:
    case TEXT:
        if (*(const char **)field != NULL)
            return err_set(e, ERR_USAGE, "--%s is given twice", row->name);
        *(const char **)field = value;
        return 0;
    case LIST: {
        struct scope_list *list = field;
        ARENA_PUSH(p->arena, list->items, list->n, list->cap, value);
        return 0;
    }
    case COUNT:
        return set_count(row, value, field, e);
    case SPAN:
        return set_span(row, value, field, e);
    case RATE:
        return set_rate(row, value, field, e);
    }
    return 0;
}

static int take_option(struct parse *p, const struct option_row *row, const char *attached,
                       struct err *e) {
    if (row->kind == FLAG && attached != NULL)
        return err_set(e, ERR_USAGE, "--%s takes no value", row->name);
    if (row->kind == MAYBE && attached == NULL)
        return set_value(p, row, "", e);
    if (row->kind != FLAG && attached == NULL) {
        if (p->next >= p->argc)
            return err_set(e, ERR_USAGE, "--%s needs %s behind it", row->name, row->argument);
        attached = p->argv[p->next++];
    }
    return set_value(p, row, attached, e);
}

static int take_long(struct parse *p, const char *word, struct err *e) {
    const char *equals = strchr(word, '=');
    size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct option_row *row = find_row(p, word + 2, len - 2);
    if (row == NULL)
        return unknown(p, arena_strndup(p->arena, word, len), e);
    return take_option(p, row, equals != NULL ? equals + 1 : NULL, e);
}

static int take_short(struct parse *p, const char *word, struct err *e) {
    const struct option_row *row = find_letter(p, word[1]);
    if (row == NULL)
        return unknown(p, word, e);
    return take_option(p, row, word[2] != 0 ? word + 2 : NULL, e);
}

int options_parse(int argc, char *const *argv, unsigned command, struct arena *a,
                  struct options *out, struct err *e) {
    struct parse p = {
        .argc = argc, .argv = argv, .next = 1, .command = command, .arena = a, .out = out};
    bool only_words = false;
    memset(out, 0, sizeof *out);
    while (p.next < argc) {
        const char *word = argv[p.next++];
        int rc = 0;
        if (!only_words && strcmp(word, "--") == 0)
            only_words = true;
        else if (!only_words && word[0] == '-' && word[1] == '-')
            rc = take_long(&p, word, e);
        else if (!only_words && word[0] == '-' && word[1] != 0)
            rc = take_short(&p, word, e);
        else
            ARENA_PUSH(a, out->words, out->n_words, out->cap_words, word);
        if (rc != 0)
            return rc;
    }
    return 0;
}

// What --NAME=VALUE looks like; NULL when the option was not given, or is a list.
static const char *word_of(const struct option_row *row, const void *field, struct arena *a) {
    switch (row->kind) {
    case FLAG:
        return *(const bool *)field ? arena_printf(a, "--%s", row->name) : NULL;
    case TEXT:
    case MAYBE: {
        const char *text = *(const char *const *)field;
        return text == NULL ? NULL : arena_printf(a, "--%s=%s", row->name, text);
    }
    case COUNT:
    case SPAN: {
        long n = *(const long *)field;
        return n == 0 ? NULL : arena_printf(a, "--%s=%ld", row->name, n);
    }
    case RATE: {
        uint64_t n = *(const uint64_t *)field;
        return n == 0 ? NULL : arena_printf(a, "--%s=%lluB", row->name, (unsigned long long)n);
    }
    case LIST:
        break;
    }
    return NULL;
}

const char **options_words(const struct options *o, unsigned commands, struct arena *a, size_t *n) {
    const char **words = NULL;
    size_t cap = 0;
    *n = 0;
    for (size_t i = 0; i < N_ROWS; i++) {
        const void *field = (const char *)o + rows[i].offset;
        if ((rows[i].commands & commands) != commands ||
            rows[i].offset == offsetof(struct options, config) ||
            rows[i].commands == (unsigned)C_ALL)
            continue;
        const char *word = word_of(&rows[i], field, a);
        if (word != NULL)
            ARENA_PUSH(a, words, *n, cap, word);
        const struct scope_list *list = rows[i].kind == LIST ? field : NULL;
        for (size_t k = 0; list != NULL && k < list->n; k++) {
            const char *item = arena_printf(a, "--%s=%s", rows[i].name, list->items[k]);
            ARENA_PUSH(a, words, *n, cap, item);
        }
    }
    return words;
}

void options_help(unsigned command, struct buf *out) {
    for (size_t i = 0; i < N_ROWS; i++) {
        if ((rows[i].commands & command) == 0)
            continue;
        char left[80];
        struct buf b = BUF_INIT(sizeof left);
        if (rows[i].letter != 0)
            buf_printf(&b, "-%c, ", rows[i].letter);
        buf_printf(&b, "--%s", rows[i].name);
        if (rows[i].argument != NULL)
            buf_printf(&b, rows[i].kind == MAYBE ? "[=%s]" : " %s", rows[i].argument);
        buf_printf(out, "  %-24s  %s\n", buf_str(&b), rows[i].help);
        buf_free(&b);
    }
}

bool options_next(unsigned command, size_t *i, struct option_view *out) {
    while (*i < N_ROWS && (rows[*i].commands & command) == 0)
        ++*i;
    if (*i == N_ROWS)
        return false;
    const struct option_row *row = &rows[(*i)++];
    *out = (struct option_view){.name = row->name,
                                .argument = row->argument,
                                .help = row->help,
                                .letter = row->letter,
                                .needs_value = row->kind != FLAG && row->kind != MAYBE,
                                .may_have_value = row->kind == MAYBE,
                                .repeats = row->kind == LIST};
    return true;
}
