"""Reads a table of the user's own, as an application does: all items, or those of a partition in the order of the sort key.

    own_tables.py TABLE [KEY VALUE]

Prints a JSON array. Each item has the map that says where it comes from, which is left out here.
"""

import json
import sys
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Key

table = boto3.resource("dynamodb").Table(sys.argv[1])
if len(sys.argv) > 2:
    read, arguments = table.query, {"KeyConditionExpression": Key(sys.argv[2]).eq(sys.argv[3])}
else:
    read, arguments = table.scan, {}
items = []
while True:
    page = read(ConsistentRead=True, **arguments)
    items += page["Items"]
    if "LastEvaluatedKey" not in page:
        break
    arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]
for item in items:
    origin = item.pop("_tidemill", None)
    if origin is not None:
        assert origin["object"].startswith("s3://") and origin["row"] >= 1, origin


def plain(value):
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    raise TypeError(value)


print(json.dumps(items, default=plain))
