// SPDX-License-Identifier: Apache-2.0
// Every statement of the journal, by name: SQL(NAME, "text"). Parameters are in the order in which
// db_run and its like are given them; counters are always eight, in the order of COUNTERS.
#define COUNTERS "files, documents, bytes, sent, sent_bytes, present, conflicts, rejected"

SQL(QUICK_CHECK, "PRAGMA quick_check(1)")

// event
SQL(EVENT_ADD, "INSERT INTO event (seq, at, run, kind, step, detail, prev, hash)"
               " VALUES (?, ?, CAST(? AS INTEGER), ?, ?, ?, ?, ?)")
SQL(EVENT_ALL, "SELECT seq, at, coalesce(run, ''), kind, step, detail, prev, hash FROM event"
               " ORDER BY seq")
SQL(EVENT_NEWEST_USED,
    "SELECT max(coalesce(max(begin_event), 0), coalesce(max(end_event), 0)) FROM attempt")
SQL(EVENT_ORIGIN,
    "SELECT json_object('name', name, 'created', created, 'program', program_version,"
    " 'plan', plan_digest,"
    " 'source', json_array(source_server, source_database, source_root, source_fingerprint),"
    " 'destination', json_array(destination_server, destination_database, destination_root,"
    " destination_fingerprint)) FROM migration")
// Fingerprints may be learnt after event 0; the plan may be edited.
SQL(EVENT_ORIGIN_FITS,
    "SELECT json_extract(e.detail, '$.name') = name"
    " AND json_extract(e.detail, '$.created') = created"
    " AND json_extract(e.detail, '$.source[0]') = source_server"
    " AND json_extract(e.detail, '$.source[1]') = source_database"
    " AND json_extract(e.detail, '$.source[2]') = source_root"
    " AND json_extract(e.detail, '$.destination[0]') = destination_server"
    " AND json_extract(e.detail, '$.destination[1]') = destination_database"
    " AND json_extract(e.detail, '$.destination[2]') = destination_root"
    " AND (json_extract(e.detail, '$.source[3]') = source_fingerprint OR EXISTS"
    " (SELECT 1 FROM event WHERE kind = 'fingerprint' AND detail = 'source ' ||"
    " source_fingerprint))"
    " AND (json_extract(e.detail, '$.destination[3]') = destination_fingerprint OR EXISTS"
    " (SELECT 1 FROM event WHERE kind = 'fingerprint' AND detail = 'destination ' ||"
    " destination_fingerprint))"
    " FROM migration, event AS e WHERE e.seq = 0 AND e.kind = 'created'")

// migration
SQL(MIGRATION_ADD,
    "INSERT INTO migration (id, name, pass, scope, source_server, source_database, source_root,"
    " source_fingerprint, destination_server, destination_database, destination_root,"
    " destination_fingerprint, plan_digest, config_path, program_version, created)"
    " VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?)")
SQL(MIGRATION, "SELECT name, source_fingerprint, destination_fingerprint, pass FROM migration")
SQL(MIGRATION_BIND, "UPDATE migration SET pass = ?, scope = ?, plan_digest = ?, config_path = ?")
SQL(MIGRATION_SOURCE, "UPDATE migration SET source_fingerprint = ?")
SQL(MIGRATION_DESTINATION, "UPDATE migration SET destination_fingerprint = ?")

// owner
SQL(OWNER, "SELECT generation, held, command, host, process, boot_id, since, beat, beat_at"
           " FROM owner WHERE id = 1")
SQL(OWNER_CLAIM, "UPDATE owner SET generation = generation + 1, held = 1, command = ?, host = ?,"
                 " process = ?, boot_id = ?, since = ?, beat = beat + 1, beat_at = ?")
SQL(OWNER_BEAT, "UPDATE owner SET beat = beat + 1, beat_at = ?")
SQL(OWNER_RELEASE, "UPDATE owner SET held = 0 WHERE generation = ?")

// run
SQL(RUN_ADD, "INSERT INTO run (command, plan_digest, program_version, sqlite_version, file_system,"
             " host, process, boot_id, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
SQL(RUN_END, "UPDATE run SET ended = ?, exit_status = ?, outcome = ? WHERE id = ?")
SQL(RUN_OPEN, "SELECT id FROM run WHERE ended IS NULL")
// Its newest record, of whatever kind, is the last that is known of a killed run.
SQL(RUN_INTERRUPT,
    "UPDATE run SET outcome = 'interrupted', ended = max(started,"
    " coalesce((SELECT at FROM event WHERE run = ?1 ORDER BY seq DESC LIMIT 1), ''),"
    " coalesce((SELECT max(recorded) FROM batch JOIN attempt ON attempt.id = batch.attempt"
    " WHERE attempt.run = ?1), '')) WHERE id = ?1")

// step
SQL(STEP_ADD,
    "INSERT INTO step (hash, name, kind, pass, place, in_plan, state, expected_files,"
    " expected_documents, expected_bytes) VALUES (?, ?, ?, ?, ?, 1, 'pending', ?, ?, ?)"
    " ON CONFLICT (hash) DO UPDATE SET name = excluded.name, place = excluded.place, in_plan = 1,"
    " expected_files = excluded.expected_files,"
    " expected_documents = excluded.expected_documents, expected_bytes = excluded.expected_bytes")
SQL(STEP_SAME, "SELECT 1 FROM step WHERE hash = ? AND name = ? AND place = ? AND in_plan = 1"
               " AND expected_files IS ? AND expected_documents IS ? AND expected_bytes IS ?")
SQL(STEP_COUNT, "SELECT count(*), coalesce(sum(in_plan), 0) FROM step")
SQL(STEP_TAKE_OUT, "UPDATE step SET in_plan = 0 WHERE in_plan = 1")
SQL(STEP_FIND, "SELECT id, state, attempts FROM step WHERE hash = ?")
SQL(STEP_BEGIN, "UPDATE step SET state = 'running', attempts = attempts + 1 WHERE id = ?")
SQL(STEP_DONE, "UPDATE step SET state = 'done', done_at = ?, digest = ?, (" COUNTERS ") ="
               " (?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?")
SQL(STEP_FAILED, "UPDATE step SET state = 'failed' WHERE id = ?")
SQL(STEP_PENDING, "UPDATE step SET state = 'pending', done_at = NULL, digest = '' WHERE id = ?")
SQL(STEP_ADD_COUNTS,
    "UPDATE step SET files = files + ?, documents = documents + ?, bytes = bytes + ?,"
    " sent = sent + ?, sent_bytes = sent_bytes + ?, present = present + ?,"
    " conflicts = conflicts + ?, rejected = rejected + ? WHERE id = ?")
SQL(STEP_CLEAR_COUNTS,
    "UPDATE step SET files = 0, documents = 0, bytes = 0, sent = 0, sent_bytes = 0, present = 0,"
    " conflicts = 0, rejected = 0 WHERE id = ?")
SQL(STEP_ALL, "SELECT hash, state, attempts, documents, bytes, digest FROM step")
SQL(STEP_STATUS, "SELECT id, state, attempts, digest, " COUNTERS " FROM step WHERE hash = ?")

// attempt
SQL(ATTEMPT_ADD, "INSERT INTO attempt (step, run, number, state, started, begin_event)"
                 " VALUES (?, ?, ?, 'running', ?, ?)")
SQL(ATTEMPT_FIND, "SELECT attempt.state, attempt.number FROM attempt WHERE id = ? AND step = ?")
// Running ones, of whichever run: only this run is alive.
SQL(ATTEMPT_OPEN, "SELECT attempt.id, attempt.step, attempt.number, step.name, step.hash"
                  " FROM attempt JOIN step ON step.id = attempt.step"
                  " WHERE attempt.state = 'running' ORDER BY attempt.id")
SQL(ATTEMPT_INTERRUPT,
    "UPDATE attempt SET state = 'interrupted', end_event = ?2, ended = max(started,"
    " coalesce((SELECT max(recorded) FROM batch WHERE attempt = ?1), '')) WHERE id = ?1")
SQL(ATTEMPT_ADD_COUNTS,
    "UPDATE attempt SET files = files + ?, documents = documents + ?, bytes = bytes + ?,"
    " sent = sent + ?, sent_bytes = sent_bytes + ?, present = present + ?,"
    " conflicts = conflicts + ?, rejected = rejected + ? WHERE id = ?")
SQL(ATTEMPT_END, "UPDATE attempt SET state = ?, ended = ?, milliseconds = ?, error = ?,"
                 " end_event = ?, digest = ? WHERE id = ?")
// The caller's counts are of the whole step: what earlier attempts recorded in batches is not ours.
SQL(ATTEMPT_OWN, "UPDATE attempt SET files = max(0, ?1 - s.files + attempt.files),"
                 " documents = max(0, ?2 - s.documents + attempt.documents),"
                 " bytes = max(0, ?3 - s.bytes + attempt.bytes),"
                 " sent = max(0, ?4 - s.sent + attempt.sent),"
                 " sent_bytes = max(0, ?5 - s.sent_bytes + attempt.sent_bytes),"
                 " present = max(0, ?6 - s.present + attempt.present),"
                 " conflicts = max(0, ?7 - s.conflicts + attempt.conflicts),"
                 " rejected = max(0, ?8 - s.rejected + attempt.rejected)"
                 " FROM step AS s WHERE attempt.id = ?9 AND s.id = attempt.step")
SQL(ATTEMPT_LAST, "SELECT digest, " COUNTERS " FROM attempt WHERE step = ? AND state IN"
                  " ('done', 'failed') ORDER BY number DESC LIMIT 1")
SQL(ATTEMPT_ERROR, "SELECT error FROM attempt WHERE step = ? AND state = 'failed'"
                   " ORDER BY number DESC LIMIT 1")

// batch
SQL(BATCH_ADD,
    "INSERT INTO batch (step, attempt, position, position_end, recorded, digest, " COUNTERS ")"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
SQL(BATCH_ALL, "SELECT position, position_end, digest, " COUNTERS " FROM batch"
               " WHERE step = (SELECT id FROM step WHERE hash = ?) AND forgotten = 0"
               " ORDER BY position")
SQL(STEP_GIVEN_UP, "SELECT kind, hash FROM step"
                   " WHERE in_plan = 0 AND state <> 'done' ORDER BY id")
SQL(BATCH_FORGET, "UPDATE batch SET forgotten = 1 WHERE step = ? AND forgotten = 0")

// conflict and problem
SQL(CONFLICT_ADD,
    "INSERT INTO conflict (step, attempt, last_attempt, batch, recorded, object, object_id, class,"
    " decision, source_digest, destination_digest, detail, old_bytes)"
    " VALUES (?1, ?2, ?2, NULL, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    " ON CONFLICT (step, object, object_id, class, source_digest, destination_digest)"
    " DO UPDATE SET last_attempt = excluded.last_attempt, batch = NULL, superseded = 0,"
    " decision = excluded.decision, detail = excluded.detail,"
    " old_bytes = coalesce(conflict.old_bytes, excluded.old_bytes)")
SQL(CONFLICT_JOIN_BATCH, "UPDATE conflict SET batch = ? WHERE step = ? AND last_attempt = ?"
                         " AND batch IS NULL")
SQL(PROBLEM_ADD,
    "INSERT INTO problem (step, attempt, last_attempt, batch, recorded, object, object_id, class,"
    " detail) VALUES (?1, ?2, ?2, NULL, ?3, ?4, ?5, ?6, ?7)"
    " ON CONFLICT (step, object, object_id, class)"
    " DO UPDATE SET last_attempt = excluded.last_attempt, batch = NULL, superseded = 0,"
    " detail = excluded.detail")
SQL(PROBLEM_JOIN_BATCH, "UPDATE problem SET batch = ? WHERE step = ? AND last_attempt = ?"
                        " AND batch IS NULL")
// What no batch stands for is looked at again by the next attempt; what was replaced or
// deleted is history.
SQL(CONFLICT_SUPERSEDE, "UPDATE conflict SET superseded = 1 WHERE step = ? AND batch IS NULL"
                        " AND decision NOT IN ('replaced', 'deleted') AND superseded = 0")
SQL(PROBLEM_SUPERSEDE, "UPDATE problem SET superseded = 1 WHERE step = ? AND batch IS NULL"
                       " AND superseded = 0")
SQL(CONFLICT_SUPERSEDE_ALL, "UPDATE conflict SET superseded = 1 WHERE step = ?"
                            " AND decision NOT IN ('replaced', 'deleted') AND superseded = 0")
// What the same step of earlier passes left over; name and kind say that it is the same.
SQL(CONFLICT_SUPERSEDE_EARLIER,
    "UPDATE conflict SET superseded = 1 WHERE decision NOT IN ('replaced', 'deleted')"
    " AND superseded = 0 AND step IN (SELECT old.id FROM step AS new JOIN step AS old"
    " ON old.name = new.name AND old.kind = new.kind AND old.pass < new.pass WHERE new.id = ?)")
SQL(PROBLEM_SUPERSEDE_EARLIER,
    "UPDATE problem SET superseded = 1 WHERE superseded = 0 AND step IN (SELECT old.id"
    " FROM step AS new JOIN step AS old"
    " ON old.name = new.name AND old.kind = new.kind AND old.pass < new.pass WHERE new.id = ?)")
SQL(PROBLEM_SUPERSEDE_ALL, "UPDATE problem SET superseded = 1 WHERE step = ? AND superseded = 0")

// What never changes of the rows of a step (state/records.h): the order of columns is part of it.
SQL(RECORDS_BATCH, "SELECT position, position_end, recorded, digest, " COUNTERS " FROM batch"
                   " WHERE step = ? AND forgotten = 0 ORDER BY position")
SQL(RECORDS_CONFLICT, "SELECT recorded, object, object_id, class, decision, source_digest,"
                      " destination_digest, detail FROM conflict WHERE step = ? ORDER BY id")
SQL(RECORDS_PROBLEM, "SELECT recorded, object, object_id, class, detail FROM problem"
                     " WHERE step = ? ORDER BY id")

// report
SQL(REPORT_MIGRATION, "SELECT name, plan_digest, config_path, program_version FROM migration")
SQL(REPORT_RUN, "SELECT program_version, started, coalesce(ended, ''), coalesce(outcome, ''),"
                " (SELECT count(*) FROM run) FROM run ORDER BY id DESC LIMIT 1")
SQL(REPORT_STAGES,
    "SELECT stage, sum(steps), sum((state = 'done') * steps), sum((state = 'running') * steps),"
    " sum((state = 'failed') * steps), sum(expected_items), sum(expected_bytes), sum(items),"
    " sum(bytes) FROM (SELECT row_number() OVER () AS place, * FROM stages) GROUP BY stage"
    " ORDER BY min(place)")
SQL(REPORT_FINDINGS, "SELECT (SELECT count(*) FROM conflict WHERE superseded = 0),"
                     " (SELECT count(*) FROM problem WHERE superseded = 0)")
SQL(REPORT_FAILURES,
    "SELECT step.name, step.attempts, (SELECT error FROM attempt WHERE attempt.step = step.id"
    " AND attempt.state = 'failed' ORDER BY number DESC LIMIT 1)"
    " FROM step WHERE state = 'failed' AND in_plan = 1 ORDER BY place")
SQL(REPORT_STEP,
    "SELECT state, attempts, coalesce((SELECT max(ended) FROM attempt WHERE attempt.step = "
    "step.id),"
    " ''), coalesce((SELECT error FROM attempt WHERE attempt.step = step.id AND"
    " attempt.state = 'failed' ORDER BY number DESC LIMIT 1), '') FROM step WHERE hash = ?")
SQL(REPORT_TOTALS,
    "SELECT items, expected_items, bytes, expected_bytes, share, run_items, run_bytes,"
    " coalesce(seconds, 0.0), coalesce(as_of, ''),"
    " (SELECT coalesce(sum(files), 0) FROM step WHERE in_plan = 1),"
    " (SELECT coalesce(sum(documents), 0) FROM step WHERE in_plan = 1) FROM totals")
// What is left of each stage, and what the newest run's attempts at it have cost so far.
SQL(REPORT_COSTS,
    "SELECT w.stage, w.items_left, w.bytes_left, coalesce(c.ms, 0), coalesce(c.items, 0),"
    " coalesce(c.bytes, 0) FROM (SELECT stage, sum(expected_items - items) AS items_left,"
    " sum(expected_bytes - bytes) AS bytes_left FROM step_work GROUP BY stage) AS w"
    " LEFT JOIN (SELECT step.stage, sum(coalesce(a.milliseconds, max(0,"
    " (julianday(?) - julianday(a.started)) * 86400000))) AS ms,"
    " sum(a.files + a.documents) AS items, sum(a.bytes) AS bytes"
    " FROM attempt AS a JOIN step ON step.id = a.step"
    " WHERE a.run = (SELECT max(id) FROM run) AND a.state IN ('done', 'running')"
    " GROUP BY step.stage) AS c USING (stage)")
// What each stage has cost, in steps that moved something and in those that found it there.
SQL(REPORT_RATES,
    "SELECT step.stage, a.sent * 20 <= a.files + a.documents AS compared, sum(a.milliseconds),"
    " sum(a.files + a.documents), sum(a.bytes) FROM attempt AS a JOIN step ON step.id = a.step"
    " WHERE a.state = 'done' AND a.milliseconds IS NOT NULL AND a.files + a.documents > 0"
    " GROUP BY step.stage, compared")
SQL(REPORT_ELAPSED,
    "SELECT coalesce(sum(ms), 0.0) FROM (SELECT (julianday(max(ended)) - julianday(min(started)))"
    " * 86400000 AS ms FROM attempt WHERE state = 'done' GROUP BY run)")
SQL(REPORT_RUNNING,
    "SELECT step.name, a.started, w.items, w.expected_items, w.bytes FROM attempt AS a"
    " JOIN step ON step.id = a.step JOIN step_work AS w ON w.id = step.id"
    " WHERE a.state = 'running' ORDER BY a.id LIMIT 16")
SQL(REPORT_VIEW, "SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = ?")
