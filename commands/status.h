// SPDX-License-Identifier: Apache-2.0
// How a migration stands, as text for people and as JSON for programs: `status`, `status --watch`
// and WORKDIR/status.json say the same.
#pragma once

#include "base/buf.h"
#include "state/report.h"

#define STATUS_FILE "status.json"

// One word or two: "running", "finished", "stopped", "stale", "silent", "not started".
const char *status_word(const struct report *r);
// A page of text, as wide and as long as it gets.
void status_text(const struct report *r, const char *dir, struct buf *out);
// The same for a screen: columns and names are shortened to `width`, and of its lines the least
// needed are left out where there are more than `rows`. A long line may still be wider: screen.h
// cuts it.
void status_page(const struct report *r, const char *dir, int width, int rows, struct buf *out);
// One line, for logs.
void status_line(const struct report *r, struct buf *out);
// One JSON object, with a newline.
void status_json(const struct report *r, struct buf *out);
// Writes WORKDIR/status.json anew (temporary file, rename). `ended`: by the run that ends now; it
// is told as held by nobody, though the lock goes a moment later.
int status_write(int workdir_fd, bool ended, struct err *e);
