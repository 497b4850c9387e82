// SPDX-License-Identifier: Apache-2.0
#include "commands/command.h"
#include "site/mongo_counters.h"

// Before the constructors of libraries: the driver's must not meet what a killed process left.
__attribute__((section(".preinit_array"),
               used)) static void (*const before_libraries)(void) = mongo_counters_forget;

int main(int argc, char **argv) {
    mongo_counters_forget(); // nothing is left of it, however this ends
    return command_main(argc, argv);
}
