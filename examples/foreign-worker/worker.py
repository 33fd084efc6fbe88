"""A worker of Hodei in another language: it joins, runs one command, reports it and leaves.

usage: python worker.py <server's worker URL> <file with a join token>

The contract is all it needs. Make the modules that it imports with packages grpcio and grpcio-tools, in the checkout:

    python -m grpc_tools.protoc -I packages/proto/proto -I packages/proto/third_party --python_out=stubs \\
        --grpc_python_out=stubs hodei/v1/{job,log_service,worker,worker_service}.proto buf/validate/validate.proto

and run it with PYTHONPATH=stubs. A worker for daily use would also obey cancels while the command runs, send its output
as it comes, and open a new session when one breaks; docs/worker-protocol.md tells how.
"""

import base64
import hashlib
import os
import platform
import queue
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from hodei.v1 import job_pb2 as job
from hodei.v1 import log_service_pb2 as logs
from hodei.v1 import worker_pb2 as worker
from hodei.v1 import worker_service_pb2 as wire
from hodei.v1.worker_service_pb2_grpc import WorkerServiceStub

PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\n(.+?)-----END \1-----\n", re.DOTALL)
BATCH_BYTES = 65_536


def main(server_url, token_file):
    address = urlsplit(server_url).netloc
    token = Path(token_file).read_text().strip()
    root = fetch_root(address, token)
    key, request = create_certificate_request()
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(root)) as channel:
        registration = wire.RegisterRequest(join_token=token, certificate_request=request)
        identity = WorkerServiceStub(channel).Register(registration, timeout=10)
    chain = identity.certificate_chain.encode()
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(root, key, chain)) as channel:
        serve(WorkerServiceStub(channel))


def fetch_root(address, token):
    """The certificate to trust: the one in the server's chain whose SHA-256 is the last part of the token."""
    host = address.rsplit(":", 1)[0]
    connect = ["openssl", "s_client", "-connect", address, "-servername", host, "-alpn", "h2", "-showcerts"]
    shown = subprocess.run(connect, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10).stdout
    for block in PEM.finditer(shown):
        digest = hashlib.sha256(base64.b64decode(block[2])).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") == token.split(".")[2]:
            return block[0].encode()
    sys.exit(f"{address} is not the server that made this join token")


def create_certificate_request():
    """A new key (PEM) and a request for a certificate of it (DER). The server takes nothing else from the request."""
    create = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    made = subprocess.run([*create, "-subj", "/", "-keyout", "-"], capture_output=True, text=True, check=True).stdout
    blocks = {block[1]: block for block in PEM.finditer(made)}
    return blocks["PRIVATE KEY"][0].encode(), base64.b64decode(blocks["CERTIFICATE REQUEST"][2])


class Outbox(queue.Queue):
    """What is to be said, and heartbeats whenever there is nothing else; `None` ends the session."""

    heartbeat_seconds = 1.0

    def requests(self):
        while True:
            try:
                message = self.get(timeout=self.heartbeat_seconds)
            except queue.Empty:
                message = {"heartbeat": wire.Heartbeat(capacity=capacity())}
            if message is None:
                return
            yield wire.SessionRequest(**message)


def serve(stub):
    outbox = Outbox()
    arch = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    hello = wire.Hello(version="1.0", hostname=platform.node(), arch=arch, capacity=capacity())
    outbox.put({"hello": hello})
    finished = None
    for response in stub.Session(outbox.requests()):
        kind = response.WhichOneof("message")
        if kind == "welcome":
            outbox.heartbeat_seconds = response.welcome.heartbeat_interval.ToMilliseconds() / 1000
        elif kind == "assignment" and (finished or not response.assignment.spec.HasField("command")):
            refusal = wire.AttemptRefused(ref=response.assignment.ref, message="I run one job, a command")
            outbox.put({"attempt_refused": refusal})
        elif kind == "assignment":
            finished = run(response.assignment, outbox)
            if finished.log_bytes == 0:
                outbox.put({"attempt_finished": finished})
        elif kind == "log_ack" and response.log_ack.offset == finished.log_bytes:
            outbox.put({"attempt_finished": finished})
        elif kind == "result_ack":
            print(f"reported job {finished.ref.job_id}")
            outbox.put({"going_away": wire.GoingAway()})
            outbox.put(None)


def run(assignment, outbox):
    """Runs the command, says that it has started and what it printed, and returns what to say when that is stored."""
    ref, spec = assignment.ref, assignment.spec
    outbox.put({"attempt_started": wire.AttemptStarted(ref=ref)})
    env = {"PATH": os.defpath, **spec.env}
    cwd = spec.working_dir or None
    try:
        ended = subprocess.run(spec.command.argv, input=spec.stdin, env=env, cwd=cwd, capture_output=True)
    except FileNotFoundError as error:
        outcome = job.Outcome(reason=job.EXIT_REASON_COMMAND_NOT_FOUND, message=str(error))
        return wire.AttemptFinished(ref=ref, outcome=outcome)
    offset = 0
    for stream, data in ((logs.LOG_STREAM_STDOUT, ended.stdout), (logs.LOG_STREAM_STDERR, ended.stderr)):
        for start in range(0, len(data), BATCH_BYTES):
            piece = data[start : start + BATCH_BYTES]
            segment = wire.LogSegment(stream=stream, length=len(piece), time=now())
            batch = wire.LogBatch(ref=ref, offset=offset, data=piece, segments=[segment])
            outbox.put({"log_batch": batch})
            offset += len(piece)
    return wire.AttemptFinished(ref=ref, outcome=outcome_of(ended.returncode), log_bytes=offset)


def outcome_of(code):
    if code < 0:
        return job.Outcome(reason=job.EXIT_REASON_SIGNAL, signal=signal.Signals(-code).name)
    reason = job.EXIT_REASON_COMPLETED if code == 0 else job.EXIT_REASON_NON_ZERO_EXIT
    return job.Outcome(reason=reason, exit_code=code)


def capacity():
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    disk_bytes = shutil.disk_usage(".").free
    return worker.Capacity(cpu_millis=1000 * os.cpu_count(), memory_bytes=memory_bytes, disk_bytes=disk_bytes)


def now():
    timestamp = Timestamp()
    timestamp.GetCurrentTime()
    return timestamp


if __name__ == "__main__":
    main(*sys.argv[1:])
