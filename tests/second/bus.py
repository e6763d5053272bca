"""What ministack's ECS does not do: telling EventBridge of tasks."""

import json
import threading
import time


class Bus(threading.Thread):
    """Sends the events of stopped tasks to ministack's rules, because its ECS emits none.

    PutEvents refuses ECS's source, as AWS does. So what a rule does is done here, by what ministack says of its rules:
    whose pattern matches, and what their targets are.
    """

    EVERY = 0.2

    def __init__(self, cloud):
        super().__init__(daemon=True)
        self.ecs, self.events, self.sqs = (cloud.client(service) for service in ("ecs", "events", "sqs"))
        self.cluster = cloud.out["Cluster"]
        self.told_of = set()
        self.over = threading.Event()
        self.failure = None
        self.start()

    def end(self):
        self.over.set()
        self.join()

    def run(self):
        try:
            while not self.over.wait(self.EVERY):
                self.tell_of_stops()
        except Exception as error:  # noqa: BLE001: the scenario that waits for a stop reports it
            self.failure = error

    def tell_of_stops(self):
        arns = self.ecs.list_tasks(cluster=self.cluster, desiredStatus="STOPPED")["taskArns"]
        new = [arn for arn in arns if arn not in self.told_of]
        if not new:
            return
        for task in self.ecs.describe_tasks(cluster=self.cluster, tasks=new)["tasks"]:
            if task["lastStatus"] == "STOPPED":
                self.deliver(stopped(task))
                self.told_of.add(task["taskArn"])

    def deliver(self, event):
        for rule in self.events.list_rules()["Rules"]:
            matched = rule.get("EventPattern") and self.events.test_event_pattern(
                EventPattern=rule["EventPattern"], Event=json.dumps(event)
            )
            if matched and matched["Result"]:
                for target in self.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                    queue = self.sqs.get_queue_url(QueueName=target["Arn"].rsplit(":", 1)[1])["QueueUrl"]
                    self.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(event))


def stopped(task):
    """The event of a task that DescribeTasks shows as stopped: the same fields, with times as text."""
    arn = task["taskArn"]
    return {
        "version": "0",
        "id": f"stopped-{arn.rsplit('/', 1)[1]}",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": arn.split(":")[4],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": arn.split(":")[3],
        "resources": [arn],
        "detail": json.loads(json.dumps(task, default=lambda moment: moment.isoformat())),
    }
