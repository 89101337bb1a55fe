"""The Kubernetes APIs of the emulated clusters, and who is let in.

With LLMHOST_EMULATOR_CONTROL_PLANE, the address of a control plane of tests/conformance, clusters have
a real API server, which asks here who a token belongs to and what nodes there are.

A token is checked as EKS checks it: a presigned GetCallerIdentity, signed for this cluster's name by
a key that the emulator knows, at most fifteen minutes ago, of somebody with an access entry.
"""

import base64
import datetime
import hashlib
import hmac
import json
import os
import ssl
import threading
import urllib.error
import urllib.request
from urllib.parse import parse_qsl, quote, urlsplit

import kubernetes
from werkzeug.wrappers import Request, Response

import tls
from kubernetes.authorize import User
from services import eks, world

# Before the paths of a cluster's API, where a proxy passes requests to it on.
PREFIX = "/llmhost-kubernetes/"
# Before the paths by which a real API server asks about its cluster.
ASKED = "/llmhost-emulator/clusters/"
CONTROL_PLANE = os.environ.get("LLMHOST_EMULATOR_CONTROL_PLANE")
# Who has an access policy for the whole cluster is in a group of its name; the control plane gives it a role.
GROUP = "eks-access-policy:"

apis = {}
endpoints = {}
lock = threading.Lock()


def start(host, uid):
    """Listens for a cluster's API server; gives its address and its authority."""
    is_proxy = host.rpartition(":")[2] != os.environ.get("MOTO_PORT")
    if CONTROL_PLANE:
        asked = {"uid": uid, "authority": f"http://127.0.0.1:{os.environ['MOTO_PORT']}{ASKED}{uid}"}
        made = json.load(urllib.request.urlopen(f"{CONTROL_PLANE}/clusters", json.dumps(asked).encode()))
        if not is_proxy:
            return made["endpoint"], base64.b64encode(made["certificate"].encode()).decode()
        apis[uid] = Real(made["endpoint"], made["certificate"])
    if is_proxy:
        serve = tls.Relay(host, PREFIX + uid)
    else:
        serve = tls.Application(lambda environ, start_response: handle(environ, start_response, uid, environ["PATH_INFO"]))
    endpoints[uid] = tls.Endpoint(serve)
    return endpoints[uid].url, endpoints[uid].authority


class Real:
    """A real API server, for those who ask for it through a proxy."""

    def __init__(self, endpoint, certificate):
        self.endpoint, self.trusted = endpoint, ssl.create_default_context(cadata=certificate)

    def handle(self, request, path):
        query = f"?{request.query_string.decode()}" if request.query_string else ""
        headers = {name: value for name, value in request.headers if name not in ("Host", "Connection", "Content-Length")}
        asked = urllib.request.Request(self.endpoint + quote(path) + query, request.get_data() or None, headers, method=request.method)
        try:
            answer = urllib.request.urlopen(asked, context=self.trusted)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            kept = [(name, value) for name, value in answer.headers.items() if name not in ("Transfer-Encoding", "Connection", "Content-Length")]
            return Response(answer.read(), answer.status, kept)


def forget(uid):
    apis.pop(uid, None)
    endpoint = endpoints.pop(uid, None)
    if endpoint:
        endpoint.close()
    if CONTROL_PLANE:
        urllib.request.urlopen(urllib.request.Request(f"{CONTROL_PLANE}/clusters/{uid}", method="DELETE"))


def asked(uid, what, review):
    """What a real API server asks about its cluster: its nodes, or who a token belongs to."""
    cluster = of(uid)
    if what == "nodes":
        return eks.nodes(cluster) if cluster else []
    entry = identity(cluster, review["spec"].get("token")) if cluster else None
    status = {"authenticated": entry is not None}
    if entry:
        policies = [arn.rpartition("/")[2] for arn, scope in entry["policies"].items() if scope["type"] == "cluster"]
        groups = [*entry["kubernetesGroups"], *(GROUP + name for name in policies)]
        status["user"] = {"username": entry["username"], "groups": groups}
    return {"apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status}


def user(entry):
    """Whoever an access entry is for, to the emulated API server."""
    if entry is None:
        return None
    policies = [(arn.rpartition("/")[2], None if scope["type"] == "cluster" else scope["namespaces"]) for arn, scope in entry["policies"].items()]
    return User(entry["username"], entry["kubernetesGroups"], policies)


def of(uid):
    return next((cluster for cluster in eks.clusters.values() if cluster["uid"] == uid), None)


def handle(environ, start_response, uid, path):
    found = of(uid)
    if found is None:
        start_response("404 Not Found", [("Content-Length", "0")])
        return [b""]
    with lock:
        if uid not in apis:
            apis[uid] = kubernetes.Cluster(
                version=found["version"], nodes=lambda: eks.nodes(found), authenticate=lambda token: user(identity(found, token))
            )
    return apis[uid].handle(Request(environ), path)(environ, start_response)


def identity(cluster, token):
    """The access entry of the user behind a token, or nothing."""
    account, region = cluster["arn"].split(":")[4], cluster["arn"].split(":")[3]
    if not token or not token.startswith("k8s-aws-v1."):
        return None
    encoded = token.removeprefix("k8s-aws-v1.")
    try:
        url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        return None
    key = signer(account, region, cluster["name"], url)
    principal = key and world.principal(account, key)
    entry = cluster["entries"].get(principal)
    if entry is None or not (entry["policies"] or entry["kubernetesGroups"]):
        return None
    return entry


def signer(account, region, cluster, url):
    """The access key that signed a token for this cluster, where the signature is good."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.hostname not in ("sts.amazonaws.com", f"sts.{region}.{world.domain(region)}") or query.get("Action") != "GetCallerIdentity":
        return None
    try:
        key, date, of_region, service, _ = query["X-Amz-Credential"].split("/")
        signed_at = datetime.datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    except (KeyError, ValueError):
        return None
    if abs(datetime.datetime.utcnow() - signed_at) > datetime.timedelta(minutes=15) or service != "sts":
        return None
    if query.get("X-Amz-SignedHeaders") != "host;x-k8s-aws-id":
        return None
    secret = secret_of(account, key)
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in query.items() if k != "X-Amz-Signature")
    canonical = "\n".join([
        "GET", parts.path or "/", "&".join(f"{k}={v}" for k, v in pairs),
        f"host:{parts.hostname}\nx-k8s-aws-id:{cluster}\n", "host;x-k8s-aws-id", hashlib.sha256(b"").hexdigest(),
    ])
    scope = f"{date}/{of_region}/sts/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    step = ("AWS4" + secret).encode()
    for part in (date, of_region, "sts", "aws4_request"):
        step = hmac.new(step, part.encode(), hashlib.sha256).digest()
    good = hmac.new(step, to_sign.encode(), hashlib.sha256).hexdigest()
    return key if hmac.compare_digest(good, query.get("X-Amz-Signature", "")) else None


def secret_of(account, key):
    """The secret of a key: a user's, a session's, or the emulator's own."""
    for user in world.users(account):
        for known in user.access_keys:
            if known.access_key_id == key:
                return known.secret_access_key
    session = world.session(account, key)
    if session:
        return session.secret_access_key
    return os.environ.get("LLMHOST_EMULATOR_SECRET", "testing")
