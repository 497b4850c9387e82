// SPDX-License-Identifier: Apache-2.0
// A page that is redrawn in place on standard output, a terminal. It is drawn on the alternate
// screen, so that what stood there before comes back, and each picture in one write over the one
// before, so that nothing flickers. Ctrl-Z gives the terminal back for as long as it lasts.
#pragma once

#include <stdbool.h>

#include "commands/out.h"

// Whether standard output is a terminal that can do it (TERM is there and not "dumb").
bool screen_usable(void);
void screen_begin(struct out *o);
// Back to what was there before; harmless when nothing was begun.
void screen_end(struct out *o);
// Its size now; 80 by 24 where nobody knows.
void screen_size(int *columns, int *rows);
// Draws lines of text, redacted and printable as all results; what is wider than the screen is cut.
void screen_draw(struct out *o, const char *text, int columns);
// Waits; ends early when the size changes or a stop is asked for.
void screen_wait_ms(int ms);
