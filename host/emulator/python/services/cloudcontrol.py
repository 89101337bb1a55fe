"""The Cloud Control API for some types, each backed by moto's own service.

Not imitated: types of other publishers, hooks, the throttling of single types. A type's own service
is called at once; that it was is told in its time.
"""

import json
import os
import uuid

import boto3
from botocore.exceptions import ClientError

import pace

from .http import Refused


def client(service, region, access_key):
    """A client of the type's own service, which acts as the caller does."""
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{os.environ['MOTO_PORT']}",
        aws_access_key_id=access_key,
        aws_secret_access_key="testing",
    )


class Queue:
    name, create_only, service = "QueueName", {"QueueName", "FifoQueue"}, "sqs"

    def create(self, api, state):
        name = state.get("QueueName") or f"queue-{uuid.uuid4().hex[:12]}"
        return api.create_queue(QueueName=name, Attributes=self.attributes(state))["QueueUrl"]

    def attributes(self, state):
        known = ("DelaySeconds", "VisibilityTimeout", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds")
        return {key: str(state[key]) for key in known if key in state}

    def read(self, api, identifier):
        try:
            found = api.get_queue_attributes(QueueUrl=identifier, AttributeNames=["All"])["Attributes"]
        except api.exceptions.QueueDoesNotExist:
            return None
        numbers = {key: int(found[key]) for key in ("DelaySeconds", "VisibilityTimeout", "MessageRetentionPeriod") if key in found}
        return {"QueueUrl": identifier, "QueueName": identifier.rsplit("/", 1)[1], "Arn": found["QueueArn"], **numbers}

    def find(self, api, state):
        found = api.list_queues(QueueNamePrefix=state.get("QueueName", "\0")).get("QueueUrls", [])
        return next((url for url in found if url.endswith("/" + state.get("QueueName", "\0"))), None)

    def update(self, api, identifier, state):
        api.set_queue_attributes(QueueUrl=identifier, Attributes=self.attributes(state))

    def delete(self, api, identifier):
        api.delete_queue(QueueUrl=identifier)


class Topic:
    name, create_only, service = "TopicName", {"TopicName", "FifoTopic"}, "sns"

    def create(self, api, state):
        name = state.get("TopicName") or f"topic-{uuid.uuid4().hex[:12]}"
        arn = api.create_topic(Name=name)["TopicArn"]
        self.update(api, arn, state)
        return arn

    def read(self, api, identifier):
        try:
            found = api.get_topic_attributes(TopicArn=identifier)["Attributes"]
        except api.exceptions.NotFoundException:
            return None
        return {"TopicArn": identifier, "TopicName": identifier.rsplit(":", 1)[1], "DisplayName": found.get("DisplayName", "")}

    def find(self, api, state):
        wanted = ":" + state.get("TopicName", "\0")
        return next((t["TopicArn"] for t in api.list_topics()["Topics"] if t["TopicArn"].endswith(wanted)), None)

    def update(self, api, identifier, state):
        if "DisplayName" in state:
            api.set_topic_attributes(TopicArn=identifier, AttributeName="DisplayName", AttributeValue=state["DisplayName"])

    def delete(self, api, identifier):
        api.delete_topic(TopicArn=identifier)


class LogGroup:
    name, create_only, service = "LogGroupName", {"LogGroupName"}, "logs"

    def create(self, api, state):
        name = state.get("LogGroupName") or f"group-{uuid.uuid4().hex[:12]}"
        api.create_log_group(logGroupName=name)
        self.update(api, name, state)
        return name

    def read(self, api, identifier):
        all_groups = api.describe_log_groups(logGroupNamePrefix=identifier)["logGroups"]
        found = next((group for group in all_groups if group["logGroupName"] == identifier), None)
        if found is None:
            return None
        days = {"RetentionInDays": found["retentionInDays"]} if "retentionInDays" in found else {}
        return {"LogGroupName": identifier, "Arn": found["arn"], **days}

    def find(self, api, state):
        name = state.get("LogGroupName")
        return name if name and self.read(api, name) else None

    def update(self, api, identifier, state):
        if "RetentionInDays" in state:
            api.put_retention_policy(logGroupName=identifier, retentionInDays=state["RetentionInDays"])

    def delete(self, api, identifier):
        api.delete_log_group(logGroupName=identifier)


TYPES = {"AWS::SQS::Queue": Queue(), "AWS::SNS::Topic": Topic(), "AWS::Logs::LogGroup": LogGroup()}
requests = {}
tokens = {}


def reset():
    requests.clear()
    tokens.clear()


def handle(call):
    if call.target == "GetResourceRequestStatus":
        found, wait, under_way = requests.get(call.body.get("RequestToken"), (None, None, None))
        if found is None:
            raise Refused("RequestTokenNotFoundException", "There is no request with this token.", 404)
        over = wait.is_over()
        wait.look()
        return {"ProgressEvent": found if over else under_way}
    kind = TYPES.get(call.body.get("TypeName"))
    if kind is None:
        message = f"The type '{call.body.get('TypeName')}' cannot be found."
        raise Refused("TypeNotFoundException", message, 404)
    api = client(kind.service, call.region, call.access_key)
    work = {"CreateResource": create, "GetResource": get, "UpdateResource": update, "DeleteResource": delete}.get(call.target)
    if work is None:
        raise Refused("UnsupportedActionException", f"{call.target} is not imitated", 405)
    try:
        return work(call, kind, api)
    except ClientError as error:
        return told(call, error.response["Error"])


def told(call, error):
    """What the type's own service refuses, as Cloud Control tells it: in the answer to a look, otherwise in time."""
    if call.target == "GetResource":
        raise Refused("AccessDeniedException" if error["Code"].startswith("AccessDenied") else "GeneralServiceException", error["Message"])
    codes = (("AccessDenied", "AccessDenied"), ("NotFound", "NotFound"), ("NonExistent", "NotFound"), ("Exists", "AlreadyExists"), ("Throttl", "Throttling"))
    code = next((code for part, code in codes if part in error["Code"]), "GeneralServiceException")
    return progress(call, call.target.removesuffix("Resource").upper(), call.body.get("Identifier"), code, error["Message"])


def progress(call, verb, identifier=None, error=None, message=None):
    """Takes a request in; it is under way in the answer, and done when it is asked for."""
    token = str(uuid.uuid4())
    event = {"TypeName": call.body["TypeName"], "RequestToken": token, "Operation": verb, "EventTime": 0}
    done = {**event, "OperationStatus": "FAILED" if error else "SUCCESS"}
    for key, value in (("Identifier", identifier), ("ErrorCode", error), ("StatusMessage", message)):
        if value:
            done[key] = value
    under_way = {**event, "OperationStatus": "IN_PROGRESS"}
    requests[token] = (done, pace.Wait("request"), under_way)
    return {"ProgressEvent": under_way}


def create(call, kind, api):
    state = json.loads(call.body["DesiredState"])
    client_token = (call.account, call.region, call.body.get("ClientToken"))
    if client_token[2] and client_token in tokens:
        return tokens[client_token]
    if kind.find(api, state):
        result = progress(call, "CREATE", None, "AlreadyExists", f"Resource of type '{call.body['TypeName']}' with identifier '{state[kind.name]}' already exists.")
    else:
        result = progress(call, "CREATE", kind.create(api, state))
    if client_token[2]:
        tokens[client_token] = result
    return result


def existing(call, kind, api):
    identifier = call.body["Identifier"]
    found = kind.read(api, identifier)
    if found is None:
        message = f"Resource of type '{call.body['TypeName']}' with identifier '{identifier}' was not found."
        raise Refused("ResourceNotFoundException", message, 404)
    return identifier, found


def get(call, kind, api):
    identifier, found = existing(call, kind, api)
    description = {"Identifier": identifier, "Properties": json.dumps(found)}
    return {"TypeName": call.body["TypeName"], "ResourceDescription": description}


def update(call, kind, api):
    identifier, found = existing(call, kind, api)
    state = {}
    for change in json.loads(call.body["PatchDocument"]):
        key = change["path"].lstrip("/").split("/")[0]
        if key in kind.create_only:
            return progress(call, "UPDATE", identifier, "NotUpdatable", f"Invalid patch update: createOnlyProperties [/properties/{key}] cannot be updated")
        if change["op"] != "remove":
            state[key] = change["value"]
    kind.update(api, identifier, state)
    return progress(call, "UPDATE", identifier)


def delete(call, kind, api):
    identifier, _ = existing(call, kind, api)
    kind.delete(api, identifier)
    return progress(call, "DELETE", identifier)
