"""A container engine without containers: Docker's API on a Unix socket, where each container is a process.

ministack's ECS hands its tasks to Docker. With this in Docker's place, ministack decides everything that ECS decides,
such as the environment and how a task ended, and the worker is the real program.
"""

import json
import os
import re
import signal
import socketserver
import struct
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit


# The label by which ministack names the task definition that a container is from.
FAMILY = "com.amazonaws.ecs.task-definition-family"


class Container:
    """A process that answers as a container."""

    def __init__(self, program, wanted, name, environment, folder):
        self.id = uuid.uuid4().hex * 2
        self.name = name
        self.image = wanted["Image"]
        self.labels = wanted.get("Labels") or {}
        self.command = [str(program), *(wanted.get("Cmd") or [])]
        given = dict(pair.split("=", 1) for pair in wanted.get("Env") or [])
        # The host's own variables come last: ministack's name host.docker.internal, which does not exist here, and
        # credentials that no service knows.
        for unknown in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"):
            given.pop(unknown, None)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder)} | given | environment(self.labels)
        self.log = folder / f"container-{name}.log"
        self.process = None

    def start(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def exit_code(self):
        """As a container's: 128 and the signal's number for one that was killed. None while it runs."""
        code = self.process.poll() if self.process else None
        return code if code is None or code >= 0 else 128 - code

    def stop(self, patience):
        """SIGTERM to its first process, as in a container, and SIGKILL to all when it does not end by that."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                pass  # Killed below.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # Nothing is left of it.
        self.process.wait()

    def shown(self):
        code = self.exit_code()
        status = "created" if self.process is None else "running" if code is None else "exited"
        return {
            "Id": self.id,
            "Name": f"/{self.name}",
            "Config": {"Image": self.image, "Tty": False, "Labels": self.labels},
            "State": {"Status": status, "Running": status == "running", "ExitCode": code or 0},
            "HostConfig": {"LogConfig": {"Type": "json-file"}},
            "NetworkSettings": {"Networks": {}},
        }


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens until it is left, and takes all containers with it."""

    daemon_threads = True

    def __init__(self, folder, images, environment):
        """`images` says which program an image is, and `environment` of a container's labels what its host adds."""
        self.folder, self.images, self.environment = folder, images, environment
        self.containers = {}
        self.path = folder / "docker.sock"
        super().__init__(str(self.path), Call)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()
        for container in list(self.containers.values()):
            container.stop(0)
        self.path.unlink(missing_ok=True)

    def handle_error(self, request, client_address):
        """Somebody who goes away in the middle of an answer is no error of this program's."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def find(self, wanted):
        """By id, the beginning of one, or name."""
        for container in list(self.containers.values()):
            if wanted == container.name or container.id.startswith(wanted):
                return container
        return None


class Call(BaseHTTPRequestHandler):
    """One call to the engine's API, of which it has what ministack uses."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"

    def do_GET(self):
        self.route()

    do_POST = do_DELETE = do_HEAD = do_GET

    def route(self):
        parts = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        self.given = json.loads(self.rfile.read(length) or b"{}")
        path = re.sub(r"^/v[0-9.]+", "", parts.path)
        if path == "/_ping":
            return self.answer(200, "OK")
        if path == "/version":
            return self.answer(200, {"Version": "27.0", "ApiVersion": "1.44", "MinAPIVersion": "1.24"})
        if path == "/containers/create":
            return self.create()
        if path == "/containers/json":
            return self.answer(200, [])
        if match := re.fullmatch(r"/images/(.+)/json", path):
            known = match[1] in self.server.images
            return self.answer(200, {"Id": f"sha256:{match[1]}"}) if known else self.no_image(match[1])
        if path == "/images/create":
            return self.no_image(f"{self.query['fromImage']}:{self.query.get('tag', 'latest')}")
        match = re.fullmatch(r"/containers/([^/]+)(?:/(\w+))?", path)
        container = match and self.server.find(match[1])
        if not container:
            return self.answer(404, {"message": f"No such container: {path}"})
        return self.of_container(container, match[2])

    def of_container(self, container, action):
        if action == "json":
            self.answer(200, container.shown())
        elif action == "start":
            container.start()
            self.answer(204)
        elif action == "wait":
            container.process.wait()
            self.answer(200, {"StatusCode": container.exit_code()})
        elif action == "logs":
            self.tell_log(container)
        elif action == "stop":
            container.stop(float(self.query.get("t", 10)))
            self.answer(204)
        elif action is None and self.command == "DELETE":
            container.stop(0)
            self.server.containers.pop(container.id, None)
            self.answer(204)
        else:
            self.answer(404, {"message": f"this engine has no {action}"})

    def create(self):
        image = self.given["Image"]
        if image not in self.server.images:
            return self.no_image(image)
        container = Container(
            self.server.images[image], self.given, self.query["name"], self.server.environment, self.server.folder
        )
        self.server.containers[container.id] = container
        return self.answer(201, {"Id": container.id, "Warnings": []})

    def no_image(self, image):
        self.answer(404, {"message": f"No such image: {image}"})

    def tell_log(self, container):
        """All output until its end, in the frames of a container without a terminal."""
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.raw-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        follow = self.query.get("follow") in ("1", "true")
        with container.log.open("rb") as output:
            while True:
                # Asked before reading, so that the last lines are not missed.
                is_over = not follow or container.exit_code() is not None
                while line := output.readline():
                    self.wfile.write(struct.pack(">BxxxL", 1, len(line)) + line)
                if is_over:
                    break
                time.sleep(0.02)
        self.close_connection = True

    def answer(self, status, body=None):
        text = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if body not in (None, "OK") else "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
