"""template.yaml as `sam deploy` would hand it to CloudFormation: code and layers in a bucket, translated by SAM."""

import io
import logging
import os
import re
import zipfile

from processes import AWS
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

BINARIES = {
    "UploadsFunction": "uploads",
    "BacklogFunction": "backlog",
    "ScalerFunction": "scaler",
    "ScheduleFunction": "schedule",
    "StopsFunction": "stops",
}


def load(path):
    """The template, its intrinsic functions in their long form."""
    return yaml_parse(path.read_text())


def packaged(template, upload, binaries, pipelines):
    """The template with what its folders hold where `upload(name, body)` has put it."""
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            body = zipped(("bootstrap", binaries / BINARIES[name]), ("pipelines.toml", pipelines))
            properties["CodeUri"] = upload(f"{name}.zip", body)
            variables = properties.get("Environment", {}).get("Variables", {})
            if "PIPELINES_FILE" in variables:
                # ministack has no /opt: see `layer_is_under_opt` in differences.py.
                variables["PIPELINES_FILE"] = "pipelines.toml"
        elif resource["Type"] == "AWS::Serverless::LayerVersion":
            properties["ContentUri"] = upload(f"{name}.zip", zipped(("pipelines.toml", pipelines)))
    return template


def zipped(*files):
    """A zip of these names and files, all executable. Not compressed: it goes no further than this machine."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, file in files:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, file.read_bytes())
    return body.getvalue()


class NoPolicies:
    """Instead of IAM's managed policies, of which the template names none."""

    def load(self):
        return {}


def translated(template):
    """What SAM's own translator, which AWS runs, makes of a template."""
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    os.environ["AWS_DEFAULT_REGION"] = AWS["AWS_REGION"]
    return transform(template, {}, NoPolicies())


def kinds(template):
    """The kinds of a translated template's resources, by their logical ids."""
    return {plain(name, it["Type"]): it["Type"] for name, it in template["Resources"].items()}


def built(template, given):
    """A translated template without the resources whose conditions do not hold with these parameters."""
    holds = conditions(template, given)
    left = template["Resources"].items()
    left = {name: it for name, it in left if "Condition" not in it or holds({"Condition": it["Condition"]})}
    return template | {"Resources": left}


def split_before(template, given):
    """A translated template whose conditions split no text: ministack splits none in a condition, and AWS does."""
    holds = conditions(template, given)
    settled = {
        name: {"Fn::Equals": ["true", str(holds(it)).lower()]}
        for name, it in template["Conditions"].items()
        if "Fn::Split" in str(it)
    }
    return template | {"Conditions": template["Conditions"] | settled}


def conditions(template, given):
    """Says whether a condition holds with these parameters."""
    defaults = {name: str(it.get("Default")) for name, it in template["Parameters"].items()}

    def value(it):
        if not isinstance(it, dict):
            return str(it)
        ((function, arguments),) = it.items()
        if function == "Ref":
            return (defaults | given)[arguments]
        if function == "Fn::Sub":
            return re.sub(r"\$\{(\w+)\}", lambda name: value({"Ref": name[1]}), arguments)
        if function == "Fn::Split":
            separator, text = arguments
            return value(text).split(separator)
        if function == "Fn::Select":
            index, those = arguments
            return value(those)[int(index)]
        raise ValueError(f"{function} in a condition is not known here")

    def holds(it):
        ((function, arguments),) = it.items()
        if function == "Condition":
            return holds(template["Conditions"][arguments])
        if function == "Fn::Equals":
            return len(set(map(value, arguments))) == 1
        several = {"Fn::And": all, "Fn::Or": any, "Fn::Not": lambda those: not any(those)}
        return several[function](map(holds, arguments))

    return holds


def plain(name, kind):
    """A layer's id without what SAM appends of its contents."""
    return re.sub("[0-9a-f]{10}$", "", name) if kind == "AWS::Lambda::LayerVersion" else name


def without(template, dropped):
    """A translated template without the resources of these kinds, and what only those need."""
    gone = {name for name, it in template["Resources"].items() if it["Type"] in dropped}
    left = {name: it for name, it in template["Resources"].items() if name not in gone}
    for resource in left.values():
        resource.pop("UpdatePolicy", None)
        needed = resource.get("DependsOn", [])
        needed = [needed] if isinstance(needed, str) else needed
        resource["DependsOn"] = [name for name in needed if name not in gone]
    return template | {"Resources": left}


def over_http(template):
    """A translated template whose policies do not refuse what comes without TLS, as everything does here."""
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    for policy in documents(template):
        policy["Statement"] = [it for it in policy["Statement"] if it.get("Condition") != plain]
    # A policy of no statement is none.
    empty = {name for name, it in template["Resources"].items() if statements(it) == []}
    left = {name: it for name, it in template["Resources"].items() if name not in empty}
    return template | {"Resources": left}


def statements(resource):
    """Those of the policy that a resource is; none if it is something else."""
    return resource.get("Properties", {}).get("PolicyDocument", {}).get("Statement")


def as_ministack_asks(template):
    """A translated template that grants what ministack asks for where AWS asks for other things. See `differences.py`.

    Of ECS it asks for actions on the cluster, and not on the task definition or the task; of logs on the group's ARN
    without the `:*` that it ends with; of a batch of messages for the batch's own action."""
    batches = ("SendMessage", "DeleteMessage", "ChangeMessageVisibility")
    for policy in documents(template):
        for statement in policy["Statement"]:
            # What is there only if a parameter is set stands in the second place of its Fn::If.
            _, statement = statement.get("Fn::If", [None, statement])[:2]
            actions = statement["Action"]
            actions = [actions] if isinstance(actions, str) else actions
            if all(action.startswith(("ecs:", "logs:")) for action in actions):
                statement["Resource"] = "*"
                statement.pop("Condition", None)
            statement["Action"] = actions + [f"sqs:{it}Batch" for it in batches if f"sqs:{it}" in actions]
    return template


def documents(template):
    """The policies of a translated template's roles and resources."""
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            yield from (policy["PolicyDocument"] for policy in properties.get("Policies", []))
        elif "PolicyDocument" in properties:
            yield properties["PolicyDocument"]
