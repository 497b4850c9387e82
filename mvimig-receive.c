// SPDX-License-Identifier: Apache-2.0
#include "commands/receive.h"

int main(int argc, char **argv) {
    return receive_main(argc, argv);
}
