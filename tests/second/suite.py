"""Runs every scenario in both clouds, and prints the results. `run` beside this is the command."""

import argparse
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import codes
import differences
import resources
import scenarios
from clouds import Local, Moto
from mini import Ministack

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


@dataclass
class Setup:
    """Where what is started is, and where it may write."""

    folder: Path
    binaries: Path
    python: Path
    template: Path
    pipelines: Path


@dataclass
class Result:
    """What became of one scenario in one cloud."""

    scenario: str
    cloud: str
    seconds: float
    failure: str = None


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--binaries", type=Path, required=True, help="where the built programs are")
    arguments.add_argument("--folder", type=Path, required=True, help="what may be emptied and written to")
    arguments.add_argument("--template", type=Path, default=ROOT / "template.yaml", help="another than the project's")
    arguments.add_argument("--only", default="", help="only the scenarios that have this in their names")
    arguments = arguments.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    pipelines = arguments.folder / "pipelines.toml"
    pipelines.write_text(scenarios.PIPELINES.format(folder=arguments.folder))
    setup = Setup(
        folder=arguments.folder,
        binaries=arguments.binaries,
        python=Path(sys.executable).parent,
        template=arguments.template,
        pipelines=pipelines,
    )
    plan = [(it.__name__, it) for it in scenarios.ALL if arguments.only in it.__name__]
    if not arguments.only:
        plan += [(RESOURCES, resources.as_translated), (DIFFERENCES, differences.as_listed), (CODES, codes.as_listed)]
    plans = {Local("local", setup): plan, Ministack("ministack", setup): plan}
    if not arguments.only:
        plans[Moto("moto", setup)] = [(CODES, codes.as_listed)]
    end_with(plans)
    begun = time.monotonic()
    with ThreadPoolExecutor(len(plans)) as pool:
        results = [result for found in pool.map(lambda it: run_all(*it), plans.items()) for result in found]
    failed = report(plan, list(plans), results)
    print(f"\n{len(results) - len(failed)} of {len(results)} passed in {time.monotonic() - begun:.0f} s")
    sys.exit(1 if failed else 0)


def end_with(clouds):
    """Asked to end, it ends at once, with everything that it has started."""

    def ended(number, _):
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        for cloud in clouds:
            cloud.end()
        # The scenarios' threads would still wait for what does not come any more.
        os._exit(128 + number)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, ended)


RESOURCES = "the resources are those that SAM translates the template to"
DIFFERENCES = f"{len(differences.ALL)} differences are as listed"
CODES = f"{len(codes.REFUSALS)} calls are refused as listed"

# After this many failures in a cloud, its other scenarios are left out.
PATIENCE = 3

PRINTING = threading.Lock()


def run_all(cloud, plan):
    """Every scenario in this cloud, one after the other."""
    results = []

    def attempt(name, act):
        begun = time.monotonic()
        failure = None
        try:
            act()
        except Exception:  # noqa: BLE001: every scenario runs, and every failure is reported
            failure = f"{traceback.format_exc()}\n{cloud.last_logs()}"
        results.append(Result(name, cloud.name, time.monotonic() - begun, failure))
        with PRINTING:
            word = "FAILED" if failure else "ok"
            print(f"{word:6}  {cloud.name:9}  {results[-1].seconds:5.1f} s  {name}", flush=True)

    try:
        attempt("start", cloud.start)
        if not results[0].failure:
            for name, scenario in plan:
                attempt(name, lambda scenario=scenario: scenario(cloud))
                # Each failure takes the whole time limit, and the next ones show nothing new.
                if sum(1 for result in results if result.failure) == PATIENCE:
                    break
    finally:
        cloud.end()
    return results


def report(plan, clouds, results):
    """A line for each scenario, then each failure with its logs. Returns the failures."""
    found = {(result.scenario, result.cloud): result for result in results}
    names = ["start", *(name for name, _ in plan)]
    width = max(map(len, names))
    print("\n" + " " * width, *(f"{cloud.name:>16}" for cloud in clouds))
    for name in names:
        cells = []
        for cloud in clouds:
            result = found.get((name, cloud.name))
            word = "" if result is None else "FAILED" if result.failure else f"ok {result.seconds:5.1f} s"
            cells.append(f"{word:>16}")
        print(f"{name:{width}}", *cells)
    failed = [result for result in results if result.failure]
    for result in failed:
        print(f"\n==== {result.scenario} in {result.cloud}\n{result.failure}")
    return failed


if __name__ == "__main__":
    main()
