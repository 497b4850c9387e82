// SPDX-License-Identifier: Apache-2.0
// The tools that a standalone server brings along: kubectl.sh, helm.sh.
#pragma once

// In the folders where MVI installs them, else in PATH; NULL when there is none. The text is static
// or `name` itself.
const char *vision_tool(const char *name);
