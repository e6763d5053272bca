"""The upload path from end to end, by what a user of AWS can see. Each scenario runs in both clouds."""

import json

from processes import until
from sights import (
    drained,
    equal,
    events_below,
    jobs,
    mailed,
    places_taken,
    put,
    records,
    settled,
    stopped,
    tasks,
    unheard,
)

# What the functions route by here. Programs that wait for a file, run out of memory the first time, and take long stand
# for what people run.
PIPELINES = """
version = 1

[[pipeline]]
name = "fixed"
match = {{ prefix = "uploads/fixed/" }}
format = "command"
command = ["sh", "-c", 'test -e "{folder}/fixed-$TIDEMILL_JOB" && cat || exit 65']
attempts = 1

[[pipeline]]
name = "hungry"
match = {{ prefix = "uploads/hungry/" }}
format = "command"
command = ["sh", "-c", 'test "$TIDEMILL_ATTEMPT" -gt 1 && cat || kill -9 $$']
task = {{ cpu = 512, memory = 1024 }}

[[pipeline]]
name = "long"
match = {{ prefix = "uploads/long/" }}
format = "command"
command = ["sleep", "600"]
task = {{ cpu = 512, memory = 1024 }}

[[pipeline]]
name = "everything"
match = {{ prefix = "uploads/" }}
dedicated_above = 100_000
"""


def small_object_becomes_records_in_the_pool(cloud):
    key = "uploads/small/orders.csv"
    version = put(cloud, key, "zip,total,name\n01001,1.10,Ämil\n02139,12345678901234567890.5,\"a, b\"\n")
    (job,) = settled(cloud, key)
    equal((job["state"], job["records"], job["attempt"]), ("done", 2, 1))
    equal(job["version"], version if cloud.EVENTS_HAVE_VERSIONS else None)
    # A column with a leading zero is text, and numbers keep all their digits.
    found, versions = records(cloud, key)
    equal([record["zip"] for record in found], ["01001", "02139"])
    equal([str(record["total"]) for record in found], ["1.1", "12345678901234567890.5"])
    equal([record["name"] for record in found], ["Ämil", "a, b"])
    equal(versions, {job["version"]})
    assert tasks(cloud, "drain/"), "no pooled worker was launched"


def large_object_has_a_task_of_its_own(cloud):
    key, rows = "uploads/large/numbers.csv", 8_000
    put(cloud, key, "n,word\n" + "".join(f"{n},word-{n:06}\n" for n in range(rows)))
    (job,) = settled(cloud, key)
    equal((job["state"], job["records"], job["attempt"]), ("done", rows, 1))
    found, _ = records(cloud, key)
    equal(sorted(record["n"] for record in found), list(range(rows)))
    (task,) = stopped(cloud, job["job"])
    equal((task["stopCode"], task["containers"][0]["exitCode"]), ("EssentialContainerExited", 0))


def bad_object_fails_with_a_mail_and_a_dead_letter(cloud):
    key = "uploads/bad/ragged.csv"
    put(cloud, key, "a,b\n1,2\n3\n")
    (job,) = settled(cloud, key)
    equal((job["state"], job["reason"]["code"]), ("failed", "ragged_row"))
    mail = mailed(cloud, key, job["job"])
    assert f"tidemill replay --job {job['job']}" in mail.body, mail
    # λ stops may read the worker's log, and finds it.
    assert "Last log lines" in mail.body, mail
    letters = [letter for letter in cloud.tidemill("dead") if letter["job"] == job["job"]]
    equal([letter["reason"] for letter in letters], ["ragged_row"])
    # Not a row of it is visible.
    equal(cloud.tidemill("records", uri(cloud, key), codes=(1,)), [])
    (explained,) = cloud.tidemill("explain", job["job"])
    assert "ragged_row" in str(explained), explained


def replay_from_the_command_processes_a_failed_job(cloud):
    key = "uploads/fixed/one.jsonl"
    put(cloud, key, '{"n": 1}\n{"n": 2}\n')
    (job,) = settled(cloud, key)
    equal((job["state"], job["attempt"]), ("failed", 1))
    mailed(cloud, key, job["job"])
    (cloud.setup.folder / f"fixed-{job['job']}").touch()
    (answer,) = cloud.tidemill("replay", "--job", job["job"])
    assert answer["replayed"], answer
    (job,) = until("its second end", lambda: [it for it in jobs(cloud, key) if it["state"] == "done"], 60, 0.5)
    equal((job["attempt"], job["records"]), (2, 2))
    equal(records(cloud, key)[0], [{"n": 1}, {"n": 2}])


def duplicate_event_is_one_job(cloud):
    key = "uploads/twice/one.csv"
    take = events_below(cloud, "uploads/twice/")
    put(cloud, key, "a\n1\n2\n")
    (before,) = settled(cloud, key)
    event, sqs = take(), cloud.client("sqs")
    for _ in range(3):
        sqs.send_message(QueueUrl=cloud.out["UploadsQueue"], MessageBody=event)
    drained(cloud, "UploadsQueue")
    drained(cloud, "JobsQueue")
    equal(settled(cloud, key), [before])
    equal(len(records(cloud, key)[0]), 2)


def newer_version_wins(cloud):
    key = "uploads/newer/one.csv"
    take = events_below(cloud, "uploads/newer/")
    put(cloud, key, "a\n1\n")
    settled(cloud, key)
    late = take()
    # Two at once, the last of which is to stay.
    put(cloud, key, "a\n2\n2\n")
    put(cloud, key, "a\n3\n3\n3\n")
    found = settled(cloud, key, 3)
    equal((found[0]["state"], {job["state"] for job in found} <= {"done", "superseded"}), ("done", True))
    equal(records(cloud, key)[0], [{"a": 3}] * 3)
    # The first one's event comes once more, late, and changes nothing.
    cloud.client("sqs").send_message(QueueUrl=cloud.out["UploadsQueue"], MessageBody=late)
    drained(cloud, "UploadsQueue")
    equal(settled(cloud, key, 3), found)
    equal(records(cloud, key)[0], [{"a": 3}] * 3)


def anybody_may_send_to_the_jobs_queue(cloud):
    key, sqs = "uploads/asked/ümläut +%41 &\'\".csv", cloud.client("sqs")
    with unheard(cloud):
        version = put(cloud, key, "a\n1\n")
    message = json.dumps({"tidemill": 1, "bucket": cloud.out["Bucket"], "key": key})
    sqs.send_message(QueueUrl=cloud.out["JobsQueue"], MessageBody=message)
    (job,) = settled(cloud, "uploads/asked/")
    equal((job["state"], job["records"], job["version"]), ("done", 1, version))
    # Once is enough.
    sqs.send_message(QueueUrl=cloud.out["JobsQueue"], MessageBody=message)
    drained(cloud, "JobsQueue")
    equal(settled(cloud, "uploads/asked/"), [job])
    sqs.send_message(QueueUrl=cloud.out["JobsQueue"], MessageBody="not for us")
    until("its dead letter", lambda: [it for it in cloud.tidemill("dead") if it["body"] == "not for us"], 60, 0.5)


def job_that_runs_out_of_memory_runs_again_one_size_larger(cloud):
    key = "uploads/hungry/one.jsonl"
    put(cloud, key, '{"n": 1}\n')
    (job,) = settled(cloud, key)
    equal((job["state"], job["attempt"], job["counted_attempts"], job["records"]), ("done", 2, 1, 1))
    sizes = [task["overrides"]["memory"] for task in stopped(cloud, job["job"])]
    equal(sorted(map(int, sizes)), [1024, 2048])


def job_is_stopped_by_the_command(cloud):
    key = "uploads/long/one.bin"
    put(cloud, key, "x")
    until("its work", lambda: [it for it in jobs(cloud, key) if it["state"] == "running"], 60, 0.5)
    (job,) = jobs(cloud, key)
    cloud.tidemill("stop", job["job"])
    (job,) = settled(cloud, key)
    equal((job["state"], job["reason"]["code"]), ("failed", "cancelled"))
    mailed(cloud, key, job["job"])


def sweep_finds_an_object_whose_event_was_lost(cloud):
    key = "uploads/lost/a b+c%41 ü.csv"
    with unheard(cloud):
        put(cloud, key, "a\n1\n")
    equal(jobs(cloud, key), [])
    asked = {"sweep": {"since": "1h", "until": "0s", "prefix": "uploads/lost/"}}
    answer = cloud.client("lambda").invoke(
        FunctionName=cloud.resource("ScheduleFunction"), Payload=json.dumps(asked).encode()
    )
    (launched,) = json.load(answer["Payload"])
    (task,) = stopped(cloud, launched["started_by"])
    equal(task["containers"][0]["exitCode"], 0)
    (job,) = settled(cloud, key)
    equal((job["state"], job["records"]), ("done", 1))
    # Now the deployment has kept its pipelines, so that an object's jobs are found by its name.
    (explained,) = cloud.tidemill("explain", uri(cloud, key))
    equal([version["job"]["job"] for version in explained["versions"]], [job["job"]])


def pool_exits_and_frees_its_slots(cloud):
    for task in stopped(cloud, "drain/"):
        equal((task["stopCode"], task["containers"][0]["exitCode"]), ("EssentialContainerExited", 0))
    drained(cloud, "StopsQueue")
    until("all places to be free", lambda: not places_taken(cloud), 60, 0.5)


def scaler_launches_a_worker_for_waiting_jobs(cloud):
    """With no worker there, nobody but λ scaler hears of what somebody puts on the jobs queue: within a minute."""
    equal([task for task in tasks(cloud, "drain/") if task["lastStatus"] != "STOPPED"], [])
    key = "uploads/waits/one.csv"
    with unheard(cloud):
        put(cloud, key, "a\n1\n")
    message = {"tidemill": 1, "bucket": cloud.out["Bucket"], "key": key}
    cloud.client("sqs").send_message(QueueUrl=cloud.out["JobsQueue"], MessageBody=json.dumps(message))
    (job,) = settled(cloud, key)
    equal((job["state"], job["records"]), ("done", 1))


def uri(cloud, key):
    return f"s3://{cloud.out['Bucket']}/{key}"


ALL = [
    small_object_becomes_records_in_the_pool,
    large_object_has_a_task_of_its_own,
    bad_object_fails_with_a_mail_and_a_dead_letter,
    replay_from_the_command_processes_a_failed_job,
    duplicate_event_is_one_job,
    newer_version_wins,
    anybody_may_send_to_the_jobs_queue,
    job_that_runs_out_of_memory_runs_again_one_size_larger,
    job_is_stopped_by_the_command,
    sweep_finds_an_object_whose_event_was_lost,
    pool_exits_and_frees_its_slots,
    scaler_launches_a_worker_for_waiting_jobs,
]
