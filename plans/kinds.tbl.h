// SPDX-License-Identifier: Apache-2.0
// The kinds of step, stated once:
// STEPKIND(NAME, name, "name in the plan", version, parameters, required, onConflict when not
// given, ends, shape in graphs). `step_NAME` of executor/step_NAME.c does it. The version is part
// of a step's hash: a kind whose effect changes gets a new one, and its steps run again. Parameters
// are P_ flags of plans/plan.h: those a step of this kind may have, and those it must have.
// onConflict counts only for kinds with P_CONFLICT. Ends are ENDS_ flags of plans/plan.h: what a
// step opens.
STEPKIND(FILE_BATCH, file_batch, "file-batch", 1, P_UNDER | P_SET | P_EXCEPT | P_CONFLICT, P_UNDER,
         CONFLICT_REPLACE, ENDS_FILES, "folder")
STEPKIND(TAR_LIST, tar_list, "tar-list", 1, P_UNDER | P_SET | P_NAME | P_CONFLICT,
         P_UNDER | P_SET | P_NAME, CONFLICT_REPLACE, ENDS_FILES, "note")
STEPKIND(DUMP, dump, "dump", 1, P_COLLECTION | P_BY | P_SET | P_RANGE | P_ORPHANS | P_BACKUP,
         P_COLLECTION, CONFLICT_KEEP, ENDS_SOURCE_DB, "cylinder")
// What the plan's base has laid at the destination and the source has no longer: of a collection,
// or, without one, files.
STEPKIND(DELETE, delete, "delete", 1, P_COLLECTION | P_MAX, 0, CONFLICT_KEEP, ENDS_ALL, "octagon")
STEPKIND(RESTORE, restore, "restore", 1, P_FROM | P_CONFLICT, P_FROM, CONFLICT_KEEP,
         ENDS_DESTINATION_DB, "box")
// An index that the source has, when the documents are there.
STEPKIND(INDEX, index, "index", 1, P_COLLECTION | P_INDEX, P_COLLECTION | P_INDEX, CONFLICT_KEEP,
         ENDS_DESTINATION_DB, "component")
