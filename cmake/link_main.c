// SPDX-License-Identifier: Apache-2.0
// The main of the programs that show that a layer links with what it may see (cmake/Tests.cmake).
int main(void) {
    return 0;
}
