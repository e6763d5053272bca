"""Programs that are started here, and end with the process that started them."""

import os
import signal
import socket
import subprocess
import time

# Nothing of the machine's own AWS configuration may reach what is started.
AWS = {
    "AWS_ACCESS_KEY_ID": "tidemill",
    "AWS_SECRET_ACCESS_KEY": "tidemill",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Stuck(Exception):
    """Something did not happen in time."""


class Program:
    """A process that leads a group of its own, with its output in a file."""

    def __init__(self, command, folder, name, environment):
        self.log = folder / f"{name}.log"
        home = folder / f"{name}-home"
        home.mkdir(parents=True, exist_ok=True)
        given = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                env=given | AWS | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def must_run(self):
        """Raises when it has ended on its own."""
        code = self.process.poll()
        if code is not None:
            raise Stuck(f"{self.process.args[0]} has ended with {code}:\n{self.log.read_text(errors='replace')}")

    def end(self, patience=10):
        """Asks it to end, and kills what is left of its group: ministack leaves its functions behind."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                pass  # Killed with its group.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # Nothing is left of it.
        self.process.wait()


def free_port():
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, look, seconds=30, every=0.1):
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise Stuck(f"{what} did not happen within {seconds} s")
        time.sleep(every)
    return found
