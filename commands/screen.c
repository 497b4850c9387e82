// SPDX-License-Identifier: Apache-2.0
#include "commands/screen.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/stop.h"
#include "base/utf8.h"

#define ENTER "\033[?1049h\033[?25l" // the alternate screen, no cursor
#define LEAVE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define ERASE_LINE "\033[K"
#define ERASE_BELOW "\033[J"
#define SLICE_MS 50
#define WIDE_FROM 0x1100 // characters from here on may take two columns

static volatile sig_atomic_t shown;  // the alternate screen is
static volatile sig_atomic_t redraw; // its picture is not what it should be

static void on_resize(int sig) {
    (void)sig;
    redraw = 1;
}

static void say(const char *text, size_t len) {
    ssize_t ignored = write(STDOUT_FILENO, text, len);
    (void)ignored;
}

static void catch (int sig, void (*handler)(int)) {
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&sa.sa_mask);
    MUST(sigaction(sig, &sa, NULL) == 0);
}

// Stops as it would have stopped, on the screen that was there before.
static void on_suspend(int sig) {
    sigset_t this_one;
    if (shown)
        say(LEAVE, strlen(LEAVE));
    catch (sig, SIG_DFL);
    sigemptyset(&this_one);
    sigaddset(&this_one, sig);
    raise(sig);
    pthread_sigmask(SIG_UNBLOCK, &this_one, NULL); // it stops here
    catch (sig, on_suspend);
    if (shown)
        say(ENTER, strlen(ENTER));
    redraw = 1;
}

bool screen_usable(void) {
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && term != NULL && *term != 0 && strcmp(term, "dumb") != 0;
}

void screen_begin(struct out *o) {
    struct err ignored = {0};
    catch (SIGWINCH, on_resize);
    catch (SIGTSTP, on_suspend);
    (void)out_finish(o, &ignored);
    say(ENTER, strlen(ENTER));
    shown = 1;
}

void screen_end(struct out *o) {
    struct err ignored = {0};
    if (!shown)
        return;
    (void)out_finish(o, &ignored);
    shown = 0;
    say(LEAVE, strlen(LEAVE));
}

void screen_size(int *columns, int *rows) {
    struct winsize w = {0};
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0;
    *columns = known ? w.ws_col : 80;
    *rows = known ? w.ws_row : 24;
}

// As much of a line of printable text as fits, whatever its characters.
static size_t fitting(const char *line, size_t len, int columns) {
    size_t used = 0;
    for (size_t n = 0; used < len; used += n) {
        uint32_t c = 0;
        n = utf8_decode(line + used, len - used, &c);
        columns -= c >= WIDE_FROM ? 2 : 1;
        if (n == 0 || columns < 0)
            break;
    }
    return used;
}

void screen_draw(struct out *o, const char *text, int columns) {
    AUTO_BUF struct buf clean = BUF_INIT(1 << 24), all = BUF_INIT(1 << 25);
    out_clean(o, text, &clean);
    buf_puts(&all, HOME);
    const char *line = buf_str(&clean);
    for (bool first = true; *line != 0; first = false) {
        size_t len = strcspn(line, "\n"), fits = fitting(line, len, columns);
        if (!first)
            buf_puts(&all, "\r\n");
        buf_put(&all, line, fits);
        // Behind a full line there is nothing to erase, and some terminals would take its end.
        buf_puts(&all, fits < (size_t)columns ? ERASE_LINE : "");
        line += len + (line[len] == '\n');
    }
    buf_puts(&all, ERASE_BELOW);
    out_raw(o, buf_str(&all), all.len);
}

void screen_wait_ms(int ms) {
    for (int waited = 0; waited < ms && !redraw && !stop_asked(); waited += SLICE_MS)
        clock_sleep_ms(SLICE_MS);
    redraw = 0;
}
