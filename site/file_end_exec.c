// SPDX-License-Identifier: Apache-2.0
#include "site/file_end_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/tempfile.h"
#include "site/far_shell.h"
#include "site/far_tar.h"
#include "site/protocol.h"

#define PROGRAM PROTOCOL_RECEIVER
#define PROGRAM_MAX (64u << 20)
#define LINE_MAX_BYTES (64u << 10)
#define GRACE_MS 2000
#define REMOVE_TIMEOUT_MS 10000

struct exec_end {
    struct file_end end;
    char *label, *root, *program;
    char **prefix, **env;
    int (*find)(void *arg, struct arena *a, const char *const **prefix, struct err *e);
    void *find_arg;
    bool (*refuses)(struct err *e);
    bool broke;           // a stream did: the prefix is asked for again
    pthread_mutex_t lock; // one stream at a time looks for the receiver and sends it
    enum file_receiver receiver;
    char *sent; // the folder that it was sent to, as a word of the shell; NULL: none
};

struct exec_stream {
    struct far_shell sh;
    struct far_tar *tar; // NULL: a receiver runs there
};

// --- finding the receiver there

static void put_asks(struct buf *b, const char *command) {
    buf_printf(b, "[ \"$(%s protocol 2>/dev/null </dev/null)\" = '%s %d' ]", command,
               PROTOCOL_MAGIC, PROTOCOL_VERSION);
}

// Fills `command` with how the receiver is called there ("" when it is not) and `machine`.
static int find_receiver(const struct exec_end *x, struct far_shell *sh, struct buf *command,
                         char machine[FAR_ANSWER_MAX], struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
    AUTO_BUF struct buf sent = BUF_INIT(LINE_MAX_BYTES);
    char answer[FAR_ANSWER_MAX];
    if (x->sent != NULL) {
        buf_printf(&sent, "%s/" PROGRAM, x->sent);
    }
    const char *const known[] = {buf_str(&sent), PROGRAM, "mvimig receive"};
    const size_t n = sizeof known / sizeof *known;
    buf_puts(&line, "if false; then :;");
    for (size_t i = 0; i < n; i++) {
        if (known[i][0] != 0) {
            buf_puts(&line, " elif ");
            put_asks(&line, known[i]);
            buf_printf(&line, "; then r=%zu;", i);
        }
    }
    buf_printf(&line, " else r=%zu; fi; printf '\\n%%s %%s %%s\\n' \"$m\" \"$r\" \"$(uname -m)\"\n",
               n);
    int rc = far_shell_ask(sh, buf_str(&line), answer, e);
    if (rc < 0) {
        return rc;
    }
    if (answer[0] < '0' || answer[0] > (char)('0' + n) || answer[1] != ' ') {
        return err_set(e, ERR_RETRY, "%s: an answer that is none", x->label);
    }
    size_t which = (size_t)(answer[0] - '0');
    memcpy(machine, answer + 2, strlen(answer + 2) + 1);
    if (which < n) {
        buf_puts(command, known[which]);
    }
    return 0;
}

// --- sending it

// The program for that machine: mvimig-receive-MACHINE beside this program, or mvimig-receive for
// a machine like this one.
static int read_program(const struct exec_end *x, const char *machine, char **data, size_t *len,
                        struct err *e) {
    char self[PATH_REL_MAX + 1], shown[100];
    struct utsname here;
    if (x->program != NULL) {
        return file_read(AT_FDCWD, x->program, PROGRAM_MAX, data, len, e);
    }
    escape_into(shown, sizeof shown, machine, strlen(machine));
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    MUST(uname(&here) == 0);
    self[n < 0 ? 0 : n] = 0;
    char *slash = strrchr(self, '/');
    int rc = ERR_NOTFOUND;
    if (slash != NULL && strchr(machine, '/') == NULL) {
        AUTO_FREE char *path =
            must_sprintf("%.*s/" PROGRAM "-%s", (int)(slash - self), self, machine);
        struct err why = {0}; // that there is none for this machine by name is no error yet
        rc = file_read(AT_FDCWD, path, PROGRAM_MAX, data, len, &why);
        if (rc != 0 && rc != ERR_NOTFOUND) {
            *e = why;
        }
    }
    if (rc == ERR_NOTFOUND && slash != NULL && strcmp(machine, here.machine) == 0) {
        AUTO_FREE char *path = must_sprintf("%.*s/" PROGRAM, (int)(slash - self), self);
        rc = file_read(AT_FDCWD, path, PROGRAM_MAX, data, len, e);
    }
    return rc != ERR_NOTFOUND ? rc
                              : err_set(e, ERR_FAILED,
                                        "%s: it has no " PROGRAM " of this version and there is "
                                        "none for %s beside this program to be sent; put " PROGRAM
                                        "-%s beside it, or " PROGRAM " in the PATH there",
                                        x->label, shown, shown);
}

// What a failed check leaves unread would be taken for commands: the shell ends first.
static void put_send(struct buf *b, const char *folder, size_t len, const char *hex) {
    buf_printf(b,
               "d=%s; f=$d/" PROGRAM "; r=no; for t in sha256sum head chmod mkdir; do "
               "command -v $t >/dev/null || r=\"lacks $t\"; done; "
               "if [ \"$r\" = no ] && mkdir -m 700 \"$d\" 2>/dev/null; then "
               "printf '\\n%%s ready\\n' \"$m\"; head -c %zu >\"$f\" || exit; "
               "s=$(sha256sum <\"$f\") || exit; [ \"${s%%%% *}\" = %s ] || "
               "{ rm -f \"$f\"; rmdir \"$d\"; echo 'it did not arrive whole' >&2; exit; }; "
               "chmod 700 \"$f\"; if ",
               folder, len, hex);
    put_asks(b, "\"$f\"");
    buf_puts(b, "; then r=ok; else rm -f \"$f\"; rmdir \"$d\"; fi; fi; "
                "printf '\\n%s %s\\n' \"$m\" \"$r\"\n");
}

static int send_to(const struct exec_end *x, struct far_shell *sh, const char *folder,
                   const char *data, size_t len, bool *works, struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
    char answer[FAR_ANSWER_MAX], hex[HASH_HEX];
    uint8_t digest[HASH_SIZE];
    hash_bytes(data, len, digest);
    hash_hex(digest, hex);
    put_send(&line, folder, len, hex);
    int rc = far_shell_ask(sh, buf_str(&line), answer, e);
    if (rc == 0 && strcmp(answer, "ready") == 0) {
        rc = far_shell_write(sh, data, len, e);
        rc = rc < 0 ? rc : far_shell_answer(sh, answer, e);
    }
    *works = rc == 0 && strcmp(answer, "ok") == 0;
    if (rc == 0 && strncmp(answer, "lacks ", 6) == 0) {
        char shown[100];
        escape_into(shown, sizeof shown, answer + 6, strlen(answer + 6));
        return err_set(e, ERR_FAILED,
                       "%s: it has no " PROGRAM " of this version, and lacks %s for one to be "
                       "sent; put GNU coreutils or BusyBox there, or " PROGRAM " in the PATH there",
                       x->label, shown);
    }
    return rc == 0 && !*works && strcmp(answer, "no") != 0
               ? err_set(e, ERR_RETRY, "%s: an answer that is none", x->label)
               : rc;
}

static int send_receiver(struct exec_end *x, struct far_shell *sh, const char *machine,
                         struct err *e) {
    static const char *const folders[] = {"\"${TMPDIR:-/tmp}\"", "/tmp", "/var/tmp", "/dev/shm"};
    AUTO_FREE char *data = NULL;
    size_t len = 0;
    uint64_t id;
    int rc = read_program(x, machine, &data, &len, e);
    bool works = false;
    for (size_t i = 0; rc == 0 && !works && i < sizeof folders / sizeof *folders; i++) {
        MUST(getrandom(&id, sizeof id, 0) == (ssize_t)sizeof id);
        AUTO_FREE char *folder =
            must_sprintf("%s/mvimig-%016llx", folders[i], (unsigned long long)id);
        rc = send_to(x, sh, folder, data, len, &works, e);
        if (works) {
            free(x->sent);
            x->sent = STEAL(folder);
        }
    }
    return rc == 0 && !works
               ? err_set(e, ERR_FAILED,
                         "%s: it has no " PROGRAM " of this version, and none that is sent can "
                         "be run below its $TMPDIR, /tmp, /var/tmp or /dev/shm; put one in the "
                         "PATH there",
                         x->label)
               : rc;
}

// --- streams

// Fills `command`, or leaves it empty and tells why: the far side's own tools have to do.
static int choose(struct exec_end *x, struct far_shell *sh, struct buf *command, struct err *e) {
    char machine[FAR_ANSWER_MAX];
    int rc = find_receiver(x, sh, command, machine, e);
    if (rc < 0 || command->len > 0) {
        return rc;
    }
    rc = send_receiver(x, sh, machine, e);
    if (rc == 0) {
        buf_printf(command, "%s/" PROGRAM, x->sent);
    }
    if (rc != ERR_FAILED || x->receiver == RECEIVER_MVIMIG) {
        return rc;
    }
    x->receiver = RECEIVER_TAR;
    x->end.remark = must_sprintf("files go by the tar, find and sha256sum that are there, which is "
                                 "slower; %s",
                                 e->text);
    *e = (struct err){0};
    return 0;
}

static int start_receiver(struct exec_end *x, struct exec_stream *s, struct file_stream *stream,
                          struct err *e) {
    AUTO_BUF struct buf command = BUF_INIT(LINE_MAX_BYTES);
    AUTO_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
    char answer[FAR_ANSWER_MAX];
    pthread_mutex_lock(&x->lock);
    int rc = x->receiver == RECEIVER_TAR ? 0 : choose(x, &s->sh, &command, e);
    pthread_mutex_unlock(&x->lock);
    if (rc < 0) {
        return rc;
    }
    if (command.len == 0) {
        return far_tar_start(&s->sh, x->root, stream, &s->tar, e);
    }
    buf_printf(&line, "printf '\\n%%s go\\n' \"$m\"; exec %s ", buf_str(&command));
    far_shell_quote(&line, x->root);
    buf_puts(&line, "\n");
    rc = far_shell_ask(&s->sh, buf_str(&line), answer, e);
    if (rc == 0 && (strcmp(answer, "go") != 0 || s->sh.in.len > 0)) {
        rc = err_set(e, ERR_RETRY, "%s: an answer that is none", x->label);
    }
    *stream = (struct file_stream){.to = s->sh.child.in, .from = s->sh.child.out};
    return rc;
}

static char **copy_list(const char *const *list) {
    size_t n = 0;
    while (list != NULL && list[n] != NULL) {
        n++;
    }
    char **out = must_calloc(n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i] = must_strdup(list[i]);
    }
    return out;
}

static void free_list(char **list) {
    for (size_t i = 0; list[i] != NULL; i++) {
        free(list[i]);
    }
    free(list);
}

// The prefix of now, a copy: another stream may find another one meanwhile.
static int find_prefix(struct exec_end *x, char ***out, struct err *e) {
    AUTO_ARENA struct arena *a = arena_new();
    const char *const *found = NULL;
    int rc = 0;
    pthread_mutex_lock(&x->lock);
    if (x->broke && x->find != NULL) {
        rc = x->find(x->find_arg, a, &found, e);
    }
    if (found != NULL) {
        free_list(x->prefix);
        x->prefix = copy_list(found);
        x->broke = false;
    }
    *out = copy_list((const char *const *)x->prefix);
    pthread_mutex_unlock(&x->lock);
    return rc;
}

static void note_broken(struct exec_end *x) {
    pthread_mutex_lock(&x->lock);
    x->broke = true;
    pthread_mutex_unlock(&x->lock);
}

static int open_shell(struct exec_end *x, struct far_shell *sh, struct err *e) {
    char **prefix = NULL;
    int rc = find_prefix(x, &prefix, e);
    if (rc == 0) {
        rc = far_shell_open(sh, x->label, (const char *const *)prefix, (const char *const *)x->env,
                            x->end.timeout_ms, e);
    }
    free_list(prefix);
    return rc;
}

static int exec_open(struct file_end *end, struct file_stream *stream, struct err *e) {
    struct exec_end *x = (struct exec_end *)end;
    struct exec_stream *s = must_calloc(1, sizeof *s);
    int rc = open_shell(x, &s->sh, e);
    if (rc < 0) {
        note_broken(x);
        free(s);
        return rc;
    }
    rc = start_receiver(x, s, stream, e);
    if (rc < 0) {
        note_broken(x);
        if (rc == ERR_RETRY) {
            far_shell_explain(&s->sh, e);
            rc = x->refuses != NULL && x->refuses(e) ? e->code : rc;
        }
        far_shell_close(&s->sh, 0);
        free(s);
        return rc;
    }
    stream->state = s;
    return 0;
}

static void exec_explain(struct file_end *end, struct file_stream *stream, struct err *e) {
    struct exec_stream *s = stream->state;
    note_broken((struct exec_end *)end);
    if (s->tar == NULL) { // else it has told already
        far_shell_explain(&s->sh, e);
    }
}

static void exec_close(struct file_end *end, struct file_stream *stream) {
    struct exec_stream *s = stream->state;
    (void)end;
    if (s->tar != NULL) {
        far_tar_stop(s->tar, stream);
    }
    far_shell_close(&s->sh, GRACE_MS);
    free(s);
}

// --- the end

// As far as it can be done: what stays is one file in a folder for temporary ones.
static void remove_sent(struct exec_end *x) {
    AUTO_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
    struct far_shell sh;
    struct err ignored = {0};
    char answer[FAR_ANSWER_MAX];
    if (far_shell_open(&sh, x->label, (const char *const *)x->prefix, (const char *const *)x->env,
                       REMOVE_TIMEOUT_MS, &ignored) < 0) {
        return;
    }
    buf_printf(&line, "rm -f %s/" PROGRAM "; rmdir %s; printf '\\n%%s done\\n' \"$m\"\n", x->sent,
               x->sent);
    far_shell_ask(&sh, buf_str(&line), answer, &ignored);
    far_shell_close(&sh, GRACE_MS);
}

static void exec_free(struct file_end *end) {
    struct exec_end *x = (struct exec_end *)end;
    if (x->sent != NULL) {
        remove_sent(x);
    }
    pthread_mutex_destroy(&x->lock);
    free_list(x->prefix);
    free_list(x->env);
    free(x->label);
    free(x->root);
    free(x->program);
    free(x->sent);
    free(x->end.remark);
    free(x);
}

int file_end_exec_open(const struct file_end_exec *o, struct file_end **out, struct err *e) {
    if (o->prefix == NULL || o->prefix[0] == NULL) {
        return err_set(e, ERR_USAGE, "%s: no command to reach it by", o->label);
    }
    if (o->root == NULL || o->root[0] != '/' || strlen(o->root) > PATH_REL_MAX) {
        return err_set(e, ERR_USAGE, "%s: its data directory has to begin with /", o->label);
    }
    struct exec_end *x = must_calloc(1, sizeof *x);
    x->label = must_strdup(o->label);
    x->root = must_strdup(o->root);
    x->program = o->program == NULL ? NULL : must_strdup(o->program);
    x->receiver = o->receiver;
    x->prefix = copy_list(o->prefix);
    x->env = copy_list(o->env);
    x->find = o->find;
    x->find_arg = o->find_arg;
    x->refuses = o->refuses;
    pthread_mutex_init(&x->lock, NULL);
    x->end =
        (struct file_end){.label = x->label,
                          .timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : PROTOCOL_TIMEOUT_MS,
                          .open = exec_open,
                          .close = exec_close,
                          .explain = exec_explain,
                          .free = exec_free};
    *out = &x->end;
    return 0;
}
