"""Asks AWS, or its emulator: one JSON request a line on stdin, one JSON answer a line on stdout.

    {"service": "stepfunctions", "operation": "list_executions", "arguments": {…}}
    {"service": "s3", "operation": "put_object", "arguments": {…}, "role": "arn:aws:iam::…"}

gives {"answer": {…}} or {"error": "AccessDenied", "message": "…"}. With a role, it is asked as that role.
"""

import base64
import json
import sys

import boto3
from botocore.exceptions import ClientError, ParamValidationError
from botocore.response import StreamingBody

sessions = {None: boto3.session.Session()}


def session(role):
    if role not in sessions:
        taken = sessions[None].client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        sessions[role] = boto3.session.Session(taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])
    return sessions[role]


def plain(value):
    if isinstance(value, StreamingBody):
        value = value.read()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return str(value)


for line in sys.stdin:
    request = json.loads(line)
    try:
        client = session(request.get("role")).client(request["service"])
        answer = getattr(client, request["operation"])(**request.get("arguments", {}))
        answer.pop("ResponseMetadata", None)
        said = {"answer": answer}
    except ClientError as error:
        said = {"error": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]}
    except ParamValidationError as error:
        said = {"error": "ParamValidation", "message": str(error)}
    print(json.dumps(said, default=plain), flush=True)
