// SPDX-License-Identifier: Apache-2.0
#include "executor/run.h"

#include <stdarg.h>
#include <string.h>

#include "base/buf.h"

bool run_names_step(const char *word, const struct plan_step *s) {
    size_t n = strlen(word);
    return n > 0 && word[n - 1] == '/' ? strncmp(s->id, word, n) == 0 : strcmp(s->id, word) == 0;
}

void run_log(struct run *r, enum run_log_level level, const char *step, const char *fmt, ...) {
    if (r->log == NULL)
        return;
    AUTO_BUF struct buf text = BUF_INIT(1 << 16);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    r->log(r->log_arg, level, step, buf_str(&text));
}
