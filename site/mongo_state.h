// SPDX-License-Identifier: Apache-2.0
// What a server says of itself and of us: rights, clock, space. For checks before a migration.
#pragma once

#include "site/mongo.h"

// The actions that a migration needs on the database and the login does not have, as "a, b" ("":
// none). `write`: those of a destination. *login is false when the server asks for none
// (MongoDB manual: connectionStatus, showPrivileges).
int mongo_missing_rights(struct mongo *m, bool write, bool *login, char *missing, size_t size,
                         struct err *e);
// Its clock, milliseconds since 1970 (localTime of isMaster).
int mongo_clock(struct mongo *m, int64_t *ms, struct err *e);
// What is free on the file system of its data (dbStats, from MongoDB 3.6 on); 0: not told.
int mongo_free_bytes(struct mongo *m, uint64_t *bytes, struct err *e);
