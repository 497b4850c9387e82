// SPDX-License-Identifier: Apache-2.0
// What the cross-check of files and documents can find:
// FINDING(NAME, "name in reports", what it means to a person).
FINDING(MISSING_FILES, "missing-files",
        "documents whose directory or file is missing at the source")
FINDING(NO_DOCUMENT, "no-document", "directories and files that no document names")
FINDING(MISSING_MEMBER, "missing-member",
        "file documents whose image or video is missing in the dataset's directory")
FINDING(UNSAFE_ID, "unsafe-id",
        "objects whose ID is no safe file name: their documents move, their files do not")
FINDING(UNSAFE_OWNER, "unsafe-owner",
        "objects whose owner is no safe directory name: their documents move, their files do not")
FINDING(NO_STRING_ID, "no-string-id",
        "objects whose _id is not a plain string: only --server moves them")
FINDING(DANGLING_REFERENCE, "dangling-reference",
        "references to objects that do not exist at the source")
FINDING(LEFT_BEHIND, "left-behind", "references to objects that the scope leaves behind")
FINDING(ORPHAN, "orphan", "second-level documents whose object does not exist")
FINDING(UNKNOWN_OWNER, "unknown-owner", "owners that the destination does not know")
FINDING(UNDECLARED, "undeclared",
        "collections of the source that the schema does not declare; they stay")
FINDING(MISSING_INDEX, "missing-index",
        "indexes that the destination lacks; --create-indexes makes them")
FINDING(OTHER_INDEX, "other-index",
        "indexes that the destination has with other options; they stay")
FINDING(UNREADABLE, "unreadable", "files and directories that cannot be read")
FINDING(NOT_UTF8, "not-utf8",
        "files and directories beside those of objects whose names are not UTF-8; they stay")
FINDING(SPECIAL_FILE, "special-file", "devices, sockets and FIFOs; they are not copied")
