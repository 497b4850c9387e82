# SPDX-License-Identifier: Apache-2.0
"""count.py FILE...: adds up JUnit reports of ctest and pytest; prints "PASSED FAILED SKIPPED"."""
import sys
import xml.etree.ElementTree as tree


def count(path):
    passed = failed = skipped = 0
    for case in tree.parse(path).iter("testcase"):
        inside = {child.tag for child in case}
        # ctest says it in an attribute, pytest in a child.
        status = case.get("status", "run")
        if inside & {"failure", "error"} or status == "fail":
            failed += 1
        elif "skipped" in inside or status in ("notrun", "disabled"):
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


if __name__ == "__main__":
    print(*map(sum, zip((0, 0, 0), *map(count, sys.argv[1:]))))
