// SPDX-License-Identifier: Apache-2.0
#include "executor/run.h"

#include <stdarg.h>

#include "base/buf.h"

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
