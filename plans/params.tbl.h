// SPDX-License-Identifier: Apache-2.0
// Parameters of steps that hold one text: STEPPARAM("key in the plan", P_ flag, member of struct
// plan_step). The order is that of the written plan and of the step hash: a new one may go
// anywhere, but those that are here never change places.
STEPPARAM("from", P_FROM, from)
STEPPARAM("collection", P_COLLECTION, collection)
STEPPARAM("by", P_BY, by)
STEPPARAM("under", P_UNDER, under)
STEPPARAM("set", P_SET, set)
STEPPARAM("orphansOf", P_ORPHANS, orphans_of)
STEPPARAM("name", P_NAME, name)
STEPPARAM("from_id", P_RANGE, from_id)
STEPPARAM("to_id", P_RANGE, to_id)
STEPPARAM("max", P_MAX, max)
STEPPARAM("backup", P_BACKUP, backup)
STEPPARAM("index", P_INDEX, index)
