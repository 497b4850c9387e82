// SPDX-License-Identifier: Apache-2.0
// mvimig completion: what bash and zsh load to complete commands and options, from the tables.
#include "commands/command.h"

#include <string.h>

static bool names_a_file(const struct option_view *o) {
    static const char *const files[] = {"FILE", "DIR", "OTHER"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(o->argument, files[i]) == 0)
            return true;
    return false;
}

// The words of "text|json"; none when something among them is to be filled in by a person.
static bool put_choices(struct buf *b, const char *argument) {
    if (strchr(argument, '|') == NULL || strpbrk(argument, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL)
        return false;
    for (const char *p = argument; *p != 0; p++)
        buf_put(b, *p == '|' ? " " : p, 1);
    return true;
}

// Inside single quotes of a shell; `special` gets a backslash, for zsh's own syntax.
static void put_quoted(struct buf *b, const char *text, const char *special) {
    for (const char *p = text; *p != 0; p++) {
        if (*p == '\'') {
            buf_puts(b, "'\\''");
            continue;
        }
        if (strchr(special, *p) != NULL)
            buf_puts(b, "\\");
        buf_put(b, p, 1);
    }
}

static void bash_value(struct buf *b, const struct option_view *o) {
    AUTO_BUF struct buf choices = BUF_INIT(1 << 12);
    buf_puts(b, "        ");
    if (o->letter != 0)
        buf_printf(b, "-%c | ", o->letter);
    buf_printf(b, "--%s) ", o->name);
    if (put_choices(&choices, o->argument))
        buf_printf(b, "mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\"); return ;;\n",
                   buf_str(&choices));
    else
        buf_puts(b,
                 names_a_file(o) ? "return ;;\n" : "compopt +o default 2>/dev/null; return ;;\n");
}

static void bash_command(struct buf *b, const struct command *c) {
    struct option_view o;
    buf_printf(b, "    %s)\n        known='", c->name);
    for (size_t i = 0; options_next(c->bit, &i, &o);) {
        if (o.letter != 0)
            buf_printf(b, "-%c ", o.letter);
        buf_printf(b, "--%s%s", o.name, o.may_have_value ? " --" : " ");
        if (o.may_have_value)
            buf_printf(b, "%s= ", o.name);
    }
    buf_puts(b, "'\n        case $prev in\n");
    for (size_t i = 0; options_next(c->bit, &i, &o);)
        if (o.needs_value)
            bash_value(b, &o);
    buf_puts(b, "        esac\n        ;;\n");
}

static void bash(struct buf *b) {
    buf_puts(b,
             "# Completion of mvimig for bash, written by `mvimig completion bash`.\n"
             "_mvimig() {\n"
             "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} known=\n"
             "    COMPREPLY=()\n"
             "    if ((COMP_CWORD == 1)); then\n"
             "        mapfile -t COMPREPLY < <(compgen -W '");
    for (size_t i = 0; commands[i] != NULL; i++)
        buf_printf(b, "%s ", commands[i]->name);
    buf_puts(b, "--help --version' -- \"$cur\")\n"
                "        return\n"
                "    fi\n"
                "    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        bash_command(b, commands[i]);
    buf_puts(b, "    esac\n"
                "    if [[ $cur == -* ]]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -W \"$known\" -- \"$cur\")\n"
                "    fi\n"
                "}\n"
                "complete -o default -F _mvimig mvimig\n");
}

static void zsh_value(struct buf *b, const struct option_view *o) {
    AUTO_BUF struct buf choices = BUF_INIT(1 << 12);
    if (o->argument == NULL)
        return;
    buf_puts(b, o->may_have_value ? "::" : ":");
    put_quoted(b, o->argument, ":\\");
    if (put_choices(&choices, o->argument))
        buf_printf(b, ":(%s)", buf_str(&choices));
    else
        buf_puts(b, names_a_file(o) ? ":_files" : ": ");
}

static void zsh_command(struct buf *b, const struct command *c) {
    struct option_view o;
    buf_printf(b, "    %s)\n        _arguments -S \\\n", c->name);
    for (size_t i = 0; options_next(c->bit, &i, &o);) {
        const char *many = o.repeats ? "*" : "";
        const char *join = o.may_have_value ? "=-" : o.needs_value ? "=" : "";
        buf_puts(b, "            ");
        if (o.letter != 0 && !o.repeats)
            buf_printf(b, "'(-%c --%s)'{-%c%s,--%s%s}'[", o.letter, o.name, o.letter,
                       o.needs_value ? "+" : "", o.name, join);
        else
            buf_printf(b, "'%s--%s%s[", many, o.name, join);
        put_quoted(b, o.help, "[]\\");
        buf_puts(b, "]");
        zsh_value(b, &o);
        buf_puts(b, "' \\\n");
    }
    buf_puts(b, "            '*:file:_files'\n        ;;\n");
}

static void zsh(struct buf *b) {
    buf_puts(b, "#compdef mvimig\n"
                "# Completion of mvimig for zsh, written by `mvimig completion zsh`.\n"
                "_mvimig() {\n"
                "    local -a known\n"
                "    if ((CURRENT == 2)); then\n"
                "        known=(\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        buf_printf(b, "            '%s:", commands[i]->name);
        put_quoted(b, commands[i]->summary, ":\\");
        buf_puts(b, "'\n");
    }
    buf_puts(b, "        )\n"
                "        _describe command known\n"
                "        return\n"
                "    fi\n"
                "    local command=$words[2]\n"
                "    shift words\n"
                "    ((CURRENT--))\n"
                "    case $command in\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        zsh_command(b, commands[i]);
    buf_puts(b, "    esac\n}\n_mvimig \"$@\"\n");
}

static int run(struct command_context *c, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    const char *shell = c->options->words[0];
    if (strcmp(shell, "bash") == 0)
        bash(&b);
    else if (strcmp(shell, "zsh") == 0)
        zsh(&b);
    else
        return err_set(e, ERR_USAGE, "completion: there is none for that shell; say bash or zsh");
    out_raw(c->out, buf_str(&b), b.len);
    return 0;
}

const struct command command_completion = {
    .name = "completion",
    .bit = C_COMPLETION,
    .synopsis = "bash | zsh",
    .summary = "print what a shell loads to complete commands and options",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
