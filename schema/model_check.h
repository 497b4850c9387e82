// SPDX-License-Identifier: Apache-2.0
// What a schema may have wrong beyond its form; part of model_read. Each puts the first thing wrong
// into `f` with the line of the node.
#pragma once

#include "schema/fields.h"
#include "schema/model.h"

// Templates make safe paths; the second set of a collection has a directory name of its own.
void check_files(struct fields *f, const struct ynode *n, const struct model_collection *c,
                 size_t at);
void check_path(struct fields *f, const struct ynode *n, const struct model_path *p);
// What a collection of its level has to have and may not have; nouns are used once.
void check_collection(struct fields *f, int line, const struct model *m, size_t at);
// Parents and references; also completes with_files from the parent.
void check_links(struct fields *f, int line, const struct model *m, struct model_collection *c);
void check_fixup(struct fields *f, const struct ynode *n, const struct model *m,
                 struct model_fixup *x);
void check_work_folders(struct fields *f, const struct ynode *root, const struct model *m);
