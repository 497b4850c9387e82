// SPDX-License-Identifier: Apache-2.0
// Secrets: values that are never printed, logged, put in a plan, a journal, an argument vector or a
// core dump. A struct secret wipes itself; a struct redact knows every secret of a run and blanks
// their values (also URL-encoded and base64) in any text before it is printed.
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct secret; // NULL = none

struct secret *secret_new(const char *value, size_t len);
const char *secret_value(const struct secret *s); // NULL for NULL; do not copy it around
void secret_free(struct secret *s);               // wipes

// Reads a secret from a file: a regular file of at most 4 KiB, one trailing newline cut, not empty,
// a single line. ERR_USAGE. Symlinks are followed, since mounted Kubernetes Secrets are such.
int secret_from_file(const char *path, struct secret **out, struct err *e);

struct redact;
struct redact *redact_new(void);
void redact_add(struct redact *r, const struct secret *s); // values under 4 bytes are not searched
// Appends `text` with every secret value replaced by "[secret]".
void redact_apply(const struct redact *r, const char *text, struct buf *out);
void redact_free(struct redact *r);

// Once, at the start of the program: no core dumps, not dumpable, no new privileges.
void secret_harden_process(void);
