# SPDX-License-Identifier: Apache-2.0
# cmake -DIN=file -DOUT=file.c -DNAME=symbol -P Embed.cmake
# Turns a file into `const char NAME[]` (with a zero behind it) and `const size_t NAME_len`.
file(READ "${IN}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
string(REPEAT "'[^,]*'," 16 sixteen)
string(REGEX REPLACE "(${sixteen})" "\\1\n" bytes "${bytes}")
file(WRITE "${OUT}.new" "// Made from a file by cmake/Embed.cmake.\n#include <stddef.h>\n
extern const char ${NAME}[];\nextern const size_t ${NAME}_len;\n
const char ${NAME}[] = {\n${bytes}'\\0'};\nconst size_t ${NAME}_len = sizeof(${NAME}) - 1;\n")
file(COPY_FILE "${OUT}.new" "${OUT}" ONLY_IF_DIFFERENT)
file(REMOVE "${OUT}.new")
