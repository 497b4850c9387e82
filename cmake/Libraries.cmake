# SPDX-License-Identifier: Apache-2.0
# The libraries of others. Which layer links which is said in that layer's CMakeLists.txt, and
# tests/lint/layering.py holds the same table for their headers.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
# Version 2 of the driver renamed its pkg-config files.
pkg_search_module(BSON REQUIRED IMPORTED_TARGET libbson-1.0 bson2)
pkg_search_module(MONGOC REQUIRED IMPORTED_TARGET libmongoc-1.0 mongoc2)
