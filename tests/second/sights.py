"""What anybody can see and do in a deployment: through boto3, and through the `tidemill` command."""

import json
from contextlib import contextmanager

from processes import until

SETTLED = {"done", "failed", "superseded", "source_deleted"}


def put(cloud, key, text):
    """Uploads an object, and returns its version."""
    return cloud.client("s3").put_object(Bucket=cloud.out["Bucket"], Key=key, Body=text.encode())["VersionId"]


def jobs(cloud, prefix):
    return cloud.tidemill("jobs", "--prefix", prefix)


def settled(cloud, prefix, count=1):
    """The jobs of objects below a prefix, oldest first, once there are `count` and all have settled."""

    def look():
        found = jobs(cloud, prefix)
        is_settled = len(found) >= count and all(job["state"] in SETTLED for job in found)
        return is_settled and sorted(found, key=lambda job: job["created_at"])

    found = until(f"the end of {count} jobs of {prefix}", look, 90, 0.5)
    equal(len(found), count)
    return found


def records(cloud, key):
    """The visible records of an object, with the version they are of."""
    lines = cloud.tidemill("records", f"s3://{cloud.out['Bucket']}/{key}")
    return [line["record"] for line in lines], {line["version"] for line in lines}


def mailed(cloud, *words):
    """The mail that has all of these words."""

    def look():
        return [mail for mail in cloud.mails() if all(word in mail.subject + mail.body for word in words)]

    return until(f"a mail with {words}", look, 60)[0]


def drained(cloud, output):
    """Waits until a queue has nothing that is waiting or under way."""
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    sqs = cloud.client("sqs")

    def look():
        found = sqs.get_queue_attributes(QueueUrl=cloud.out[output], AttributeNames=counts)["Attributes"]
        return all(found[count] == "0" for count in counts)

    until(f"the end of what is in {output}", look, 60)


def queue_of_rules(cloud, name):
    """The URL and ARN of a new queue into which every rule may send."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    service = {"Service": "events.amazonaws.com"}
    admits = {"Effect": "Allow", "Principal": service, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [admits]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url, arn


def events_below(cloud, prefix):
    """Has every event of objects below a prefix kept too, and returns what takes the next one."""
    events, sqs = cloud.client("events"), cloud.client("sqs")
    name = prefix.strip("/").replace("/", "-")
    url, arn = queue_of_rules(cloud, name)
    pattern = {"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": prefix}]}}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    equal(events.put_targets(Rule=name, Targets=[{"Id": "kept", "Arn": arn}])["FailedEntryCount"], 0)

    def take():
        (message,) = until(f"an event of {prefix}", lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return message["Body"]

    return take


@contextmanager
def unheard(cloud):
    """While it lasts, the events of uploads go nowhere."""
    events = cloud.client("events")
    rule = events.describe_rule(Name=cloud.resource("UploadsRule").rsplit("|", 1)[-1])
    same = {"Name": rule["Name"], "EventPattern": rule["EventPattern"]}
    events.put_rule(**same, State="DISABLED")
    try:
        yield
    finally:
        events.put_rule(**same, State="ENABLED")


def equal(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def tasks(cloud, name):
    """The tasks started by this name, or by names that begin with it, running or ended."""
    ecs, cluster, arns = cloud.client("ecs"), cloud.out["Cluster"], []
    for status in ("RUNNING", "STOPPED"):
        arns += ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
    # In two calls, a task can be both.
    arns = sorted(set(arns))
    found = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    return [task for task in found if task.get("startedBy", "").startswith(name)]


def stopped(cloud, name):
    """The tasks of this name, when there are some and all have stopped."""

    def look():
        found = tasks(cloud, name)
        return found if all(task["lastStatus"] == "STOPPED" for task in found) else None

    return until(f"the end of the tasks {name}", look, 100)


def places_taken(cloud):
    """Which places of the fleet are not free."""
    items = cloud.client("dynamodb").scan(TableName=cloud.out["FleetTable"], ConsistentRead=True)["Items"]
    slots = [item for item in items if item["id"]["S"].startswith("slot:")]
    return [item["id"]["S"] for item in slots if item["phase"]["S"] != "free"]
