// SPDX-License-Identifier: Apache-2.0
#include "site/far_look.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "site/far_shell.h"

#define LINE_MAX_BYTES (64u << 10)
#define GRACE_MS 2000

static int ask(struct far_shell *sh, const char *root, struct far_facts *out, struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
    char answer[FAR_ANSWER_MAX], what[8];
    int name = 0;
    uint64_t kib;
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
    if (sscanf(answer, "%7s %ld %ld %" SCNd64 " %" SCNu64 " %63s %" SCNu64 " %n", what, &out->uid,
               &out->gid, &out->clock_s, &kib, out->machine, &out->closed, &name) != 7) {
        return err_set(e, ERR_RETRY, "%s: the shell there lacks id, date, df or uname", sh->label);
    }
    out->there = strcmp(what, "no") != 0;
    out->writable = strcmp(what, "rw") == 0;
    out->free_bytes = kib * 1024;
    escape_into(out->first, sizeof out->first, answer + name, strlen(answer + name));
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
