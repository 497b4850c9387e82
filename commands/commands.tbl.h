// SPDX-License-Identifier: Apache-2.0
// Every command, stated once, in the order in which help lists them: COMMAND(C_ bit, name).
// command_NAME stands in commands/cmd_NAME.c. Expanded into the bits of commands/options.h, the
// declarations of commands/command.h and the list of commands/table.c.
COMMAND(CHECK, check)
COMMAND(PLAN, plan)
COMMAND(SHOW, show)
COMMAND(COLLISIONS, collisions)
COMMAND(APPLY, apply)
COMMAND(RESUME, resume)
COMMAND(STATUS, status)
COMMAND(VERIFY, verify)
COMMAND(CONFLICTS, conflicts)
COMMAND(RUN, run)
COMMAND(DEPLOY, deploy)
COMMAND(AUDIT, audit)
COMMAND(UNLOCK, unlock)
COMMAND(CLEAN, clean)
COMMAND(DUMP, dump)
COMMAND(RESTORE, restore)
COMMAND(RECEIVE, receive)
COMMAND(COMPLETION, completion)
COMMAND(VERSION, version)
