// SPDX-License-Identifier: Apache-2.0
// The journal: WORKDIR/journal.db, an SQLite database that is the program's memory and the
// auditor's evidence. Tables and views are in state/journal.sql, explained in docs/journal.md.
//
// Settings (each read back; refused otherwise): journal_mode=TRUNCATE (the volume may be NFS, so
// never WAL), synchronous=EXTRA, STRICT tables, application_id 0x4D56494D, user_version.
//
// Threads: any number of workers call; one writer thread owns the writing connection. Calls of
// several workers share transactions; a call returns only when its own change is durable, but for
// journal_step_begin, journal_batch and journal_step_end, which return once it is made: they say
// what was done, and to lose the newest of them in a kill means only to do that again (never one
// without those that were told after it). Who builds on one of them waits with journal_settle, or
// asks journal_settled: no restore begins before the end of its dump is durable. A reader that
// holds the database busy is waited out, with one log line a minute through on_wait (which the
// writer thread calls), never a failure.
//
// Errors: a call whose own change is refused (a batch recorded twice, a step that is done already)
// fails alone. A failure of the file itself, or of a commit, ends the journal: that call and every
// later one get ERR_JOURNAL with the reason, nothing is tried again, and the caller should end the
// run; what was acknowledged before is there when it is opened again.
//
// Done is keyed by step hash. States only move forward within a run; "done" is never taken back but
// by an explicit rerun. Effect first, durable, checked; then the journal.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "plans/plan.h"

struct journal;

enum step_state { STEP_PENDING, STEP_RUNNING, STEP_DONE, STEP_FAILED };
extern const char *const step_state_names[4];

struct journal_options {
    const char *program_version;
    const char *command; // of the run, which becomes the owner; NULL: nobody does
    bool take_over;      // from an owner on another host without waiting (unlock)
    int64_t patience_ms; // with a program that holds the database; 0: for ever
    void (*on_wait)(void *arg, const char *text); // one line for the log
    void *arg;
    // Called by the writer thread right before each commit: makes safe what the records speak of.
    // Its failure is one of the commit. NULL: nothing is left to be done.
    int (*before_commit)(void *before_arg, struct err *e);
    void *before_arg;
};

// Creates the work directory's journal for a plan: the migration row and a row per step. The file
// must not be there yet (ERR_JOURNAL otherwise).
int journal_create(int workdir_fd, const struct plan *p, const struct journal_options *o,
                   struct journal **out, struct err *e);
// Opens an existing one for writing. ERR_JOURNAL with the mend when it is missing, foreign (other
// application_id), newer (user_version), damaged (quick_check, event chain) or read-only.
// ERR_LOCKED when another run owns it, or a program held it for longer than the patience.
int journal_open(int workdir_fd, const struct journal_options *o, struct journal **out,
                 struct err *e);
// True when another run has taken the journal over: every call fails with ERR_JOURNAL then.
bool journal_taken_over(struct journal *j);
// Just before something at the destination is replaced or deleted: that this run is still the one.
int journal_fence(struct journal *j, struct err *e);
// Waits for everything submitted, closes. Safe on NULL.
void journal_close(struct journal *j);

// Checks that the plan belongs to this journal (name, both fingerprints) and adds rows for steps it
// does not have yet, labels and expectations refreshed; steps that the plan no longer has are
// marked as taken out. ERR_PLAN when it is another migration's.
int journal_bind(struct journal *j, const struct plan *p, const char *config_path, struct err *e);
// The fingerprint of an end that was empty when the plan was made, learnt later.
int journal_set_fingerprint(struct journal *j, bool source, const char *fingerprint, struct err *e);

// A run is one execution of the program; there is one at a time (state/lock.h sees to that). Steps
// left RUNNING by a dead run become PENDING here, and their attempts are closed as "interrupted".
int journal_run_begin(struct journal *j, const char *command, const char *plan_digest,
                      struct err *e);
int journal_run_end(struct journal *j, int exit_status, const char *outcome, struct err *e);
// Waits until all that was told is durable, and so seen by others that read the journal.
int journal_settle(struct journal *j, struct err *e);
// The same without waiting: journal_mark stands for all that was told so far, and journal_settled
// says whether that is durable.
uint64_t journal_mark(const struct journal *j);
bool journal_settled(const struct journal *j, uint64_t mark);

// One attempt at one step, which must be PENDING or FAILED. *attempt identifies it in the calls
// below. Conflicts and problems that no batch stands for are superseded: this attempt looks again.
int journal_step_begin(struct journal *j, const struct plan_step *s, int64_t *attempt,
                       struct err *e);
struct step_result {
    uint64_t files, documents; // handled: sent or already there
    uint64_t bytes;            // of content read
    uint64_t sent;             // files or documents written to the destination
    uint64_t sent_bytes;
    uint64_t present;   // identical already
    uint64_t conflicts; // kept or replaced against other content
    uint64_t rejected;
    char digest[HASH_HEX]; // of the step's own product (dump file, manifest); "" when none
};
// `error` NULL: done. Otherwise failed with that text, or, when it is that a stop was asked for
// (base/stop.h), interrupted and pending again; `r` may then be NULL. The result covers the
// whole step, batches of earlier attempts included: the step's row gets it as it is, the attempt's
// row what is left of it after those batches.
int journal_step_end(struct journal *j, const struct plan_step *s, int64_t attempt,
                     const struct step_result *r, const struct err *error, struct err *e);

// A batch inside a step: durable at the destination before it is recorded. `position` is where it
// begins (byte offset in a dump, number of a tar batch); unique per step until they are forgotten.
struct batch_record {
    uint64_t position, end;
    struct step_result result;
};
int journal_batch(struct journal *j, const struct plan_step *s, int64_t attempt,
                  const struct batch_record *b, struct err *e);
// All batches recorded for a step, by position, so that a resumed step goes on behind them.
int journal_batches(struct journal *j, const struct plan_step *s,
                    int (*each)(void *arg, const struct batch_record *b), void *arg, struct err *e);
// Forgets the batches of a step whose product was made anew (a dump that was dumped again): the
// rows stay for auditors, marked so; journal_batches passes them over, positions are free again.
int journal_batches_forget(struct journal *j, const struct plan_step *s, struct err *e);

struct conflict_record {
    const char *object;   // collection, or "file"
    const char *id;       // canonical extended JSON of the _id, or the path, escaped
    const char *class;    // "different", "unfixed", "unique-clash", "file-different"...
    const char *decision; // "kept", "replaced", "failed"
    const char *source_digest, *destination_digest; // hex, "" when unknown
    const char *detail;    // unique-clash: index and the other document's _id; or ""
    const void *old_bytes; // replaced documents: the bytes that were there; NULL otherwise
    size_t old_len;
};
struct problem_record {
    const char *object, *id;
    const char *class;  // "rejected", "vanished", "changed", "special", "unreadable"...
    const char *detail; // ready to show
};
// Recorded together with the batch they belong to: collected here, written by journal_batch or
// journal_step_end of the same attempt in the same transaction (earlier when they grow large). Told
// again by a repeated attempt, a conflict (same object, id, class and digests) or problem (same
// object, id and class) stays one row, which keeps its first attempt and old bytes. An id or detail
// longer than 8 KiB is cut, its digest put behind.
// A replace calls journal_intent first: its conflict row is durable before the destination is
// touched. It writes what was collected before, too, so that a batch of replaces costs one commit:
// journal_conflict for all, journal_intent for the last.
int journal_conflict(struct journal *j, const struct plan_step *s, int64_t attempt,
                     const struct conflict_record *c, struct err *e);
int journal_problem(struct journal *j, const struct plan_step *s, int64_t attempt,
                    const struct problem_record *p, struct err *e);
int journal_intent(struct journal *j, const struct plan_step *s, int64_t attempt,
                   const struct conflict_record *c, struct err *e);

// Something worth a line in the hash-chained event log; `detail` is for people, no secret.
int journal_event(struct journal *j, const char *kind, const char *step_id, const char *detail,
                  struct err *e);
// "seq=123 sha256=..." of the newest event: printed to the log at start, phases and end.
int journal_head(struct journal *j, char *out, size_t size, struct err *e);

// What is known of a step. ERR_NOTFOUND when it has no row.
struct step_status {
    enum step_state state;
    int64_t attempts;
    struct step_result result; // of its last finished attempt
    char error[ERR_TEXT_MAX];  // of its last failed attempt
};
int journal_step(struct journal *j, const char hash_text[HASH_HEX], struct step_status *out,
                 struct err *e);
// The same of every step of a plan, in short and in one query. What has no row is pending.
struct step_brief {
    enum step_state state;
    int64_t attempts;
    uint64_t documents, bytes;
    char digest[HASH_HEX]; // of what it made; "" while it is not done
};
int journal_steps(struct journal *j, const struct plan *p, struct step_brief *out, struct err *e);
// Steps that the plan no longer has and that were not done. One that was killed early may have
// begun without a trace here.
int journal_given_up(struct journal *j,
                     int (*each)(void *arg, const char *kind, const char *hash_text, struct err *e),
                     void *arg, struct err *e);
// Sends every step that is marked back to PENDING, in one transaction: all of them or none.
int journal_rerun(struct journal *j, const struct plan *p, const bool *marked, struct err *e);
// Sends a step back to PENDING on purpose (a dump whose file is gone, --rerun), to be done again
// from its start: its batches are forgotten.
int journal_step_reset(struct journal *j, const struct plan_step *s, const char *why,
                       struct err *e);

// A sealed copy beside it: VACUUM INTO a temporary name, fsync, rename to journal-sealed.db.
int journal_seal(struct journal *j, struct err *e);
