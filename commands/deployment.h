// SPDX-License-Identifier: Apache-2.0
// What `mvimig deploy` puts into the source's cluster: a Secret with the network configuration and
// its credentials as files, and a Deployment or Job whose container runs `mvimig run`.
//
// Nothing secret stands in arguments or environment. The container is no more than an ordinary
// user: no privileges, no capabilities, a root it cannot write, the runtime's seccomp profile; what
// it writes is the data volume and an emptyDir on /tmp.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "schema/config_parts.h"

// The paths of the container, which the image and the design of MVI share.
#define DEPLOYMENT_DATA "/opt/powerai-vision/data"
#define DEPLOYMENT_NETWORK "/run/mvimig"
#define DEPLOYMENT_WORK DEPLOYMENT_DATA "/logs/migrations" // and /NAME below it
#define DEPLOYMENT_NAME_MAX 45 // what is left of a label when Kubernetes has added its endings

struct deployment {
    const char *name;
    const char *image, *chart, *release, *pvc;
    const char *namespace; // NULL: the login's own
    bool job;
    bool runs_as_given; // uid and gid hold; else the image's user, who is never root
    uid_t uid;
    gid_t gid;
    const char **words; // what stands behind `mvimig`
    size_t n_words, cap_words;
    struct config_part *parts; // of the Secret
    size_t n_parts;
};

// ERR_USAGE when Kubernetes would not take it as a name.
int deployment_check_name(const char *name, struct err *e);
// UID or UID:GID. ERR_USAGE.
int deployment_set_user(struct deployment *d, const char *text, struct err *e);
// The manifests, as YAML documents. The Secret's values are in it.
void deployment_put(const struct deployment *d, struct arena *a, struct buf *out);
// The rights that the destination's token needs and no more: a ServiceAccount, a Role, a
// RoleBinding, in this namespace.
void deployment_put_rights(const char *namespace, struct buf *out);
