"""Writes the Avro files beside this script and what is in them, as JSON lines, with fastavro.

    pip install fastavro cramjam backports.zstd
    python3 make_avro.py

The tests read the files without Python. The lines are what fastavro reads back from each file, so they are a second reader's
opinion and not that of the script.
"""

import base64
import datetime
import decimal
import json
import pathlib
import re
import struct
import uuid

import fastavro

HERE = pathlib.Path(__file__).parent
UTC = datetime.timezone.utc

SCHEMA = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "name", "type": ["null", "string"]},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}},
        {"name": "tax", "type": {"type": "fixed", "name": "Tax", "size": 8, "logicalType": "decimal", "precision": 10, "scale": 4}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "at_micros", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "key", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["OPEN", "DONE"]}},
        {"name": "rate", "type": "double"},
        {"name": "ratio", "type": "float"},
        {"name": "ok", "type": "boolean"},
        {"name": "raw", "type": "bytes"},
        {"name": "code", "type": {"type": "fixed", "name": "Code", "size": 3}},
        {"name": "tags", "type": {"type": "array", "items": ["null", "string", "int"]}},
        {"name": "sizes", "type": {"type": "map", "values": "long"}},
        {
            "name": "tree",
            "type": {
                "type": "record",
                "name": "Node",
                "fields": [{"name": "n", "type": "int"}, {"name": "next", "type": ["null", "Node"]}],
            },
        },
    ],
}


def order(n):
    moment = datetime.datetime(2024, 3, 5, 8, 0, 20, 356000, UTC) + datetime.timedelta(days=n * 37)
    return {
        "id": (-1) ** n * n * 10**15,
        "name": None if n % 3 == 0 else f"né {n}",
        "total": decimal.Decimal(n * 12345 - 300) / 100,
        "tax": decimal.Decimal(-n) / 10000,
        "day": moment.date(),
        "at": moment,
        "at_micros": moment + datetime.timedelta(microseconds=n),
        "local": moment.replace(tzinfo=None),
        "clock": moment.time(),
        "key": uuid.UUID(int=n * 2**90 + 7),
        "state": ["OPEN", "DONE"][n % 2],
        "rate": n * 0.1 + 1e-9,
        "ratio": n * 0.25 + 0.1,
        "ok": n % 2 == 0,
        "raw": bytes(range(n % 5)),
        "code": bytes([n, 0, 255]),
        "tags": [None, f"t{n}", n][: n % 4],
        "sizes": {f"k{k}": k * n for k in range(n % 3)},
        "tree": {"n": n, "next": None if n % 2 else {"n": n + 1, "next": None}},
    }


def plain(name, value):
    """A value as the reader of this project shows it as JSON."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return Number(str(value))
    if isinstance(value, float) and name == "ratio":
        return Number(shortest_float(value))
    if isinstance(value, datetime.datetime):
        text = value.isoformat()
        if value.microsecond:
            text = value.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0")
            return text + ("Z" if value.tzinfo else "")
        return text.replace("+00:00", "Z")
    if isinstance(value, datetime.time):
        return value.isoformat().rstrip("0") if value.microsecond else value.isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dict):
        return {key: plain(key, of) for key, of in value.items()}
    if isinstance(value, list):
        return [plain(None, of) for of in value]
    return value


class Number(float):
    """A number that keeps its text."""

    def __new__(cls, text):
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __repr__(self):
        return self.text


def shortest_float(value):
    """The shortest text that is this float of four bytes."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", value):
            return text
    return repr(value)


def lines(path):
    with open(path, "rb") as file:
        records = [{key: plain(key, of) for key, of in record.items()} for record in fastavro.reader(file)]
    return [to_json(record) for record in records]


def to_json(value):
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(key) + ":" + to_json(of) for key, of in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    if isinstance(value, Number):
        return value.text
    if isinstance(value, float):
        return re.sub("e-0*", "e-", repr(value))
    return json.dumps(value, ensure_ascii=False)


def main():
    for codec in ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"]:
        path = HERE / f"orders-{codec}.avro"
        with open(path, "wb") as file:
            records = map(order, range(40))
            schema = fastavro.parse_schema(SCHEMA)
            fastavro.writer(file, schema, records, codec=codec, sync_interval=1500,
                            sync_marker=bytes(range(16)))
        found = lines(path)
        expected = HERE / "orders.jsonl"
        if codec == "null":
            expected.write_text("\n".join(found) + "\n")
        assert expected.read_text().splitlines() == found, codec


main()
