// SPDX-License-Identifier: Apache-2.0
#include "state/library.h"

#include <sqlite3.h>

void state_libraries(library_each *each, void *arg) {
    each(arg, "libsqlite3", SQLITE_VERSION, sqlite3_libversion());
}
