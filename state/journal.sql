-- SPDX-License-Identifier: Apache-2.0
-- The journal of one migration, for people with sqlite3 (3.37 or later). docs/journal.md explains
-- every table and view and has queries to paste. Times are UTC, RFC 3339, milliseconds; digests are
-- SHA-256 in hex; '' means "not known" or "none", and NULL "not yet".
--
-- Counters, the same in step, attempt and batch:
--   files, documents  handled: sent, or found already there
--   bytes             of their content, as read from the source
--   sent, sent_bytes  files or documents written to the destination, and their bytes
--   present           found identical at the destination
--   conflicts         found there with other content, kept or replaced (table conflict)
--   rejected          not moved (table problem)

CREATE TABLE migration (
    -- One row: what this journal is the journal of. Event 0 repeats it under the hash chain.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
    pass INTEGER NOT NULL CHECK (pass >= 1), -- of the plan that was applied last
    scope TEXT NOT NULL,                     -- what was asked for, for people
    source_server TEXT NOT NULL,
    source_database TEXT NOT NULL,
    source_root TEXT NOT NULL,               -- data directory
    source_fingerprint TEXT NOT NULL,        -- identity of that end; '' until it is known
    destination_server TEXT NOT NULL,
    destination_database TEXT NOT NULL,
    destination_root TEXT NOT NULL,
    destination_fingerprint TEXT NOT NULL,
    plan_digest TEXT NOT NULL CHECK (length(plan_digest) IN (0, 64)), -- of the plan applied last
    config_path TEXT NOT NULL,
    program_version TEXT NOT NULL,           -- that made this journal
    created TEXT NOT NULL
) STRICT;

CREATE TABLE run (
    -- One row per execution of the program on this migration.
    id INTEGER PRIMARY KEY CHECK (id >= 1),
    command TEXT NOT NULL,                   -- 'apply', 'resume'...
    plan_digest TEXT NOT NULL CHECK (length(plan_digest) IN (0, 64)),
    program_version TEXT NOT NULL,
    sqlite_version TEXT NOT NULL,
    file_system TEXT NOT NULL,               -- that holds this journal: 'ext', 'nfs'...
    host TEXT NOT NULL,                      -- in a cluster: the pod
    process INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    started TEXT NOT NULL,
    ended TEXT,                              -- of a killed run: the time of its last record
    outcome TEXT CHECK (ended IS NOT NULL OR outcome IS NULL), -- 'interrupted': it was killed
    exit_status INTEGER                      -- NULL: it goes on, or was killed
) STRICT;

CREATE TABLE owner (
    -- One row: who writes this journal. Each run takes the next generation, and every transaction
    -- looks whether it still has it: a run that was stopped, taken over from and woken up writes no
    -- more. The beat goes on while a run lives, by any clock.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL CHECK (generation >= 0),
    held INTEGER NOT NULL CHECK (held IN (0, 1)), -- 0: the last owner ended in good order
    command TEXT NOT NULL,
    host TEXT NOT NULL,
    process INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    since TEXT NOT NULL,
    beat INTEGER NOT NULL CHECK (beat >= 0),
    beat_at TEXT NOT NULL
) STRICT;
INSERT INTO owner VALUES (1, 0, 0, '', '', 0, '', '', 0, '');

CREATE TABLE event (
    -- What happened, in order, append-only and hash-chained: hash covers prev and every column of
    -- its own row, so that a row edited or taken out by hand breaks the chain at its seq.
    seq INTEGER PRIMARY KEY CHECK (seq >= 0),
    at TEXT NOT NULL,
    run INTEGER REFERENCES run (id),         -- NULL: outside a run
    kind TEXT NOT NULL CHECK (kind <> ''),   -- 'created', 'run-begin', 'step-done'...
    step TEXT NOT NULL,                      -- the step's name; '' when it is about no step
    detail TEXT NOT NULL,
    prev TEXT NOT NULL CHECK (length(prev) = 64),
    hash TEXT NOT NULL CHECK (length(hash) = 64)
) STRICT;

CREATE TABLE step (
    -- One row per step of every plan that was applied here. A step is what its hash says (kind,
    -- pass and parameters); the name is a label. Counters: the whole step, so far.
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
    name TEXT NOT NULL CHECK (name <> ''),   -- 'files/datasets/alice/0001', 'dump/DataSets/0001'
    stage TEXT NOT NULL GENERATED ALWAYS AS
        (CASE instr(name, '/') WHEN 0 THEN name ELSE substr(name, 1, instr(name, '/') - 1) END)
        VIRTUAL,                             -- 'files', 'dump', 'restore'
    kind TEXT NOT NULL,
    pass INTEGER NOT NULL CHECK (pass >= 1),
    place INTEGER NOT NULL CHECK (place >= 0), -- in the plan, from 0
    in_plan INTEGER NOT NULL CHECK (in_plan IN (0, 1)), -- 0: the plan applied last lacks it
    state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'done', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    expected_files INTEGER CHECK (expected_files >= 0), -- what the scan saw; NULL: it did not look
    expected_documents INTEGER CHECK (expected_documents >= 0),
    expected_bytes INTEGER CHECK (expected_bytes >= 0),
    done_at TEXT CHECK ((done_at IS NOT NULL) = (state = 'done')),
    digest TEXT NOT NULL DEFAULT '' CHECK (length(digest) IN (0, 64)), -- of what it made
    files INTEGER NOT NULL DEFAULT 0 CHECK (files >= 0),
    documents INTEGER NOT NULL DEFAULT 0 CHECK (documents >= 0),
    bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    sent INTEGER NOT NULL DEFAULT 0 CHECK (sent >= 0),
    sent_bytes INTEGER NOT NULL DEFAULT 0 CHECK (sent_bytes >= 0),
    present INTEGER NOT NULL DEFAULT 0 CHECK (present >= 0),
    conflicts INTEGER NOT NULL DEFAULT 0 CHECK (conflicts >= 0),
    rejected INTEGER NOT NULL DEFAULT 0 CHECK (rejected >= 0)
) STRICT;
CREATE UNIQUE INDEX step_in_plan ON step (name) WHERE in_plan = 1;
CREATE INDEX step_state ON step (state);
CREATE INDEX step_name ON step (name); -- of every pass

CREATE TABLE attempt (
    -- One row per try at a step. Counters: this attempt's own work, so far.
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL REFERENCES step (id),
    run INTEGER NOT NULL REFERENCES run (id),
    number INTEGER NOT NULL CHECK (number >= 1), -- per step, from 1
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'interrupted')),
    started TEXT NOT NULL,
    ended TEXT CHECK ((ended IS NULL) = (state = 'running')), -- interrupted: its last record
    milliseconds INTEGER CHECK (milliseconds >= 0), -- by a clock that does not jump; NULL: killed
    error TEXT NOT NULL DEFAULT '' CHECK ((error <> '') = (state = 'failed')),
    begin_event INTEGER NOT NULL REFERENCES event (seq),
    end_event INTEGER REFERENCES event (seq),
    digest TEXT NOT NULL DEFAULT '' CHECK (length(digest) IN (0, 64)),
    files INTEGER NOT NULL DEFAULT 0 CHECK (files >= 0),
    documents INTEGER NOT NULL DEFAULT 0 CHECK (documents >= 0),
    bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    sent INTEGER NOT NULL DEFAULT 0 CHECK (sent >= 0),
    sent_bytes INTEGER NOT NULL DEFAULT 0 CHECK (sent_bytes >= 0),
    present INTEGER NOT NULL DEFAULT 0 CHECK (present >= 0),
    conflicts INTEGER NOT NULL DEFAULT 0 CHECK (conflicts >= 0),
    rejected INTEGER NOT NULL DEFAULT 0 CHECK (rejected >= 0),
    UNIQUE (step, number)
) STRICT;
CREATE UNIQUE INDEX attempt_running ON attempt (step) WHERE state = 'running';
CREATE INDEX attempt_run ON attempt (run, state);

CREATE TABLE batch (
    -- A part of a step that is durable at the destination; a repeated step goes on behind the last.
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL REFERENCES step (id),
    attempt INTEGER NOT NULL REFERENCES attempt (id),
    position INTEGER NOT NULL CHECK (position >= 0), -- where it begins: byte in the dump, number
    position_end INTEGER NOT NULL CHECK (position_end >= position),
    recorded TEXT NOT NULL,
    forgotten INTEGER NOT NULL DEFAULT 0 CHECK (forgotten IN (0, 1)), -- 1: the step began anew
    digest TEXT NOT NULL DEFAULT '' CHECK (length(digest) IN (0, 64)),
    files INTEGER NOT NULL DEFAULT 0 CHECK (files >= 0),
    documents INTEGER NOT NULL DEFAULT 0 CHECK (documents >= 0),
    bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    sent INTEGER NOT NULL DEFAULT 0 CHECK (sent >= 0),
    sent_bytes INTEGER NOT NULL DEFAULT 0 CHECK (sent_bytes >= 0),
    present INTEGER NOT NULL DEFAULT 0 CHECK (present >= 0),
    conflicts INTEGER NOT NULL DEFAULT 0 CHECK (conflicts >= 0),
    rejected INTEGER NOT NULL DEFAULT 0 CHECK (rejected >= 0)
) STRICT;
CREATE UNIQUE INDEX batch_position ON batch (step, position) WHERE forgotten = 0;
CREATE INDEX batch_attempt ON batch (attempt);

CREATE TABLE conflict (
    -- An object that stood at the destination with other content, and what was decided.
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL REFERENCES step (id),
    attempt INTEGER NOT NULL REFERENCES attempt (id),      -- that saw it first
    last_attempt INTEGER NOT NULL REFERENCES attempt (id), -- that saw it last
    batch INTEGER REFERENCES batch (id),                   -- it was recorded with; NULL: with none
    recorded TEXT NOT NULL,
    object TEXT NOT NULL CHECK (object <> ''), -- collection, or 'file'
    object_id TEXT NOT NULL,                   -- _id as extended JSON, or the path
    class TEXT NOT NULL CHECK (class <> ''),   -- 'different', 'unfixed', 'unique-clash'...
    decision TEXT NOT NULL CHECK (decision <> ''), -- 'kept', 'replaced', 'deleted'...
    source_digest TEXT NOT NULL,
    destination_digest TEXT NOT NULL,
    detail TEXT NOT NULL,
    old_bytes BLOB,                            -- of a replaced document, as it stood there
    superseded INTEGER NOT NULL DEFAULT 0 CHECK (superseded IN (0, 1)), -- 1: looked at again since
    UNIQUE (step, object, object_id, class, source_digest, destination_digest)
) STRICT;
CREATE INDEX conflict_open ON conflict (step, last_attempt) WHERE batch IS NULL;

CREATE TABLE problem (
    -- An object that could not be moved, or not as it was.
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL REFERENCES step (id),
    attempt INTEGER NOT NULL REFERENCES attempt (id),
    last_attempt INTEGER NOT NULL REFERENCES attempt (id),
    batch INTEGER REFERENCES batch (id),
    recorded TEXT NOT NULL,
    object TEXT NOT NULL CHECK (object <> ''),
    object_id TEXT NOT NULL,
    class TEXT NOT NULL CHECK (class <> ''), -- 'rejected', 'vanished', 'changed', 'unreadable'...
    detail TEXT NOT NULL,
    superseded INTEGER NOT NULL DEFAULT 0 CHECK (superseded IN (0, 1)),
    UNIQUE (step, object, object_id, class)
) STRICT;
CREATE INDEX problem_open ON problem (step, last_attempt) WHERE batch IS NULL;

-- Views. stages, totals and step_work hold numbers, for programs and for other views; the others
-- are for reading. None depends on the time of the question: a journal answers the same next year.

CREATE VIEW step_work AS
-- Per step of the plan: what it has handled and what that will come to. A step that is done came to
-- what it handled; any other to what the scan saw, or to what it handled when that is more already.
SELECT id, name, stage, place, state,
       files + documents AS items,
       bytes,
       CASE state WHEN 'done' THEN files + documents
            ELSE max(files + documents,
                     coalesce(expected_files, 0) + coalesce(expected_documents, 0)) END
           AS expected_items,
       CASE state WHEN 'done' THEN bytes
            ELSE max(bytes, coalesce(expected_bytes, 0)) END AS expected_bytes
  FROM step
 WHERE in_plan = 1;

CREATE VIEW stages AS
-- Per stage and state: steps, files and documents, bytes; and how much of the stage's whole work
-- this is, in percent: half by items, half by bytes; by steps when nothing is expected.
WITH part AS (
    SELECT stage, state, count(*) AS steps, sum(items) AS items, sum(bytes) AS bytes,
           sum(expected_items) AS expected_items, sum(expected_bytes) AS expected_bytes,
           min(place) AS place
      FROM step_work GROUP BY stage, state),
whole AS (
    SELECT stage, sum(steps) AS steps, sum(expected_items) AS items,
           sum(expected_bytes) AS bytes, min(place) AS place
      FROM part GROUP BY stage),
share AS (
    SELECT part.*, whole.place AS stage_place,
           1.0 * part.items / nullif(whole.items, 0) AS by_items,
           1.0 * part.bytes / nullif(whole.bytes, 0) AS by_bytes,
           1.0 * (part.state = 'done') * part.steps / whole.steps AS by_steps
      FROM part JOIN whole USING (stage))
SELECT stage, state, steps, items, expected_items, bytes, expected_bytes,
       round(100 * coalesce((coalesce(by_items, by_bytes) + coalesce(by_bytes, by_items)) / 2,
                            by_steps), 1) AS percent
  FROM share
 ORDER BY stage_place, stage,
          CASE state WHEN 'done' THEN 0 WHEN 'running' THEN 1 WHEN 'failed' THEN 2 ELSE 3 END;

CREATE VIEW summary AS
-- For reading: the plan's steps, one row per stage and state.
SELECT stage, state,
       printf('%,d %s', steps, iif(steps = 1, 'step', 'steps')) AS steps,
       iif(items = expected_items, printf('%,d items', items),
           printf('%,d of %,d items', items, expected_items)) AS items,
       CASE WHEN bytes < 1e3 THEN printf('%d B', bytes)
            WHEN bytes < 1e6 THEN printf('%.1f kB', bytes / 1e3)
            WHEN bytes < 1e9 THEN printf('%.1f MB', bytes / 1e6)
            ELSE printf('%,.1f GB', bytes / 1e9) END AS bytes,
       printf('%.1f %%', percent) AS percent
  FROM stages;

CREATE VIEW totals AS
-- One row: the whole plan, and the newest run. share and run_share (done in that run) are parts of
-- the whole work, from 0 to 1: half by items, half by bytes; by steps when nothing is expected.
-- as_of is the newest record; seconds is from the run's start to then.
WITH plan AS (
    SELECT count(*) AS steps, coalesce(sum(state = 'done'), 0) AS done,
           coalesce(sum(state = 'running'), 0) AS running,
           coalesce(sum(state = 'failed'), 0) AS failed,
           coalesce(sum(items), 0) AS items, coalesce(sum(expected_items), 0) AS expected_items,
           coalesce(sum(bytes), 0) AS bytes, coalesce(sum(expected_bytes), 0) AS expected_bytes
      FROM step_work),
newest AS (
    SELECT id, command, started, outcome, coalesce(ended,
               max(started, (SELECT at FROM event ORDER BY seq DESC LIMIT 1),
                   coalesce((SELECT recorded FROM batch ORDER BY id DESC LIMIT 1), ''))) AS as_of
      FROM run ORDER BY id DESC LIMIT 1),
own AS (
    SELECT count(DISTINCT step) FILTER (WHERE state = 'done') AS done,
           coalesce(sum(files + documents), 0) AS items, coalesce(sum(bytes), 0) AS bytes
      FROM attempt WHERE run = (SELECT id FROM newest)),
share AS (
    SELECT 1.0 * plan.items / nullif(expected_items, 0) AS items,
           1.0 * plan.bytes / nullif(expected_bytes, 0) AS bytes,
           1.0 * plan.done / nullif(steps, 0) AS steps,
           1.0 * own.items / nullif(expected_items, 0) AS run_items,
           1.0 * own.bytes / nullif(expected_bytes, 0) AS run_bytes,
           1.0 * own.done / nullif(steps, 0) AS run_steps
      FROM plan, own)
SELECT newest.id AS run, newest.command, newest.started, newest.as_of, newest.outcome,
       round((julianday(newest.as_of) - julianday(newest.started)) * 86400, 3) AS seconds,
       plan.steps, plan.done, plan.running, plan.failed,
       plan.items, plan.expected_items, plan.bytes, plan.expected_bytes,
       coalesce((coalesce(share.items, share.bytes) + coalesce(share.bytes, share.items)) / 2,
                share.steps, 1.0) AS share,
       own.items AS run_items, own.bytes AS run_bytes,
       coalesce((coalesce(share.run_items, share.run_bytes)
                 + coalesce(share.run_bytes, share.run_items)) / 2, share.run_steps, 0.0)
           AS run_share
  FROM plan, own, share LEFT JOIN newest;

CREATE VIEW progress AS
-- For reading: one row. Rates are those of the newest run, from its start to its newest record; the
-- estimate goes on at that pace, and is '' when there is nothing to go by.
SELECT printf('%.1f %%', 100 * share) AS percent,
       printf('%,d of %,d steps', done, steps) AS steps,
       printf('%,d of %,d items', items, expected_items) AS items,
       CASE WHEN expected_bytes < 1e6
            THEN printf('%.1f of %.1f kB', bytes / 1e3, expected_bytes / 1e3)
            WHEN expected_bytes < 1e9
            THEN printf('%.1f of %.1f MB', bytes / 1e6, expected_bytes / 1e6)
            ELSE printf('%,.1f of %,.1f GB', bytes / 1e9, expected_bytes / 1e9) END AS bytes,
       iif(seconds > 0, printf('%,d items/s', run_items / seconds), '') AS item_rate,
       iif(seconds > 0, printf('%,.1f MB/s', run_bytes / 1e6 / seconds), '') AS byte_rate,
       CASE WHEN done = steps THEN 'done'
            WHEN outcome IS NULL AND run_share > 0 AND seconds > 0
            THEN printf('ETA %d:%02d:%02d', eta / 3600, eta / 60 % 60, eta % 60)
            ELSE '' END AS eta,
       CASE WHEN run IS NULL THEN 'not begun'
            ELSE printf('run %d (%s) since %s%s', run, command, started,
                        coalesce(', ended: ' || outcome, '')) END AS run
  FROM (SELECT *, CAST(seconds * (1 - share) / nullif(run_share, 0) + 0.5 AS INTEGER) AS eta
          FROM totals);

CREATE VIEW timeline AS
-- What moved when: one row per attempt, in the order in which they began. Counts are its own work.
SELECT attempt.started, attempt.ended, attempt.milliseconds, attempt.run, step.name AS step,
       attempt.number AS attempt, attempt.state,
       attempt.files, attempt.documents, attempt.bytes, attempt.sent, attempt.sent_bytes,
       attempt.present, attempt.conflicts, attempt.rejected
  FROM attempt JOIN step ON step.id = attempt.step
 ORDER BY attempt.id;

CREATE VIEW failures AS
-- Attempts that failed, in order, and how their step stands now.
SELECT step.name AS step, attempt.number AS attempt, attempt.run, attempt.ended, attempt.error,
       iif(step.in_plan, step.state, step.state || ', no longer in the plan') AS step_is_now
  FROM attempt JOIN step ON step.id = attempt.step
 WHERE attempt.state = 'failed'
 ORDER BY attempt.id;

CREATE VIEW conflicts AS
-- What stood at the destination with other content, and what was decided; in order. What a later
-- look at the same object has superseded is left out; what was replaced always stays.
SELECT step.name AS step, conflict.object, conflict.object_id, conflict.class, conflict.decision,
       conflict.source_digest, conflict.destination_digest, conflict.detail,
       length(conflict.old_bytes) AS old_bytes_kept, conflict.recorded
  FROM conflict JOIN step ON step.id = conflict.step
 WHERE conflict.superseded = 0
 ORDER BY conflict.id;

CREATE VIEW problems AS
-- What could not be moved, or not as it was; in order, less what a later look has superseded.
SELECT step.name AS step, problem.object, problem.object_id, problem.class, problem.detail,
       problem.recorded
  FROM problem JOIN step ON step.id = problem.step
 WHERE problem.superseded = 0
 ORDER BY problem.id;

CREATE VIEW moved_by_owner AS
-- What was handled per owner and kind of object, from steps named files/NOUN/OWNER/NNNN; all other
-- steps, whose name holds no owner, are under '(unknown)' by collection.
WITH part AS (
    SELECT *, substr(name, instr(name, '/') + 1) AS rest FROM step
     WHERE in_plan = 1 OR state = 'done'),
noun AS (
    SELECT *, iif(instr(rest, '/'), substr(rest, 1, instr(rest, '/') - 1), rest) AS noun,
           iif(instr(rest, '/'), substr(rest, instr(rest, '/') + 1), '') AS tail FROM part),
owner AS (
    SELECT *, iif(stage = 'files' AND instr(tail, '/'), substr(tail, 1, instr(tail, '/') - 1),
                  '(unknown)') AS owner FROM noun)
SELECT owner, stage, noun AS what, count(*) AS steps, sum(state = 'done') AS done,
       sum(files) AS files, sum(documents) AS documents, sum(bytes) AS bytes, sum(sent) AS sent,
       sum(sent_bytes) AS sent_bytes, sum(present) AS present, sum(conflicts) AS conflicts,
       sum(rejected) AS rejected
  FROM owner
 GROUP BY owner, stage, noun
 ORDER BY owner = '(unknown)', owner, min(place), stage, noun;
