// SPDX-License-Identifier: Apache-2.0
// The libraries of others: the version a layer was built with and the one it runs with. Each layer
// tells those it links (base/, schema/, state/, site/library.c); `mvimig version` shows all.
#pragma once

typedef void library_each(void *arg, const char *name, const char *built, const char *running);

void base_libraries(library_each *each, void *arg);
