#!/usr/bin/env python3
"""Writes files as AWS does, reads each with Python's csv, shlex or json and with this crate, and compares every record.

    cargo build -p readers --example rows
    python3 crates/readers/tests/python_aws.py target/debug/examples/rows [FILES]

FILES is how many of each kind. A file that is refused or read otherwise ends the run with exit code 1.
"""

import csv
import io
import json
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile

AGENTS = ["curl/8.5", "Mozilla/5.0 (X11; Linux) it's", "-", "a, b; c", "Åre/1", "back\\slash", "tab\tinside"]
PATHS = ["/", "/a%20b?q=x&y='z'", "/index.html", "/Åre", "/a|b,c;d"]
INVENTORY = ["Bucket", "Key", "VersionId", "IsLatest", "Size", "LastModifiedDate", "ETag"]


def moment(rng):
    return f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:00:{rng.randint(0, 59):02}Z"


def address(rng):
    return f"192.0.2.{rng.randint(1, 254)}"


def seconds(rng):
    return rng.choice(["-1", "0.000", f"{rng.random():.3f}"])


def maybe(rng, text):
    return rng.choice([text, text, "-"])


def request(rng):
    return f"{rng.choice(['GET', 'PUT'])} https://example.org:443{rng.choice(PATHS)} HTTP/2.0"


def alb(rng):
    quoted = lambda text: f'"{text}"'
    row = [
        rng.choice(["h2", "https"]), moment(rng), "app/lb/50dc", f"{address(rng)}:{rng.randint(1, 65535)}",
        maybe(rng, "10.0.0.1:80"), seconds(rng), seconds(rng), seconds(rng), str(rng.randint(200, 599)),
        maybe(rng, "200"), str(rng.randint(0, 10**9)), str(rng.randint(0, 10**9)), quoted(request(rng)),
        quoted(rng.choice(AGENTS)), maybe(rng, "ECDHE"), maybe(rng, "TLSv1.2"), "arn:aws:x", quoted("Root=1-58337262"),
        quoted("example.org"), quoted("-"), "0", moment(rng), quoted("waf,forward"), quoted("-"), quoted("-"),
        quoted("10.0.0.1:80"), quoted("200"), quoted("-"), quoted("-"), "TID_1",
    ]
    return " ".join(row)


def s3_access_logs(rng):
    row = [
        "79a59df900b949e5", "bucket", f"[06/Feb/2026:00:{rng.randint(0, 59):02}:38 +0000]", address(rng),
        maybe(rng, "arn:aws:iam::012345678901:user/a"), f"{rng.getrandbits(64):016X}", "REST.GET.OBJECT",
        maybe(rng, "a%2520b.csv"), f'"{request(rng)}"', str(rng.randint(200, 599)), maybe(rng, "NoSuchKey"),
        maybe(rng, str(rng.randint(0, 10**12))), maybe(rng, "113"), str(rng.randint(1, 900)), maybe(rng, "7"),
        '"-"', f'"{rng.choice(AGENTS)}"', maybe(rng, "3HL4kqtJ"), "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5m=",
        "SigV4", "ECDHE", "AuthHeader", "bucket.s3.amazonaws.com", "TLSv1.2", "-", "-",
    ]
    return " ".join(row)


def logged(line):
    """The fields of a line of a log: shlex splits it, where a time in brackets is made a quoted one before."""
    line = re.sub(r"\[([^]]*)]", r'"\1"', line)
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace, lexer.whitespace_split, lexer.quotes, lexer.escape, lexer.commenters = " ", True, '"', "", ""
    return list(lexer)


def lines_of(rng, line):
    text = "".join(line(rng) + "\n" for _ in range(rng.randint(1, 40)))
    return text, [logged(line) for line in text.splitlines()], []


def plain(text, delimiter):
    """Lines whose fields nothing encloses."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=csv.QUOTE_NONE))


def cloudfront(rng):
    names = ["date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "sc-status", "cs(Referer)", "cs(User-Agent)"]
    if rng.random() < 0.5:
        names.append("time-taken")
    text = "#Version: 1.0\n#Fields: " + " ".join(names) + "\n"
    for _ in range(rng.randint(1, 40)):
        row = [
            "2026-03-01", "00:00:01", "SEA19-C1", str(rng.randint(0, 10**9)), address(rng), "GET", "200", maybe(rng, '"x"'),
            rng.choice(["curl/8", "it's%20\"me\"", "-"]), f"{rng.random():.3f}",
        ]
        text += "\t".join(row[: len(names)]) + "\n"
    return text, [names] + plain(text, "\t")[2:], None


def vpc_flow_logs(rng):
    names = ["version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "bytes", "start", "action", "log-status"]
    rng.shuffle(names)
    values = {
        "version": lambda: "2", "account-id": lambda: "012345678901", "interface-id": lambda: "eni-1",
        "srcaddr": lambda: maybe(rng, address(rng)), "dstaddr": lambda: maybe(rng, "2001:db8::1"),
        "srcport": lambda: maybe(rng, str(rng.randint(0, 65535))), "bytes": lambda: maybe(rng, str(rng.randint(0, 10**12))),
        "start": lambda: str(rng.randint(10**9, 2 * 10**9)), "action": lambda: maybe(rng, "ACCEPT"),
        "log-status": lambda: rng.choice(["OK", "NODATA"]),
    }
    rows = [names] + [[values[name]() for name in names] for _ in range(rng.randint(1, 40))]
    text = "".join(" ".join(row) + "\n" for row in rows)
    return text, plain(text, " "), None


def as_csv(rng, rows, **said):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", **said).writerows(rows)
    text = out.getvalue()
    return text, list(csv.reader(io.StringIO(text, newline=""), **said))


def s3_inventory(rng):
    key = lambda: rng.choice(["a/b.csv", "a%20b+c.csv", "%C3%85re,1", 'q"q', "00123"])
    rows = [
        ["bucket", key(), rng.choice(["", "3HL4"]), rng.choice(["true", "false"]), str(rng.randint(0, 10**13)), moment(rng), f"{rng.getrandbits(64):016x}"]
        for _ in range(rng.randint(1, 40))
    ]
    text, read = as_csv(rng, rows, quoting=csv.QUOTE_ALL)
    return text, [INVENTORY] + read, INVENTORY


def cur(rng):
    names = ["identity/LineItemId", "bill/PayerAccountId", "lineItem/UsageAmount", "lineItem/LineItemDescription", "resourceTags/user:a"]
    item = lambda: rng.choice(["$0.023 per GB - first 50 TB, month", 'say "x"', "Åre"])
    rows = [
        [f"{rng.getrandbits(40):x}", "012345678901", f"{rng.random():.10f}", item(), rng.choice(["", "team a"])]
        for _ in range(rng.randint(2, 40))
    ]
    text, read = as_csv(rng, [names] + rows)
    return text, read, None


def athena(rng):
    names = ["id", "city", "total"]
    rows = [
        [str(1_000 + row), rng.choice(["Bergen", 'a "b"', "x, y", "two\nlines", "007"]), f"{rng.random():.2f}"]
        for row in range(rng.randint(2, 40))
    ]
    text, read = as_csv(rng, [names] + rows, quoting=csv.QUOTE_ALL)
    return text, read, None


def redshift_unload(rng):
    names = ["id", "city", "note"]
    rows = [[str(1_000 + row), rng.choice(["Bergen", "Åre"]), rng.choice(["x, y", "", "it's"])] for row in range(rng.randint(2, 40))]
    text = "".join("|".join(row) + "\n" for row in rows)
    return text, [names] + plain(text, "|"), names


def cloudtrail(rng):
    records = [
        {
            "eventVersion": "1.11", "eventTime": moment(rng), "eventName": rng.choice(["PutObject", "AssumeRole"]),
            "userIdentity": {"type": "IAMUser", "accountId": "012345678901", "sessionContext": {"mfa": rng.random() < 0.5}},
            "requestParameters": rng.choice([None, {"bucketName": "b", "key": 'Åre "1"', "n": [1, 2.50, 10**20]}]),
            "resources": [{"ARN": "arn:aws:s3:::b"}] * rng.randint(0, 3),
        }
        for _ in range(rng.randint(1, 40))
    ]
    text = json.dumps({"Records": records}, ensure_ascii=rng.random() < 0.5)
    return text, json.loads(text, parse_int=str, parse_float=str)["Records"], None


KINDS = {
    "alb": lambda rng: lines_of(rng, alb),
    "s3_access_logs": lambda rng: lines_of(rng, s3_access_logs),
    "cloudfront": cloudfront,
    "vpc_flow_logs": vpc_flow_logs,
    "s3_inventory": s3_inventory,
    "cur": cur,
    "athena": athena,
    "redshift_unload": redshift_unload,
    "cloudtrail": cloudtrail,
}


def as_text(value, null):
    if isinstance(value, bool):
        return "true" if value else "false"
    return null if value is None else value


def compare(program, path, kind, text, expected, names):
    """What differs; nothing if nothing does. Without names, those of the file are not compared."""
    path.write_bytes(text.encode())
    done = subprocess.run([program, path, kind, *(names or [])], capture_output=True)
    if done.returncode != 0:
        return done.stderr.decode().strip()
    records = [json.loads(line, parse_int=str, parse_float=str) for line in done.stdout.decode().splitlines()]
    if kind != "cloudtrail":
        null = "" if kind in ("s3_inventory", "cur", "athena", "redshift_unload") else "-"
        found = [[as_text(value, null) for value in record.values()] for record in records]
        records = found if names == [] else [list(records[0])] + found
    for ours, theirs in zip(records, expected):
        if ours != theirs:
            return f"ours   {ours}\ntheirs {theirs}"
    return "" if len(records) == len(expected) else f"{len(records)} rows of {len(expected)}"


def main():
    program, files = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "file"
        for kind, written in KINDS.items():
            for seed in range(files):
                text, expected, names = written(random.Random(f"{kind} {seed}"))
                differs = compare(program, path, kind, text, expected, names)
                if differs:
                    print(f"{kind}, seed {seed}: {differs}\n{text[:400]}")
                    return 1
            print(f"{kind}: {files} files read alike")
    return 0


if __name__ == "__main__":
    sys.exit(main())
