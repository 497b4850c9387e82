// SPDX-License-Identifier: Apache-2.0
#include "commands/command.h"

#include <string.h>

#include "base/escape.h"
#include "base/secret.h"
#include "base/stop.h"
#include "base/ytree.h"

static void help_exit_codes(struct buf *b) {
    static const struct {
        int code;
        const char *meaning;
    } rows[] = {
#define ERRCODE(name, code, exit, meaning) {code, meaning},
#include "base/errcodes.tbl.h"
#undef ERRCODE
    };
    int last = -1;
    buf_puts(b, "\nExit status:\n    0  done, or nothing to do\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status = err_exit_status(rows[i].code);
        if (status <= last)
            break; // the codes that never leave the program under their own number
        buf_printf(b, "  %3d  %s\n", status, rows[i].meaning);
        last = status;
    }
}

static void help_all(struct out *o) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    buf_puts(&b, "mvimig moves IBM Maximo Visual Inspection from a standalone server into "
                 "OpenShift,\nwith every ID preserved.\n\n"
                 "Usage: mvimig COMMAND [OPTIONS]\n\nCommands:\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        buf_printf(&b, "  %-10s  %s\n", commands[i]->name, commands[i]->summary);
    buf_puts(&b, "\n`mvimig COMMAND -h` shows the options of one.\n");
    help_exit_codes(&b);
    out_result_text(o, buf_str(&b));
}

static void help_command(struct out *o, const struct command *c) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    buf_printf(&b, "mvimig %s %s\n\n%s.\n\nOptions:\n", c->name, c->synopsis, c->summary);
    options_help(c->bit, &b);
    out_result_text(o, buf_str(&b));
}

static int unknown_command(const char *name, struct err *e) {
    const char *known[32];
    size_t n = 0;
    char shown[100];
    while (commands[n] != NULL && n < 32) {
        known[n] = commands[n]->name;
        n++;
    }
    const char *near = ytree_nearest(name, known, n);
    escape_into(shown, sizeof shown, name, strlen(name));
    if (near != NULL)
        return err_set(e, ERR_USAGE, "there is no command %s; did you mean %s?", shown, near);
    return err_set(e, ERR_USAGE, "there is no command %s; `mvimig -h` lists them", shown);
}

static int check_words(const struct command *c, const struct options *o, struct err *e) {
    char shown[100];
    if (o->n_words < c->min_words)
        return err_set(e, ERR_USAGE, "usage: mvimig %s %s", c->name, c->synopsis);
    if (o->n_words > c->max_words) {
        const char *extra = o->words[c->max_words];
        escape_into(shown, sizeof shown, extra, strlen(extra));
        return err_set(e, ERR_USAGE, "%s is one word too many; usage: mvimig %s %s", shown, c->name,
                       c->synopsis);
    }
    return 0;
}

// With --detailed-exitcode the status 2 says that there is work; bad usage is 1 then.
static int detailed(int rc, int argc, char *const *argv, struct err *e) {
    for (int i = 1; rc == ERR_USAGE && e->text[0] != 0 && i < argc; i++)
        if (strcmp(argv[i], "--detailed-exitcode") == 0)
            rc = e->code = ERR_FAILED;
    return rc;
}

static int run_command(struct out *o, const struct command *c, int argc, char *const *argv,
                       struct err *e) {
    AUTO_ARENA struct arena *a = arena_new();
    struct options options;
    struct command_context context = {.name = c->name, .out = o, .options = &options, .arena = a};
    int rc = options_parse(argc, argv, c->bit, a, &options, e);
    if (rc == 0 && options.help) {
        help_command(o, c);
        return 0;
    }
    if (rc == 0)
        rc = check_words(c, &options, e);
    if (rc == 0 && options.log_level != NULL)
        rc = out_set_level(o, options.log_level, e);
    if (rc == 0 && options.log_format != NULL)
        rc = out_set_format(o, options.log_format, e);
    return rc != 0 ? rc : c->run(&context, e);
}

static int dispatch(struct out *o, int argc, char *const *argv, struct err *e) {
    if (argc < 2)
        return err_set(e, ERR_USAGE, "no command given; `mvimig -h` lists them");
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help_all(o);
        return 0;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    const struct command *c = command_find(name);
    if (c == NULL)
        return unknown_command(name, e);
    return detailed(run_command(o, c, argc - 1, argv + 1, e), argc, argv, e);
}

int command_main(int argc, char *const *argv) {
    struct out out;
    struct err e = {0}, late = {0};
    secret_harden_process();
    stop_install();
    out_init(&out);
    int rc = dispatch(&out, argc, argv, &e);
    if (rc != 0 && e.text[0] != 0)
        out_log(&out, OUT_ERROR, NULL, "%s", e.text);
    if (out_finish(&out, &late) != 0 && rc == 0) {
        rc = late.code;
        out_log(&out, OUT_ERROR, NULL, "%s", late.text);
    }
    out_free(&out);
    return rc == 0 ? 0 : err_exit_status(rc);
}
