// SPDX-License-Identifier: Apache-2.0
// A hash table from byte strings to pointers or numbers. Keys are copied into the table's arena.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

struct strtab;
struct strtab *strtab_new(void);
void strtab_free(struct strtab *t);
void strtab_cleanup(struct strtab **t);
#define AUTO_STRTAB AUTO(strtab_cleanup)

// The slot of a key, made (value 0) when new; *added tells. Valid until the next insertion.
uintptr_t *strtab_slot(struct strtab *t, const void *key, size_t len, bool *added);
// The value, or `otherwise` when the key is not there.
uintptr_t strtab_get(const struct strtab *t, const void *key, size_t len, uintptr_t otherwise);
// The value as the pointer that was put in; NULL when the key is not there.
void *strtab_pointer(const struct strtab *t, const void *key, size_t len);
bool strtab_has(const struct strtab *t, const void *key, size_t len);
size_t strtab_count(const struct strtab *t);
