// SPDX-License-Identifier: Apache-2.0
// tar-list: single files that a name template finds (of models, thumbnails, scripts).
#include "executor/step_files.h"

const struct step_kind step_tar_list = {
    .run = step_files_run,
    .verify = step_files_verify,
};
