"""Requests that take a while, as Cloud Control tells of them, and the tokens by which one is sent again."""

import functools
import json
import time
import uuid

import pace

from ..http import Refused

requests = {}
# By account, region and the client's token: what was asked, and what was answered.
tokens = {}


def status(call):
    found, wait, under_way = requests.get(call.body.get("RequestToken"), (None, None, None))
    if found is None:
        raise Refused("RequestTokenNotFoundException", "There is no request with this token.", 404)
    over = wait.is_over()
    wait.look()
    return {"ProgressEvent": found if over else under_way}


def conclude(call, verb, identifier=None, error=None, message=None):
    """Takes a request in. What it does is done at once; the answer says that it is under way, and whoever asks for
    its status is told in its time."""
    token = str(uuid.uuid4())
    event = {"TypeName": call.body["TypeName"], "RequestToken": token, "Operation": verb, "EventTime": time.time()}
    done = {**event, "OperationStatus": "FAILED" if error else "SUCCESS"}
    for key, value in (("Identifier", identifier), ("ErrorCode", error), ("StatusMessage", message)):
        if value:
            done[key] = value
    under_way = {**event, "OperationStatus": "IN_PROGRESS"}
    requests[token] = (done, pace.Wait("request"), under_way)
    return {"ProgressEvent": under_way}


def under_token(work):
    """The same request with the same token is the same operation; another request with it is refused."""

    @functools.wraps(work)
    def once(call, of):
        token = call.body.get("ClientToken")
        if not token:
            return work(call, of)
        key, asked = (call.account, call.region, token), (call.target, json.dumps(call.body, sort_keys=True))
        before, answered = tokens.get(key, (asked, None))
        if before != asked:
            message = f"The client token '{token}' was used for another request."
            raise Refused("ClientTokenConflictException", message, 409)
        if answered is None:
            answered = work(call, of)
            tokens[key] = (asked, answered)
        return answered

    return once
