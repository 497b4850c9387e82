// SPDX-License-Identifier: Apache-2.0
#include "site/vision_tools.h"

#include <string.h>
#include <unistd.h>

#include "base/child.h"

const char *vision_tool(const char *name) {
    // Maximo Visual Inspection and Visual Insights; PowerAI Vision.
    static const char *const places[] = {
        "/opt/ibm/vision/bin/kubectl.sh", "/opt/powerai-vision/bin/kubectl.sh",
        "/opt/ibm/vision/bin/helm.sh", "/opt/powerai-vision/bin/helm.sh"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (strcmp(strrchr(places[i], '/') + 1, name) == 0 && access(places[i], X_OK) == 0) {
            return places[i];
        }
    }
    return child_in_path(name) ? name : NULL;
}
