// SPDX-License-Identifier: Apache-2.0
#include "site/far_tar.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/escape.h"
#include "site/far_tar_private.h"

#define DRAIN_MS 10000
#define TRIAL_NS INT64_C(1000000001123456789)

// Made of site/far_tar.sh by cmake/Embed.cmake.
extern const char far_tar_sh[];
extern const size_t far_tar_sh_len;

// --- speaking

int far_said(const struct far_tar *t, const char *answer, struct err *e) {
    char shown[FAR_ANSWER_MAX * 4];
    bool fail = strncmp(answer, "fail ", 5) == 0, lacks = strncmp(answer, "lacks ", 6) == 0;
    escape_into(shown, sizeof shown,
                answer + (fail    ? 5
                          : lacks ? 6
                                  : 0),
                strlen(answer) - (fail    ? 5
                                  : lacks ? 6
                                          : 0));
    return fail    ? err_set(e, ERR_FAILED, "%s: %s", t->root, shown)
           : lacks ? err_set(e, ERR_FAILED,
                             "it lacks%s: put GNU coreutils, tar and findutils there, or BusyBox, "
                             "or a " PROTOCOL_RECEIVER " in its PATH",
                             shown)
                   : err_set(e, ERR_RETRY, "an answer that is none (\"%s\")", shown);
}

int far_answer(struct far_tar *t, char answer[FAR_ANSWER_MAX], struct err *e) {
    int rc;
    do {
        rc = far_shell_answer(t->sh, answer, e);
    } while (rc == 0 && strcmp(answer, "alive") == 0);
    return rc;
}

// While the far side works: the sender has to hear that somebody is there, and may have gone.
static int on_idle(void *arg, struct err *e) {
    struct far_tar *t = arg;
    struct pollfd p = {.fd = t->fd, .events = POLLRDHUP};
    if (poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
        return err_set(e, ERR_RETRY, "the sender has gone");
    }
    return wire_alive(&t->wire, e);
}

void far_time(const struct far_tar *t, int64_t ns, char out[FAR_TIME_MAX]) {
    if (t->fractions) {
        uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
        snprintf(out, FAR_TIME_MAX, "%s%llu.%09llu", ns < 0 ? "-" : "",
                 (unsigned long long)(size / 1000000000), (unsigned long long)(size % 1000000000));
        return;
    }
    int64_t part = ns % 1000000000;
    snprintf(out, FAR_TIME_MAX, "%lld",
             (long long)((ns - (part < 0 ? part + 1000000000 : part)) / 1000000000));
}

int64_t far_time_read(const char *text) {
    bool minus = *text == '-';
    char *rest;
    unsigned long long s = strtoull(text + minus, &rest, 10);
    uint64_t ns = 0, unit = 100000000;
    for (rest += *rest == '.'; *rest >= '0' && *rest <= '9'; rest++, unit /= 10) {
        ns += (uint64_t)(*rest - '0') * unit;
    }
    int64_t all = (int64_t)(s > 9000000000 ? 9000000000 : s) * 1000000000 + (int64_t)ns;
    return minus ? -all : all;
}

// --- greeting

static uint64_t unit_of(const char *text) {
    static const int64_t units[] = {1, 100, 1000, 1000000, 1000000000};
    int64_t became = far_time_read(text);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (TRIAL_NS - TRIAL_NS % units[i] == became) {
            return (uint64_t)units[i];
        }
    }
    return 2000000000;
}

// "keeps -FLAGS TIME TIME": as touch and as tar have kept it.
static int take_keeps(struct far_tar *t, const char *answer, struct err *e) {
    char flags[8], touched[64], unpacked[64];
    if (sscanf(answer, "keeps -%7s %63s %63s", flags, touched, unpacked) != 3 &&
        sscanf(answer, "keeps -%63s %63s", touched, unpacked) != 2) {
        return far_said(t, answer, e);
    }
    t->fractions = strchr(touched, '.') != NULL;
    t->keeps = (struct keeps){.flags = (strchr(flags, 'm') != NULL ? KEEP_MODE : 0) |
                                       (strchr(flags, 'o') != NULL ? KEEP_OWNER : 0) |
                                       (strchr(flags, 'h') != NULL ? KEEP_LINKS : 0) |
                                       (strchr(flags, 's') != NULL ? KEEP_SYMLINKS : 0)};
    uint64_t a = unit_of(touched), b = unit_of(unpacked);
    t->keeps.mtime_ns = a > b ? a : b;
    return 0;
}

static int load(struct far_tar *t, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(256u << 10);
    char answer[FAR_ANSWER_MAX], name[STAGE_NAME_MAX], parts[TREE_OWN_NAME_MAX];
    stage_name(t->nonce, name);
    tree_own_name(TREE_PARTS_PREFIX, t->token, parts);
    buf_puts(&text, "R=");
    far_shell_quote(&text, t->root);
    buf_printf(&text, " N=%s P=%s\n", t->writes ? name : "''", parts);
    buf_put(&text, far_tar_sh, far_tar_sh_len);
    int rc = far_shell_write(t->sh, text.data, text.len, e);
    rc = rc < 0 ? rc : far_answer(t, answer, e);
    if (rc == 0 && strcmp(answer, "loaded") != 0) {
        return far_said(t, answer, e);
    }
    rc = rc < 0 ? rc : far_shell_ask(t->sh, "v_start\n", answer, e);
    if (rc == 0 && strncmp(answer, "ready ", 6) != 0) {
        return far_said(t, answer, e);
    }
    if (rc < 0) {
        return rc;
    }
    if (!t->writes) { // guessed, as stage_guess does
        t->fractions = strchr(answer, '.') != NULL;
        t->keeps = (struct keeps){.flags = KEEP_MODE | KEEP_LINKS | KEEP_SYMLINKS};
        t->keeps.flags |= strncmp(answer, "ready 0 ", 8) == 0 ? KEEP_OWNER : 0;
        return 0;
    }
    t->fractions = true; // for the trial
    rc = far_trial(t, e);
    rc = rc < 0 ? rc : far_shell_write(t->sh, "v_keeps\n", 8, e);
    rc = rc < 0 ? rc : far_answer(t, answer, e);
    return rc < 0 ? rc : take_keeps(t, answer, e);
}

static int bad_frame(const struct frame *f, struct err *e) {
    return err_set(e, ERR_DATA, "a frame of type '%c' that is not well formed or out of turn",
                   (char)f->type);
}

static int welcome(struct far_tar *t, const struct frame *f, struct err *e) {
    struct take k = {.data = f->data, .len = f->len};
    AUTO_BUF struct buf b = BUF_INIT(256);
    char magic[16];
    take_text(&k, magic, sizeof magic);
    uint16_t version = take_u16(&k);
    take_bytes(&k, t->nonce, sizeof t->nonce);
    uint32_t timeout = take_u32(&k);
    t->writes = take_u8(&k) == 1;
    take_bytes(&k, t->token, sizeof t->token);
    MUST(version == PROTOCOL_VERSION); // the sender is of this program
    if (!take_done(&k)) {
        return bad_frame(f, e);
    }
    t->wire.timeout_ms = (int)timeout;
    t->welcomed = true;
    int rc = load(t, e);
    put_text(&b, PROTOCOL_MAGIC);
    put_u16(&b, PROTOCOL_VERSION);
    buf_put(&b, t->nonce, sizeof t->nonce);
    put_u32(&b, t->keeps.flags);
    put_u64(&b, t->keeps.mtime_ns);
    return rc < 0 ? rc : wire_send(&t->wire, FRAME_WELCOME, b.data, b.len, e);
}

// --- the selection

static int select_under(struct far_tar *t, const struct frame *f, struct err *e) {
    struct take k = {.data = f->data, .len = f->len};
    take_text(&k, t->under, sizeof t->under);
    t->all = take_u8(&k) == 1;
    t->n_parents = take_u16(&k);
    if (k.bad || t->selected || t->n_parents > PATH_REL_MAX ||
        (strcmp(t->under, ".") != 0 && !path_relative_ok(t->under))) {
        return bad_frame(f, e);
    }
    t->parents = must_calloc(t->n_parents + 1, sizeof *t->parents);
    for (size_t i = 0; i < t->n_parents; i++) {
        t->parents[i].mode = take_u32(&k) & 07777;
        t->parents[i].uid = take_u32(&k);
        t->parents[i].gid = take_u32(&k);
    }
    t->selected = true;
    return take_done(&k) ? 0 : bad_frame(f, e);
}

static int select_names(struct far_tar *t, const struct frame *f, struct err *e) {
    struct take k = {.data = f->data, .len = f->len};
    char text[PATH_REL_MAX + 1];
    uint8_t kind = take_u8(&k);
    t->name_bytes += f->len;
    if (!t->selected || t->listing || (kind != 'n' && kind != 'x') ||
        t->name_bytes > PROTOCOL_NAMES_MAX) {
        return bad_frame(f, e);
    }
    while (!k.bad && k.at < k.len) {
        take_text(&k, text, sizeof text);
        if (kind == 'n') {
            ARENA_PUSH(t->arena, t->names, t->n_names, t->cap_names, arena_strdup(t->arena, text));
        } else {
            *strtab_slot(t->except, text, strlen(text), &(bool){0}) = 1;
        }
    }
    return take_done(&k) ? 0 : bad_frame(f, e);
}

static int credit(struct far_tar *t, const struct frame *f, struct err *e) {
    struct take k = {.data = f->data, .len = f->len};
    uint32_t n = take_u32(&k);
    if (!take_done(&k) || !t->selected || n > PROTOCOL_CREDIT ||
        (f->type == FRAME_LIST) == t->listing) {
        return bad_frame(f, e);
    }
    t->credit += n;
    t->listing = true;
    int rc = f->type == FRAME_LIST ? far_list(t, e) : 0;
    return rc < 0 ? rc : far_list_turn(t, e);
}

// Parts of large files, that a receiver has left.
static int drop(struct far_tar *t, const struct frame *f, struct err *e) {
    char line[TREE_OWN_NAME_MAX + 16], name[TREE_OWN_NAME_MAX], answer[FAR_ANSWER_MAX];
    if (f->len != PROTOCOL_TOKEN || t->batch != NULL || !t->writes) {
        return bad_frame(f, e);
    }
    tree_own_name(TREE_PARTS_PREFIX, f->data, name);
    snprintf(line, sizeof line, "v_forget %s\n", name);
    int rc = far_shell_write(t->sh, line, strlen(line), e);
    rc = rc < 0 ? rc : far_answer(t, answer, e);
    if (rc == 0 && strncmp(answer, "forgotten ", 10) != 0) {
        return far_said(t, answer, e);
    }
    uint8_t gone = rc == 0 && strcmp(answer + 10, "0") == 0;
    return rc < 0 ? rc : wire_send(&t->wire, FRAME_DROPPED, &gone, 1, e);
}

// --- the session

static int take_frame(struct far_tar *t, const struct frame *f, struct err *e) {
    if (t->welcomed == (f->type == FRAME_HELLO)) {
        return bad_frame(f, e);
    }
    switch (f->type) {
    case FRAME_HELLO:
        return welcome(t, f, e);
    case FRAME_SELECT:
        return select_under(t, f, e);
    case FRAME_NAMES:
        return select_names(t, f, e);
    case FRAME_LIST:
    case FRAME_MORE:
        return credit(t, f, e);
    case FRAME_DIGEST:
        return far_digests(t, f, e);
    case FRAME_REMOVE:
        return far_remove(t, f, e);
    case FRAME_BATCH:
        return far_batch(t, f, e);
    case FRAME_TAR:
        return far_content(t, f, e);
    case FRAME_MEND:
        return far_mend(t, f, e);
    case FRAME_COMMIT:
        return far_commit(t, f, e);
    case FRAME_DROP:
        return drop(t, f, e);
    default:
        return bad_frame(f, e);
    }
}

// 0 when goodbye was said or the stream ended.
static int serve(struct far_tar *t, struct err *e) {
    struct frame f;
    int rc;
    while ((rc = wire_recv(&t->wire, &f, e)) > 0) {
        if (f.type == FRAME_BYE) {
            return wire_send(&t->wire, FRAME_BYE, NULL, 0, e);
        }
        rc = f.type == FRAME_FAILURE ? wire_failure(&t->wire, &f, e) : take_frame(t, &f, e);
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

static void *serve_main(void *arg) {
    struct far_tar *t = arg;
    struct err e = {0}, ignored = {0};
    struct frame f;
    if (serve(t, &e) < 0) {
        if (e.code == ERR_RETRY) {
            far_shell_explain(t->sh, &e);
        }
        t->sh->explained = true; // nothing is waited for
        wire_fail(&t->wire, &e);
        t->wire.timeout_ms = t->wire.timeout_ms < DRAIN_MS ? t->wire.timeout_ms : DRAIN_MS;
        while (wire_recv(&t->wire, &f, &ignored) > 0 && f.type != FRAME_BYE &&
               f.type != FRAME_FAILURE) {
        }
    }
    shutdown(t->fd, SHUT_WR);
    return NULL;
}

static void far_tar_free(struct far_tar *t) {
    far_batch_free(t);
    tar_reader_free(t->tar);
    wire_close(&t->wire);
    auto_close(&t->fd);
    hash_free(t->hash);
    strtab_free(t->except);
    arena_free(t->arena);
    buf_free(&t->piece);
    buf_free(&t->lines);
    free(t->parents);
    free(t->root);
    free(t);
}

int far_tar_start(struct far_shell *sh, const char *root, struct file_stream *stream,
                  struct far_tar **out, struct err *e) {
    int pair[2], errnum;
    sigset_t all, old;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return err_sys(e, ERR_IO, errno, "no stream to the receiver");
    }
    struct far_tar *t = must_calloc(1, sizeof *t);
    *t = (struct far_tar){.fd = pair[1],
                          .sh = sh,
                          .root = must_strdup(root),
                          .arena = arena_new(),
                          .except = strtab_new(),
                          .hash = hash_new(),
                          .piece = BUF_INIT(FAR_PIECE),
                          .lines = BUF_INIT(SIZE_MAX - 1)};
    int rc = wire_open(&t->wire, t->fd, t->fd, PROTOCOL_TIMEOUT_MS, "sender", e);
    sh->idle = on_idle;
    sh->idle_arg = t;
    sigfillset(&all); // signals are for the other threads
    pthread_sigmask(SIG_SETMASK, &all, &old);
    errnum = rc < 0 ? 0 : pthread_create(&t->thread, NULL, serve_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc < 0 || errnum != 0) {
        close(pair[0]);
        far_tar_free(t);
        return rc < 0 ? rc : err_sys(e, ERR_FAILED, errnum, "no thread for the receiver");
    }
    stream->to = stream->from = pair[0];
    *out = t;
    return 0;
}

void far_tar_stop(struct far_tar *t, struct file_stream *stream) {
    close(stream->to);
    pthread_join(t->thread, NULL);
    t->sh->idle = NULL;
    far_tar_free(t);
}
