"""Where ministack is not as AWS: each is looked at in both clouds, so that it is noticed when ministack mends it.

The local cloud must be as AWS. What a difference is settled from stands beside it.
"""

import json
from dataclasses import dataclass
from typing import Any, Callable

from botocore.exceptions import ClientError

from package import zipped
from processes import until
from sights import equal, events_below, put, queue_of_rules, tasks


@dataclass
class Difference:
    """Something that can be looked at, and how it is with AWS and with ministack."""

    what: str
    aws: Any
    ministack: Any
    why: str
    look: Callable


def version_in_event(cloud):
    key = "differences/version"
    take = events_below(cloud, "differences/")
    version = put(cloud, key, "x")
    return json.loads(take())["detail"]["object"].get("version-id") == version


def encoding_of_versions(cloud):
    asked = {"Bucket": cloud.out["Bucket"], "Prefix": "differences/", "EncodingType": "url"}
    return cloud.client("s3").list_object_versions(**asked).get("EncodingType")


def stopped_by_somebody(cloud):
    """The task that the scenario of `tidemill stop` has stopped."""
    return next(task for task in tasks(cloud, "") if task.get("stopCode") == "UserInitiated")


def exit_code_after_stop(cloud):
    return stopped_by_somebody(cloud)["containers"][0]["exitCode"]


def size_of_task(cloud):
    task = stopped_by_somebody(cloud)
    asked = task["overrides"]
    equal((asked["cpu"], asked["memory"]), ("512", "1024"))
    return task["cpu"], task["memory"]


def reason_of_exit(cloud):
    return {task["stoppedReason"] for task in tasks(cloud, "") if task.get("stopCode") == "EssentialContainerExited"}


def emits_stops(cloud):
    """Whether the cloud itself emits the event of a stopped task. The events of `bus.Bus` have ids of their own."""
    sqs, events, ecs = (cloud.client(service) for service in ("sqs", "events", "ecs"))
    url, arn = queue_of_rules(cloud, "stops")
    pattern = {"source": ["aws.ecs"], "detail": {"lastStatus": ["STOPPED"]}}
    events.put_rule(Name="stops", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="stops", Targets=[{"Id": "kept", "Arn": arn}])
    # Without a job to work on, the worker leaves at once.
    ecs.run_task(
        cluster=cloud.out["Cluster"],
        taskDefinition=cloud.definition(),
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": cloud.subnets(), "assignPublicIp": "ENABLED"}},
    )
    messages = []

    def look():
        messages.extend(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []))
        return messages

    until("an event of a stopped task", look, 60)
    return any(not json.loads(message["Body"])["id"].startswith("stopped-") for message in messages)


def is_allowed(cloud, name, granted, service, call):
    """Whether a user who is granted this, and nothing else, may make a call. The local cloud has no users."""
    if cloud.EVENTS_HAVE_VERSIONS:
        return True
    key = cloud.user(name)
    policy = {"Version": "2012-10-17", "Statement": [granted | {"Effect": "Allow"}]}
    cloud.client("iam").put_user_policy(UserName=name, PolicyName="granted", PolicyDocument=json.dumps(policy))
    try:
        call(cloud.client(service, key))
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"), error
        return False
    return True


def launch_is_granted_on_definitions(cloud):
    cluster, definition = cloud.out["Cluster"], cloud.definition()
    (shown,) = cloud.client("ecs").describe_clusters(clusters=[cluster])["clusters"]
    granted = {
        "Action": "ecs:RunTask",
        "Resource": f"{definition.rsplit(':', 1)[0]}:*",
        "Condition": {"ArnEquals": {"ecs:cluster": shown["clusterArn"]}},
    }
    network = {"awsvpcConfiguration": {"subnets": cloud.subnets()}}
    launch = dict(cluster=cluster, taskDefinition=definition, launchType="FARGATE", networkConfiguration=network)
    return is_allowed(cloud, "launcher", granted, "ecs", lambda ecs: ecs.run_task(**launch))


def log_is_granted_with_star(cloud):
    group = cloud.resource("WorkerLogs")
    (shown,) = cloud.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    equal(shown["arn"][-2:], ":*")
    granted = {"Action": "logs:FilterLogEvents", "Resource": shown["arn"]}
    return is_allowed(cloud, "reader", granted, "logs", lambda logs: logs.filter_log_events(logGroupName=group))


def batch_is_granted_with_its_action(cloud):
    entries = [{"Id": "one", "MessageBody": "x"}]
    url = cloud.client("sqs").create_queue(QueueName="granted")["QueueUrl"]
    granted = {"Action": "sqs:SendMessage", "Resource": "*"}
    return is_allowed(
        cloud, "sender", granted, "sqs", lambda sqs: sqs.send_message_batch(QueueUrl=url, Entries=entries)
    )


def layer_is_under_opt(cloud):
    """The local cloud's functions read their pipelines from there, or no scenario would pass."""
    if cloud.EVENTS_HAVE_VERSIONS:
        return True
    functions = cloud.client("lambda")
    layer = functions.publish_layer_version(
        LayerName="looked-for", Content={"ZipFile": zipped(("looked-for", cloud.setup.pipelines))}
    )
    program = cloud.folder / "looks"
    program.write_text("#!/bin/sh\ntest -e /opt/looked-for && exit 3\nexit 4\n")
    functions.create_function(
        FunctionName="looks",
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=functions.get_function_configuration(FunctionName=cloud.resource("StopsFunction"))["Role"],
        Layers=[layer["LayerVersionArn"]],
        Code={"ZipFile": zipped(("bootstrap", program))},
    )
    answer = json.load(functions.invoke(FunctionName="looks", Payload=b"{}")["Payload"])
    code = answer["errorMessage"].partition("with code ")[2][:1]
    assert code in ("3", "4"), answer
    return code == "3"


ALL = [
    Difference(
        "an Object Created event has the version that was put",
        aws=True,
        ministack=False,
        why="the S3 guide, Event message structure. λ uploads goes by ETag and sequencer then, as for any bucket",
        look=version_in_event,
    ),
    Difference(
        "ListObjectVersions encodes keys when it is asked to, and says so",
        aws="url",
        ministack=None,
        why="the S3 API, ListObjectVersions. Keys that are not said to be encoded are taken as they are",
        look=encoding_of_versions,
    ),
    Difference(
        "the stop of a task is an event of EventBridge",
        aws=True,
        ministack=False,
        why="the ECS guide, Task state change events. bus.Bus sends it, through ministack's rules",
        look=emits_stops,
    ),
    Difference(
        "a stopped task has the exit code that its container ended with, 143 after SIGTERM",
        aws=143,
        ministack=0,
        why="the ECS guide, StopTask. The verdict goes by the stop code, UserInitiated, which both have",
        look=exit_code_after_stop,
    ),
    Difference(
        "a task has the size that its launch asks for",
        aws=("512", "1024"),
        ministack=("256", "512"),
        why="the ECS API, TaskOverride. Both have the overrides themselves, which hold the worker's size",
        look=size_of_task,
    ),
    Difference(
        "the reason of a task whose container has exited",
        aws={"Essential container in task exited"},
        ministack={"Essential container exited"},
        why="the ECS guide, Stopped tasks error messages. The verdict goes by the stop code and the exit code",
        look=reason_of_exit,
    ),
    Difference(
        "ecs:RunTask is granted on task definitions, with the cluster as a condition",
        aws=True,
        ministack=False,
        why="the service authorization reference. package.as_ministack_asks grants it on everything there",
        look=launch_is_granted_on_definitions,
    ),
    Difference(
        "a log group is granted by its ARN that ends with :*",
        aws=True,
        ministack=False,
        why="the CloudWatch Logs API, LogGroup. package.as_ministack_asks grants all groups there",
        look=log_is_granted_with_star,
    ),
    Difference(
        "sqs:SendMessage allows a batch of them",
        aws=True,
        ministack=False,
        why="the SQS guide, API permissions. package.as_ministack_asks grants the batches' own actions there",
        look=batch_is_granted_with_its_action,
    ),
    Difference(
        "a layer's files are under /opt",
        aws=True,
        ministack=False,
        why="the Lambda guide, Layers. package.py puts pipelines.toml beside the programs too, and names it there",
        look=layer_is_under_opt,
    ),
]


def as_listed(cloud):
    """Looks at all. Raises when one is not as it is listed."""
    wrong = []
    for it in ALL:
        found, listed = it.look(cloud), it.ministack if cloud.name == "ministack" else it.aws
        if found == listed:
            continue
        fixed = " It is now as AWS does it: take it off the list." if found == it.aws else ""
        wrong.append(f"{it.what}: {found!r} is not {listed!r}.{fixed}")
    assert not wrong, "\n".join(wrong)
