"""Writes Parquet files with pyarrow, and beside each what pyarrow reads in it, as JSON Lines.

    python3 -m venv venv && venv/bin/pip install pyarrow numpy
    venv/bin/python crates/readers/tests/parquet/generate.py FOLDER COUNT SEED
    PARQUET_FILES=FOLDER cargo test -p readers --test parquet

Without COUNT, only the small files that are kept in this folder are written. Numbers are written with every digit, bytes
in base64, and a row with NaN or an infinity as {"rejected": "not_finite"}.
"""

import base64
import decimal
import json
import pathlib
import random
import sys

import numpy
import pyarrow as pa
import pyarrow.parquet as pq

CODECS = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]
DELTA = "DELTA_BINARY_PACKED"
LENGTHS = "DELTA_LENGTH_BYTE_ARRAY"
PREFIXES = "DELTA_BYTE_ARRAY"
SPLIT = "BYTE_STREAM_SPLIT"
WORDS = ["", "a", "Åre", "north", "x" * 40, "two\nlines", "quote\"d", "日本", "0012", "item-000001", "item-000002"]
UTC = "UTC"


class NotFinite(Exception):
    pass


def number(text):
    text = str(text)
    if text.lstrip("-") in ("nan", "inf"):
        raise NotFinite
    return Raw(text)


class Raw(str):
    """A number, as it stands in JSON."""


def clock(count, per_second):
    digits = len(str(per_second)) - 1
    seconds, fraction = divmod(count, per_second)
    hours, rest = divmod(seconds, 3600)
    return f"{hours:02}:{rest // 60:02}:{rest % 60:02}.{fraction:0{digits}}"


def date(days):
    return str(numpy.datetime64(days, "D"))


UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def converted(scalar):
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if isinstance(kind, pa.BaseExtensionType):
        if isinstance(kind, pa.UuidType):
            return str(scalar.as_py())
        return converted(scalar.value)
    if pa.types.is_dictionary(kind):
        return converted(scalar.value) if isinstance(scalar.value, pa.Scalar) else scalar.as_py()
    if pa.types.is_boolean(kind):
        return scalar.as_py()
    if pa.types.is_integer(kind):
        return number(scalar.as_py())
    if pa.types.is_float16(kind):
        return number(numpy.float16(scalar.as_py()))
    if pa.types.is_float32(kind):
        return number(numpy.float32(scalar.as_py()))
    if pa.types.is_float64(kind):
        return number(repr(scalar.as_py()))
    if pa.types.is_decimal(kind):
        return number(format(scalar.as_py(), "f"))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return scalar.as_py()
    if pa.types.is_date(kind):
        return date(scalar.value)
    if pa.types.is_time(kind):
        return clock(scalar.value, UNITS[kind.unit])
    if pa.types.is_timestamp(kind):
        per_second = UNITS[kind.unit]
        days, count = divmod(scalar.value, 86_400 * per_second)
        return f"{date(days)}T{clock(count, per_second)}{'Z' if kind.tz else ''}"
    if pa.types.is_struct(kind):
        return {field.name: converted(scalar[field.name]) for field in kind}
    if pa.types.is_map(kind):
        pairs = [(converted(pair["key"]), converted(pair["value"])) for pair in scalar.values]
        return {str(key): value for key, value in pairs}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [converted(value) for value in scalar.values]
    return base64.b64encode(scalar.as_py()).decode()


def dumped(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{dumped(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumped, value)) + "]"
    return json.dumps(value)


def line(table, row):
    try:
        return dumped({name: converted(table.column(name)[row]) for name in table.column_names})
    except NotFinite:
        return '{"rejected":"not_finite"}'


def flat(dice):
    """Types, with a maker of values."""
    digits = dice.randint(1, 38)
    scale = dice.randint(0, digits)

    def decimals(most):
        return lambda: decimal.Decimal(dice.randint(-(10**most - 1), 10**most - 1)).scaleb(-min(scale, most))

    def integers(bits, signed=True):
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        return lambda: dice.choice([low, high, 0, 1, dice.randint(low, high), dice.randint(0, 100)])

    def double():
        return dice.choice([0.0, 0.1, 1.5, -2.25, 1e-9, 1e22, 123456.789, dice.uniform(-1e6, 1e6), dice.gauss(0, 1)])

    # A number of four bytes with more digits may be as near to one text of the fewest digits as to another.
    def single():
        return dice.choice([0.0, 0.1, 1.5, -2.25, 1e-9, 1e22, round(dice.uniform(-1e3, 1e3), 2)])

    def half():
        return numpy.float16(dice.choice([0.1, 1.5, 65504.0, 6e-8, dice.uniform(-100, 100)]))

    def moment(per_second):
        return lambda: dice.randint(-2_000_000_000 * per_second, 4_000_000_000 * per_second)

    word = lambda: dice.choice(WORDS)
    some_bytes = lambda: dice.randbytes(dice.choice([0, 1, 4, 60]))
    with dice_context():
        decimal_types = [
            (pa.decimal128(digits, scale), decimals(digits)),
            (pa.decimal128(9, min(scale, 9)), decimals(9)),
            (pa.decimal128(18, min(scale, 18)), decimals(18)),
            (pa.decimal256(38, min(scale, 38)), decimals(38)),
        ]
    return decimal_types + [
        (pa.bool_(), lambda: dice.random() < 0.5),
        (pa.int8(), integers(8)),
        (pa.int16(), integers(16)),
        (pa.int32(), integers(32)),
        (pa.int64(), integers(64)),
        (pa.uint8(), integers(8, False)),
        (pa.uint16(), integers(16, False)),
        (pa.uint32(), integers(32, False)),
        (pa.uint64(), integers(64, False)),
        (pa.float16(), half),
        (pa.float32(), single),
        (pa.float64(), double),
        (pa.string(), word),
        (pa.large_string(), word),
        (pa.dictionary(pa.int32(), pa.string()), word),
        (pa.binary(), some_bytes),
        (pa.binary(5), lambda: dice.randbytes(5)),
        (pa.date32(), lambda: dice.randint(-719_162, 2_932_896)),
        (pa.time32("ms"), lambda: dice.randint(0, 86_399_999)),
        (pa.time64("us"), lambda: dice.randint(0, 86_399_999_999)),
        (pa.time64("ns"), lambda: dice.randint(0, 86_399_999_999_999)),
        (pa.timestamp("ms"), moment(1_000)),
        (pa.timestamp("us"), moment(1_000_000)),
        (pa.timestamp("ns"), moment(1_000_000_000)),
        (pa.timestamp("ms", UTC), moment(1_000)),
        (pa.timestamp("us", "Europe/Oslo"), moment(1_000_000)),
    ]


class dice_context:
    def __enter__(self):
        decimal.getcontext().prec = 100

    def __exit__(self, *_):
        pass


def nested(dice, kinds, depth):
    """A type around others, with a maker of values."""
    inner = lambda: nested(dice, kinds, depth - 1) if depth > 1 and dice.random() < 0.5 else dice.choice(kinds)
    nulls = lambda make: lambda: None if dice.random() < 0.2 else make()
    length = lambda: dice.choice([0, 1, 2, 3, 7])
    shape = dice.randrange(3)
    kind, make = inner()
    if shape == 0:
        return pa.list_(kind), lambda: [nulls(make)() for _ in range(length())]
    if shape == 1:
        other, make_other = inner()
        fields = pa.struct([("a", kind), ("b", other)])
        return fields, lambda: {"a": nulls(make)(), "b": nulls(make_other)()}
    return pa.map_(pa.string(), kind), lambda: [(f"k{n}", nulls(make)()) for n in range(length())]


def encoding(dice, kind):
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind):
        return dice.choice(["PLAIN", DELTA, SPLIT])
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.binary():
        return dice.choice(["PLAIN", LENGTHS, PREFIXES])
    if pa.types.is_float32(kind) or pa.types.is_float64(kind) or pa.types.is_float16(kind):
        return dice.choice(["PLAIN", SPLIT])
    if pa.types.is_boolean(kind):
        return dice.choice(["PLAIN", "RLE"])
    return "PLAIN"


def table(dice, rows, columns, with_nested=True, not_finite=True):
    kinds = flat(dice)
    if dice.random() < 0.3:
        kinds = [it for it in kinds if it[0] != pa.float16()]
    fields, arrays, encodings = [], [], {}
    for at in range(columns):
        is_nested = with_nested and dice.random() < 0.4
        kind, make = nested(dice, kinds, 3) if is_nested else dice.choice(kinds)
        share = dice.choice([0.0, 0.0, 0.1, 0.9, 1.0])
        values = [None if dice.random() < share else make() for _ in range(rows)]
        if not_finite and pa.types.is_floating(kind) and values and dice.random() < 0.2:
            odd = dice.choice([float("nan"), float("inf"), float("-inf")])
            values[dice.randrange(rows)] = numpy.float16(odd) if pa.types.is_float16(kind) else odd
        nullable = share > 0 or is_nested or dice.random() < 0.5
        fields.append(pa.field(f"c{at}", kind, nullable=nullable))
        arrays.append(pa.array(values, kind))
        if not is_nested and not pa.types.is_dictionary(kind):
            encodings[f"c{at}"] = encoding(dice, kind)
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields)), encodings


def written(path, data, encodings, dice, codec):
    dictionary = dice.random() < 0.5
    int96 = dice.random() < 0.1
    if int96:
        encodings = {name: how for name, how in encodings.items() if how not in (DELTA, SPLIT)}
    options = dict(
        compression=codec,
        use_dictionary=dictionary,
        data_page_version=dice.choice(["1.0", "2.0"]),
        row_group_size=dice.choice([7, 100, 1_000_000]),
        data_page_size=dice.choice([64, 1_000, 1 << 20]),
        write_batch_size=dice.choice([3, 50, 1024]),
        version="2.6" if "[ns" in str(data.schema) else dice.choice(["2.4", "2.6"]),
        write_page_checksum=dice.random() < 0.5,
        use_compliant_nested_type=dice.random() < 0.7,
        store_decimal_as_integer=dice.random() < 0.5,
        write_page_index=dice.random() < 0.3,
        use_deprecated_int96_timestamps=int96,
        dictionary_pagesize_limit=dice.choice([100, 1 << 20]),
    )
    if not dictionary:
        options["column_encoding"] = encodings
    pq.write_table(data, path, **options)
    # The zones of times are in the schema that Arrow adds, which is no part of Parquet.
    try:
        read = pq.ParquetFile(path).read()
        lines = [line(read, row) for row in range(read.num_rows)]
    except pa.ArrowException:
        # pyarrow does not read all that it writes: a dictionary of several row groups inside a list, and empty structures.
        path.unlink()
        return
    path.with_suffix(".jsonl").write_text("".join(text + "\n" for text in lines))


def kept(folder):
    """The small files of this folder: each codec, each shape."""
    for seed, codec in enumerate(CODECS):
        dice = random.Random(seed)
        data, encodings = table(dice, 12, 8, with_nested=False)
        written(folder / f"codec-{codec}.parquet", data, encodings, dice, codec)
    for seed in range(4):
        dice = random.Random(100 + seed)
        data, encodings = table(dice, 9, 5)
        written(folder / f"nested-{seed}.parquet", data, encodings, dice, "snappy")
    uuids = pa.array([bytes(range(16)), None], pa.uuid())
    documents = pa.array(['{"a": [1, 2]}', None], pa.json_())
    empty = pa.table({"id": uuids, "document": documents, "none": pa.nulls(2)})
    written(folder / "annotated.parquet", empty, {}, random.Random(3), "none")
    written(folder / "no-rows.parquet", empty.slice(0, 0), {}, random.Random(4), "none")


def main():
    folder = pathlib.Path(sys.argv[1])
    if len(sys.argv) == 2:
        return kept(folder)
    count, seed = int(sys.argv[2]), int(sys.argv[3])
    for at in range(seed, seed + count):
        dice = random.Random(at)
        data, encodings = table(dice, dice.choice([0, 1, 20, 300]), dice.randint(1, 12))
        written(folder / f"{at:06}.parquet", data, encodings, dice, dice.choice(CODECS))


main()
