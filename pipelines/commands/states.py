"""How many airports each state has: a table on standard input, a record for each state on standard output.

An example of a pipeline's command. The contract is docs/commands-on-objects.md.
"""

import csv
import json
import os
import sys

BAD_INPUT = 65


def lines():
    """The table's lines, while telling how far it is."""
    size, done = int(os.environ.get("TIDEMILL_SIZE", 0)), 0
    for number, line in enumerate(sys.stdin.buffer, start=1):
        done += len(line)
        if size and number % 1000 == 0:
            print(f"progress {100 * done // size}%", file=sys.stderr)
        yield line.decode("utf-8-sig" if number == 1 else "utf-8")


table = csv.DictReader(lines())
if "state" not in (table.fieldnames or []):
    print("the table has no column named state", file=sys.stderr)
    sys.exit(BAD_INPUT)

states = {}
for airport in table:
    state = states.setdefault(airport["state"], {"state": airport["state"], "airports": 0, "northernmost": None})
    state["airports"] += 1
    north = state["northernmost"]
    if north is None or float(airport["latitude"]) > float(north["latitude"]):
        state["northernmost"] = {"name": airport["name"], "latitude": airport["latitude"]}

for state in sorted(states.values(), key=lambda state: state["state"]):
    print(json.dumps(state))
