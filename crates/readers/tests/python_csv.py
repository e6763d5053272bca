#!/usr/bin/env python3
"""Reads generated files with Python's csv module and with this crate, and compares every record.

    cargo build -p readers --example rows
    python3 crates/readers/tests/python_csv.py target/debug/examples/rows [FILES]

A file may be refused, which is counted; a record that differs ends the run with exit code 1.
"""

import csv
import io
import json
import pathlib
import random
import subprocess
import sys
import tempfile

WORDS = ["bolt", "nut", "Bergen", "Åre", 'say "yes"', "a, b", "two\nlines", "x;y", "tab\there", "", "007", "it's"]


def table(rng):
    """A header and rows of text, with a first column of numbers so that the header is borne out."""
    width = rng.randint(2, 8)
    rows = [["id"] + [f"name_{column}" for column in range(1, width)]]
    for row in range(rng.randint(3, 60)):
        rows.append([str(1000 + row)] + [rng.choice(WORDS) for _ in range(1, width)])
    return rows


def written(rng, rows):
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=rng.choice(",;\t|"),
        quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        lineterminator=rng.choice(["\n", "\r\n"]),
    )
    writer.writerows(rows)
    return out.getvalue(), writer.dialect


def as_text(value):
    if value is None:
        return ""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def main():
    program, files = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
    read = refused = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "table.csv"
        for seed in range(files):
            rng = random.Random(seed)
            text, dialect = written(rng, table(rng))
            path.write_bytes(text.encode())
            expected = list(csv.reader(io.StringIO(text, newline=""), dialect))
            done = subprocess.run([program, path], capture_output=True)
            if done.returncode == 1:
                refused += 1
                print(f"seed {seed}: refused: {done.stderr.decode().strip()[:200]}")
                continue
            done.check_returncode()
            lines = done.stdout.decode().splitlines()
            records = [json.loads(line, parse_int=str, parse_float=str) for line in lines]
            found = [[as_text(value) for value in record.values()] for record in records]
            names = list(records[0]) if records else expected[0]
            if [names] + found != expected:
                print(f"seed {seed}: differs\n{text[:500]}")
                for ours, theirs in zip([names] + found, expected):
                    if ours != theirs:
                        print(f"ours   {ours}\ntheirs {theirs}")
                        break
                return 1
            read += 1
    print(f"{files} files: {read} read alike, {refused} refused")
    return 0 if read * 10 >= files * 9 else 1


if __name__ == "__main__":
    sys.exit(main())
