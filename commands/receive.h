// SPDX-License-Identifier: Apache-2.0
// The far side of a transfer of files as a program: `mvimig receive`, and mvimig-receive, which is
// the same alone and linked statically, so that it can be sent into a pod.
#pragma once

#include "base/err.h"

// `what` is the data directory: serves the protocol of site/protocol.h on standard input and output
// until the sender says goodbye. Or it is "protocol": prints which protocol this program speaks.
int receive_command(const char *what, struct err *e);
// The whole of mvimig-receive; returns the exit status.
int receive_main(int argc, char *const *argv);
