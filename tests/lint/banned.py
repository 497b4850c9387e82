#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls that may not stand in C, printing outside of the commands, and marks of unfinished work."""

import re

import _tree

# Each with what to use in its place.
CALLS = {
    "strcpy": "memcpy with a known length, or struct buf",
    "stpcpy": "memcpy with a known length, or struct buf",
    "strcat": "struct buf",
    "strncat": "struct buf",
    "strncpy": "memcpy, or snprintf",
    "sprintf": "snprintf, or struct buf",
    "vsprintf": "vsnprintf, or buf_vprintf",
    "strtok": "strsep on a copy",
    "gets": "fd_read_all, or file_read",
    "system": "base/child.h",
    "popen": "base/child.h",
    "mktemp": "base/tempfile.h",
    "tmpnam": "base/tempfile.h",
    "tempnam": "base/tempfile.h",
    "alloca": "a fixed buffer, or the arena",
    "atoi": "ytree_uint, or strtoull with its checks",
    "atol": "strtoull with its checks",
    "atoll": "strtoull with its checks",
    "atof": "strtod with its checks",
    "strerror": "err_sys, or strerror_r",
    "localtime": "clock_format, or localtime_r",
    "gmtime": "clock_format, or gmtime_r",
    "ctime": "clock_format",
    "asctime": "clock_format",
    "setjmp": "return codes",
    "longjmp": "return codes",
}
PRINTING = ("printf", "vprintf", "fprintf", "vfprintf", "puts", "fputs", "putchar", "fputc",
            "putc", "perror", "psignal", "warn", "warnx")
PRINTERS = ("commands/", "tests/")

CALL = re.compile(r"(?<![\w.])(?<!->)(" + "|".join(CALLS) + r")\s*\(")
PRINT = re.compile(r"(?<![\w.])(?<!->)(" + "|".join(PRINTING) + r")\s*\(")
MARK = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "XX" "X")) + r")\b")


def may_print(path):
    return path == "mvimig.c" or path.startswith(PRINTERS)


def check_c(path, text):
    code = _tree.code_of(text)
    for match in CALL.finditer(code):
        name = match.group(1)
        yield f"{path}:{_tree.line_of(code, match.start())}: {name}(): use {CALLS[name]}"
    if may_print(path):
        return
    for match in PRINT.finditer(code):
        line = _tree.line_of(code, match.start())
        yield f"{path}:{line}: {match.group(1)}(): only commands print; return a struct err"


def check_marks(path, text):
    for match in MARK.finditer(text):
        line = _tree.line_of(text, match.start())
        yield f"{path}:{line}: {match.group(1)}: finish it, or write it down in docs/"


def check_tree():
    for path in _tree.files(".c", ".h"):
        text = _tree.read(path)
        yield from check_c(path, text)
        yield from check_marks(path, text)
    for path in list(_tree.scripts()) + list(_tree.files(".cmake", "CMakeLists.txt")):
        yield from check_marks(path, _tree.read(path))


BAD = [(check_c, "base/x.c", f"void f(void) {{\n    {name}(x);\n}}\n") for name in CALLS]
BAD += [(check_c, "site/x.c", f"    {name} (x);\n") for name in PRINTING]
BAD += [
    (check_c, "base/x.c", "int n = a ? atoi(b) : 0;\n"),
    (check_c, "tests/unit/x.c", "strcpy(a, b);\n"),
    (check_marks, "base/x.c", "// TO" "DO later\n"),
    (check_marks, "script/x", "# XX" "X\n"),
]
GOOD = [
    (check_c, "base/x.c", "buf_puts(b, x); buf_printf(b, y); snprintf(a, 1, z);\n"),
    (check_c, "base/x.c", '// strcpy(a, b)\nconst char *s = "system(x)";\n'),
    (check_c, "base/x.c", "ops->system(x); o.puts(y); strtok_of(z); /* gets(x) */\n"),
    (check_c, "base/x.h", "int f(const char *) __attribute__((format(printf, 1, 2)));\n"),
    (check_c, "commands/out.c", 'fprintf(stderr, "x");\n'),
    (check_c, "tests/unit/x.c", 'printf("x");\n'),
    (check_marks, "base/x.c", 'char t[] = "/tmp/x-XXXXXX";\n'),
]

if __name__ == "__main__":
    _tree.main(check_tree, BAD, GOOD)
