// SPDX-License-Identifier: Apache-2.0
// The parts of `mvimig deploy`: what it makes, what it finds out by itself, what it asks the pod.
#pragma once

#include "commands/command.h"
#include "commands/deployment.h"
#include "commands/kube.h"

// Fills what the options leave out of image, chart, release, pvc and user: from helm, from the
// cluster's claims, and, where the claim is a folder of this machine, from its owner. ERR_USAGE
// names the option that settles what could not be found.
int deploy_collect(struct command_context *c, struct deployment *d, struct err *e);
// Loads --image-file with docker or podman; *image is the name it has there.
int deploy_load_image(struct command_context *c, const char **image, struct err *e);

// The work of the words behind `deploy`, on what is there already.
int deploy_status(struct command_context *c, const char *name, struct err *e);
int deploy_logs(struct command_context *c, const char *name, struct err *e);
int deploy_get(struct command_context *c, const char *name, struct err *e);
int deploy_apply(struct command_context *c, const char *name, const char *plan, struct err *e);
int deploy_delete(struct command_context *c, const char *name, struct err *e);
