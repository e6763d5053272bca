#!/usr/bin/env python3
"""Checks template.yaml as a platform team would: what SAM makes of it, read by three programs that know AWS.

    template.yaml ── SAM's own translator ──▶ plain CloudFormation ──▶ cfn-lint, checkov, cfn-guard

Usage: template.py FILE, where the translated template is left. Works offline. What is tolerated stands in
suppressions.yaml beside this file, each with its reason; one that nothing needs any more is a failure too.
"""

import dataclasses
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import yaml
from cfn_guard_rs import run_checks
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BIN = Path(sys.executable).parent

# SAM tells of its own feature switches.
logging.disable(logging.WARNING)


def translated() -> dict:
    """What CloudFormation gets from SAM. The code's places are those that `sam package` would put there."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        for uri in ("CodeUri", "ContentUri"):
            if uri in resource.get("Properties", {}):
                resource["Properties"][uri] = f"s3://artifacts/{resource['Properties'][uri]}"
    given = {"NotifyEmail": "ops@example.com", "AWS::Region": "us-east-1", "AWS::Partition": "aws"}
    policies = {
        name: f"arn:aws:iam::aws:policy/service-role/{name}"
        for name in ("AWSLambdaBasicExecutionRole", "AWSLambdaSQSQueueExecutionRole")
    }
    return Translator(policies, Parser()).translate(template, given)


def run(*command: str) -> str:
    """The standard output of a program, which may fail: what it found is in there."""
    done = subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True)
    if not done.stdout.strip():
        sys.exit(f"{command[0]} answered nothing: {done.stderr.strip()}")
    return done.stdout


def cfn_lint(file: Path) -> set:
    found = run("cfn-lint", "--append-rules", "cfn_lint_serverless.rules", "--format", "json", str(file))
    return {
        (one["Rule"]["Id"], ".".join(map(str, one["Location"]["Path"] or [])), one["Message"])
        for one in json.loads(found or "[]")
    }


def checkov(file: Path) -> set:
    answer = json.loads(
        run("checkov", "--file", str(file), "--framework", "cloudformation", "--skip-download", "--output", "json", "--quiet")
    )
    if answer["summary"]["parsing_errors"]:
        sys.exit(f"checkov cannot read {file}")
    return {
        (one["check_id"], one["resource"].split(".")[-1], one["check_name"]) for one in answer["results"]["failed_checks"]
    }


def guard(file: Path) -> set:
    try:
        report = run_checks(json.loads(file.read_text()), (HERE / "well-architected.guard").read_text())
    except json.JSONDecodeError:
        # It cuts off its own report of a property that a large resource lacks altogether.
        return {("report", "", "a rule is broken and the report cannot be read: which kind lacks a property it asks for?")}
    # A kind that is gone from the template would take its rule along unnoticed.
    idle = {(rule, "", "applies to nothing any more") for rule in report.not_applicable}
    return idle | {(one.Rule.name, "", "; ".join(sorted(messages(one)))) for one in report.not_compliant}


def messages(rule) -> set:
    """What a broken rule says of each place that breaks it."""
    text = json.dumps(dataclasses.asdict(rule), default=str)
    return set(re.findall(r'"custom_message": "([^"]+)"', text)) | set(re.findall(r"Path=/?(Resources/\w+)", text))


def main() -> int:
    file = Path(sys.argv[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(translated(), indent=1))
    tolerated = yaml.safe_load((HERE / "suppressions.yaml").read_text())
    needed, failures = set(), []
    for program in (cfn_lint, checkov, guard):
        name = program.__name__
        for check, place, message in sorted(program(file)):
            if check in tolerated.get(name, {}):
                needed.add((name, check))
            else:
                failures.append(f"{name} {check}: {place}: {message}")
    unneeded = [(name, check) for name, checks in tolerated.items() for check in checks if (name, check) not in needed]
    failures += [f"{name} {check} is tolerated by suppressions.yaml, and nothing needs it" for name, check in unneeded]
    print("\n".join([*failures, f"template.yaml: {len(failures)} failures, {len(needed)} checks tolerated"]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
