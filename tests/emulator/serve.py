"""Serves the emulator of AWS that tests deploy to: ministack, on 127.0.0.1, until stdin is closed.

    python serve.py PORT SECONDS

SECONDS is how long a minute of a schedule lasts, so that a test need not wait for whole ones. Whatever the functions
are to find in their environment has to be in this process's.
"""

import os
import re
import signal
import sys
import threading

port, minute = sys.argv[1], float(sys.argv[2])

# The functions' processes are of the same group, and go with it.
os.setsid()


def end_with_the_parent():
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


threading.Thread(target=end_with_the_parent, daemon=True).start()

os.environ.update(
    BIND_HOST="127.0.0.1",
    GATEWAY_PORT=port,
    AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
    LAMBDA_EXECUTOR="local",
    IOT_MTLS_ENABLED="0",
    SFTP_ENABLED="0",
    PERSIST_STATE="0",
)

from ministack import app  # noqa: E402
from ministack.core import iam_actions  # noqa: E402
from ministack.core.responses import error_response_json  # noqa: E402
from ministack.services import eventbridge, lambda_svc, scheduler  # noqa: E402

# What is replaced below is no interface: without it in this version, nothing would be proved.
for module, name in [
    (app, "pin_request_origin"),
    (iam_actions, "s3_service_context"),
    (eventbridge, "_parse_rate_seconds"),
    (scheduler, "_SCHEDULE_TICK_INTERVAL"),
    (lambda_svc, "_update_config"),
]:
    assert hasattr(module, name), f"another ministack: {module.__name__} has no {name}"

UNITS = {"minute": 1, "hour": 60, "day": 1440}


def rate(expression):
    """The seconds between two firings of a rate, with minutes as short as asked for."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    return int(found[1]) * UNITS[found[2]] * minute if found else None


scheduler._SCHEDULE_TICK_INTERVAL = 0.5
eventbridge._parse_rate_seconds = rate

plain_context = iam_actions.s3_service_context
# These take no `If-None-Match`, as AWS documents `s3:ObjectCreationOperation`.
PARTS = {"uploads", "uploadId"}


def context(action, query, path="", headers=None):
    """The condition keys of a request to S3, with the two that ministack does not know and immutable buckets need."""
    keys = plain_context(action, query, path, headers)
    if action == "s3:PutObject":
        names = set(query or {})
        completes = "uploadId" in names and "partNumber" not in names
        keys["s3:ObjectCreationOperation"] = "true" if completes or not names & PARTS else "false"
        condition = (headers or {}).get("if-none-match")
        if condition:
            keys["s3:if-none-match"] = condition
    return keys


iam_actions.s3_service_context = context

plain_origin = app.pin_request_origin


def origin(address, _secure):
    """Nothing here is encrypted, and the buckets refuse what is not: 127.0.0.1 counts as if it were."""
    plain_origin(address, True)


app.pin_request_origin = origin

# What AWS grants a new account, in MiB: a settings file that asks for more is fine, and the update fails.
MEMORY = 3008

plain_update = lambda_svc._update_config


def update(name, data):
    if int(data.get("MemorySize", 0)) > MEMORY:
        message = f"'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to {MEMORY}"
        return error_response_json("InvalidParameterValueException", message, 400)
    return plain_update(name, data)


lambda_svc._update_config = update

sys.argv = ["ministack"]
app.main()
