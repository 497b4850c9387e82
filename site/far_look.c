// SPDX-License-Identifier: Apache-2.0
#include "site/far_look.h"

#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "site/far_shell.h"
#include "site/words.h"

#define LINE_MAX_BYTES (64u << 10)
#define GRACE_MS 2000

static int ask(struct far_shell *sh, const char *root, struct far_facts *out, struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
    char answer[FAR_ANSWER_MAX], what[8];
    buf_puts(&line, "d=");
    far_shell_quote(&line, root);
    // With -P it is one line, whose fourth field is what is free, in KiB.
    buf_puts(&line,
             "; t=no; [ -d \"$d\" ] && t=ro; [ -d \"$d\" ] && [ -w \"$d\" ] && t=rw; "
             "n=0; f=; for s in \"$d\"/*/; do [ -d \"$s\" ] && [ ! -w \"$s\" ] && "
             "n=$((n+1)) && f=\"${f:-${s%/}}\"; done; "
             "set -- $(df -Pk \"$d\" 2>/dev/null | tail -n 1); "
             "printf '\\n%s %s %s %s %s %s %s %s %s\\n' \"$m\" \"$t\" \"$(id -u)\" \"$(id -g)\" "
             "\"$(date +%s)\" \"${4:-0}\" \"$(uname -m)\" \"$n\" \"${f##*/}\"\n");
    int rc = far_shell_ask(sh, buf_str(&line), answer, e);
    if (rc != 0) {
        return rc;
    }
    struct words w = {.at = answer};
    words_text(&w, what, sizeof what);
    out->uid = (long)words_number(&w, 10, UINT32_MAX);
    out->gid = (long)words_number(&w, 10, UINT32_MAX);
    out->clock_s = (int64_t)words_number(&w, 10, INT64_MAX);
    uint64_t kib = words_number(&w, 10, UINT64_MAX / 1024);
    words_text(&w, out->machine, sizeof out->machine);
    out->closed = words_number(&w, 10, UINT64_MAX);
    if (w.bad) {
        return err_set(e, ERR_RETRY, "%s: the shell there lacks id, date, df or uname", sh->label);
    }
    out->there = strcmp(what, "no") != 0;
    out->writable = strcmp(what, "rw") == 0;
    out->free_bytes = kib * 1024;
    const char *first = words_rest(&w);
    escape_into(out->first, sizeof out->first, first, strlen(first));
    return 0;
}

int far_look(const char *label, const char *const *prefix, const char *const *env, const char *root,
             int timeout_ms, struct far_facts *out, struct err *e) {
    struct far_shell sh;
    *out = (struct far_facts){0};
    int rc = far_shell_open(&sh, label, prefix, env, timeout_ms, e);
    if (rc != 0) {
        return rc;
    }
    rc = ask(&sh, root, out, e);
    if (rc == ERR_RETRY) {
        far_shell_explain(&sh, e);
    }
    far_shell_close(&sh, rc == 0 ? GRACE_MS : 0);
    return rc;
}
