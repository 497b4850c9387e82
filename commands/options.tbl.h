// SPDX-License-Identifier: Apache-2.0
// Every option, stated once: OPTION(long name, short letter or 0, kind, field of struct options,
// argument for people or NULL, commands that know it, what it does).
// Kinds: FLAG sets a bool, TEXT a string (once only), LIST adds to a list, COUNT a number of 1 to
// 64, MAYBE a string that may be left out ("" then) and is given as --name=VALUE, SPAN a time as
// seconds, RATE bytes a second. Expanded into struct options, the parser, `-h` of each command
// and docs/options.md; tests/lint/tables.py fails when they disagree.
OPTION("config", 'c', TEXT, config, "FILE",
       C_PLAN | C_SHOW | C_APPLY | C_RESUME | C_VERIFY | C_STATUS | C_CONFLICTS | C_UNLOCK |
           C_AUDIT | C_CLEAN | C_RUN | C_DEPLOY | C_COLLISIONS | C_CHECK | C_DUMP | C_RESTORE,
       "network configuration of both ends (default: $MVI_MIG_CONFIG)")
OPTION("plan-config", 0, LIST, plan_configs, "FILE", C_COLLISIONS,
       "network configuration of a plan; once for each, in their order")
OPTION("server", 0, FLAG, server, NULL, C_PLAN | C_RUN | C_DEPLOY | C_DUMP,
       "scope: the whole server")
OPTION("users", 0, LIST, users, "A,B", C_PLAN | C_RUN | C_DEPLOY | C_DUMP,
       "scope: these users, by name or /pattern/; may be repeated")
OPTION("projects", 0, LIST, projects, "P,Q", C_PLAN | C_RUN | C_DEPLOY | C_DUMP,
       "scope: these project groups, by ID, name or /pattern/; may be repeated")
OPTION("name", 0, TEXT, name, "NAME", C_PLAN | C_RUN | C_RESTORE,
       "name of the migration (default: from the scope)")
OPTION("output", 'o', TEXT, output, "FILE", C_PLAN | C_DEPLOY | C_DUMP,
       "write the plan there and the summary to standard output, or, for dump, the backup")
OPTION("files-only", 0, FLAG, files_only, NULL, C_PLAN | C_RUN | C_DEPLOY,
       "leave the database for a later plan")
OPTION("with", 0, LIST, with, "CLASS", C_PLAN | C_RUN | C_DEPLOY | C_DUMP | C_RESTORE,
       "take along what is left out by default: accounts, transient; of a backup also unknown")
OPTION("leave-out", 0, LIST, leave_out, "A,B", C_RESTORE,
       "collections of the backup that are not restored; may be repeated")
OPTION("exclude", 0, LIST, excludes, "PATTERN", C_PLAN | C_RUN | C_DEPLOY,
       "leave out files whose path below the data directory matches (PCRE2)")
OPTION("no-follow", 0, FLAG, no_follow, NULL, C_PLAN | C_RUN | C_DEPLOY | C_DUMP,
       "do not take along what the scope refers to outside of it")
OPTION("no-predict", 0, FLAG, no_predict, NULL, C_PLAN | C_RUN | C_DEPLOY,
       "do not compare with the destination; all counts as still to move then")
OPTION("on-conflict", 0, TEXT, on_conflict, "POLICY", C_PLAN | C_RUN | C_DEPLOY | C_RESTORE,
       "keep, replace or fail, for all steps (default: each kind's own)")
OPTION("delete", 0, FLAG, delete, NULL, C_PLAN | C_RUN | C_DEPLOY,
       "delete at the destination what earlier passes laid there and the source has no longer")
OPTION(
    "max-delete", 0, TEXT, max_delete, "N", C_PLAN | C_RUN | C_DEPLOY,
    "delete nothing when it would be more than N, documents and files of the whole plan together")
OPTION("create-indexes", 0, FLAG, create_indexes, NULL, C_PLAN | C_RUN | C_DEPLOY,
       "make indexes that the source has and the destination lacks, when the documents are there")
OPTION("schema", 0, TEXT, schema, "FILE",
       C_PLAN | C_APPLY | C_RESUME | C_VERIFY | C_SHOW | C_RUN | C_COLLISIONS | C_CHECK | C_DUMP |
           C_RESTORE,
       "another schema than the built-in one")
OPTION("report", 0, TEXT, report, "FILE", C_PLAN,
       "write every finding of the scan there, a line of JSON each")
OPTION("jobs", 'j', COUNT, jobs, "N", C_APPLY | C_RESUME | C_VERIFY | C_RUN | C_DEPLOY | C_RESTORE,
       "steps at a time (default: 4)")
OPTION("only", 0, TEXT, only, "PREFIX", C_APPLY | C_RESUME,
       "only the step of this ID, or those below a prefix that ends in /")
OPTION("rerun", 0, MAYBE, rerun, "files|db|PREFIX", C_APPLY | C_RESUME | C_RESTORE,
       "do again what is done: all, files, documents, or the steps of a prefix")
OPTION("dry-run", 0, FLAG, dry_run, NULL, C_APPLY | C_RESUME | C_RESTORE,
       "say what would be done and why; nothing is touched")
OPTION("max-duration", 0, SPAN, max_duration, "TIME",
       C_APPLY | C_RESUME | C_RUN | C_DEPLOY | C_RESTORE,
       "stop in good order after 90s, 30m, 8h; resume goes on")
OPTION("bwlimit", 0, RATE, bwlimit, "RATE", C_APPLY | C_RESUME | C_RUN | C_DEPLOY | C_RESTORE,
       "send at most that much a second, of files and documents together: KiB, or with K, M, G "
       "(of 1,024), KB, MB, GB (of 1,000) or B behind it, as rsync takes it; 0: no limit")
OPTION("lock-timeout", 0, SPAN, lock_timeout, "TIME",
       C_APPLY | C_RESUME | C_VERIFY | C_RUN | C_DEPLOY | C_RESTORE,
       "wait that long for another run to end (default: not at all)")
OPTION("digest", 0, TEXT, digest, "sha256:HEX", C_APPLY | C_RUN | C_DEPLOY,
       "refuse any other plan than the one with this digest")
OPTION("fail-fast", 0, FLAG, fail_fast, NULL, C_APPLY | C_RESUME | C_RESTORE,
       "take no further step after the first that failed")
OPTION("receiver", 0, TEXT, receiver, "WAY",
       C_PLAN | C_APPLY | C_RESUME | C_VERIFY | C_RUN | C_DEPLOY | C_CHECK,
       "what takes files in a pod or behind filesCommand: mvimig (mvimig-receive, sent where it is "
       "missing), tar (the tar, find and sha256sum there), or auto: the first that works (default)")
OPTION("checksum", 0, FLAG, checksum, NULL, C_APPLY | C_RESUME | C_VERIFY | C_RUN | C_DEPLOY,
       "compare files by content, not by size and time")
OPTION("live", 0, FLAG, live, NULL, C_VERIFY,
       "compare with the source as it is now, also while it is in use")
OPTION("work-dir", 0, TEXT, work_dir, "DIR",
       C_PLAN | C_SHOW | C_APPLY | C_RESUME | C_VERIFY | C_STATUS | C_CONFLICTS | C_UNLOCK |
           C_AUDIT | C_CLEAN | C_RUN | C_CHECK | C_RESTORE,
       "folder of journal and dumps (default: logs/migrations/NAME in the source's data)")
OPTION("insecure", 0, FLAG, insecure, NULL,
       C_PLAN | C_APPLY | C_RESUME | C_VERIFY | C_RUN | C_DEPLOY | C_COLLISIONS | C_CHECK | C_DUMP |
           C_RESTORE,
       "do not check the certificate of the cluster's API; told in log and journal")
OPTION("graph", 0, FLAG, graph, NULL, C_SHOW, "the steps and what they wait for, as DOT")
OPTION("diff", 0, TEXT, diff, "OTHER", C_SHOW, "what OTHER has that PLAN has not, and back")
OPTION("explain", 0, TEXT, explain, "STEP", C_SHOW,
       "why this step is there, what it reads and writes, and how it stands")
OPTION("detailed-exitcode", 0, FLAG, detailed_exitcode, NULL, C_PLAN,
       "end with 0 when there is nothing to move, 2 when there is, 1 for bad usage")
OPTION("json", 0, FLAG, json, NULL,
       C_PLAN | C_DEPLOY | C_SHOW | C_STATUS | C_CONFLICTS | C_VERIFY | C_VERSION | C_COLLISIONS |
           C_CHECK | C_DUMP | C_RESTORE,
       "results as JSON, for scripts")
OPTION("log-format", 0, TEXT, log_format, "text|json",
       C_PLAN | C_APPLY | C_RESUME | C_VERIFY | C_RUN | C_DEPLOY | C_UNLOCK | C_CLEAN | C_AUDIT |
           C_DUMP | C_RESTORE,
       "form of the log on standard error")
OPTION("log-level", 0, TEXT, log_level, "LEVEL",
       C_PLAN | C_APPLY | C_RESUME | C_VERIFY | C_RUN | C_DEPLOY | C_UNLOCK | C_CLEAN | C_AUDIT |
           C_DUMP | C_RESTORE,
       "debug, info, warning or error (default: info)")
OPTION("then", 0, TEXT, then, "idle|exit", C_RUN | C_DEPLOY,
       "what to do at the end (default: idle)")
OPTION("rebuild-journal", 0, FLAG, rebuild_journal, NULL, C_APPLY,
       "begin a lost or damaged journal anew: what is at the destination already is found there")
OPTION("watch", 0, FLAG, watch, NULL, C_STATUS,
       "go on showing it until the run ends; redrawn on a terminal, a line now and then otherwise")
OPTION("force", 0, FLAG, force, NULL, C_UNLOCK, "also when a run of this host holds it")
OPTION("plan-only", 0, FLAG, plan_only, NULL, C_RUN,
       "make the plan if there is none and do no more than that")
OPTION("pass", 0, COUNT, pass, "N", C_RUN | C_DEPLOY,
       "plan anew until there is a plan of this pass (default: any)")
OPTION("kind", 0, TEXT, kind, "deployment|job", C_DEPLOY, "what to make (default: deployment)")
OPTION("image", 0, TEXT, image, "IMAGE", C_DEPLOY,
       "image of the container (default: localhost/mvimig and this version)")
OPTION("image-file", 0, TEXT, image_file, "FILE", C_DEPLOY,
       "archive of the image, loaded with docker or podman")
OPTION("chart", 0, TEXT, chart, "CHART", C_DEPLOY, "chart of MVI (default: asked of helm)")
OPTION("release", 0, TEXT, release, "RELEASE", C_DEPLOY, "release of MVI (default: asked of helm)")
OPTION("pvc", 0, TEXT, pvc, "CLAIM", C_DEPLOY,
       "volume claim of MVI's data (default: asked of the cluster)")
OPTION("namespace", 0, TEXT, namespace, "NAMESPACE", C_DEPLOY,
       "namespace of MVI at the source (default: the login's)")
OPTION("run-as", 0, TEXT, run_as, "UID[:GID]", C_DEPLOY,
       "user of the container (default: the owner of the data, where that is a folder of this "
       "machine)")
OPTION("output-only", 0, FLAG, output_only, NULL, C_DEPLOY,
       "print the manifests, with the Secret, and change nothing")
OPTION("follow", 0, FLAG, follow, NULL, C_DEPLOY, "logs: go on showing what comes")
OPTION("help", 'h', FLAG, help, NULL, C_ALL, "this text")
