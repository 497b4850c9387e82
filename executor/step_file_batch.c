// SPDX-License-Identifier: Apache-2.0
// file-batch: whole directories, or all of one less what other steps move.
#include "executor/step_files.h"

const struct step_kind step_file_batch = {
    .run = step_files_run,
    .verify = step_files_verify,
};
