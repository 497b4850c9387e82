# SPDX-License-Identifier: Apache-2.0
"""Prints what script/messages collected: each message once, whatever path, number or name it holds,
below the exit status of the command that said it."""
import re
import sys

# How far it is, the head of the journal, and what --log-level debug adds: no messages to judge.
STATE = re.compile(r"(debug: |mvimig: (journal seq=|\w+ \d+ %|compare files: ))")
WHEN = re.compile(r"^\d{4}-\d\d-\d\dT[0-9:.]+Z ")
SAME = [(re.compile(p), w) for p, w in (
    (r"/[^\s:;,)\"']*/", "DIR/"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}\b", "UUID"),
    (r"\b(sha256:)?[0-9a-f]{16,}\b", "HEX"),
    (r"\d+", "N"),
)]


def shape(text):
    for pattern, word in SAME:
        text = pattern.sub(word, text)
    return text


def main(path):
    seen, rows = set(), []
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            status, command, text = line.rstrip("\n").split("\t", 2)
            text = WHEN.sub("", text)
            key = (status, shape(text))
            if text.strip() and key not in seen and not STATE.match(text):
                seen.add(key)
                rows.append((int(status), command, text))
    rows.sort(key=lambda row: row[:2])
    last = None
    for status, command, text in rows:
        if status != last:
            print(f"\nexit {status}")
            last = status
        print(f"  {command:<10}  {text}")
    print(f"\n{len(rows)} messages")


if __name__ == "__main__":
    main(sys.argv[1])
