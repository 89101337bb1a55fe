"""Sends the same requests to the emulated API server and to a real one, and prints what differs.

Usage: compare.py CONTROL-PLANE-URL [PAGE]; the environment is the emulator's. With PAGE, the table is
written into that Markdown file, too. Ends with 1 where a difference is not in GAPS, or a gap is closed.
"""

import copy
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(REPOSITORY / "host/emulator/tests")]

import served  # noqa: E402
from requests_table import GAPS, REQUESTS  # noqa: E402

# What no two servers answer alike.
VOLATILE = {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "time", "selfLink", "lastTransitionTime",
            "lastUpdateTime", "lastProbeTime", "clusterIP", "clusterIPs", "nodePort", "startTime", "completionTime",
            "retryAfterSeconds", "continue", "remainingItemCount", "observedGeneration"}
PATIENCE = 20
TESTS = "## Tests that run on both"


class Side:
    """A cluster, behind EKS as llmhost sees it."""

    def __init__(self, control_plane):
        os.environ.pop("LLMHOST_EMULATOR_CONTROL_PLANE", None)
        if control_plane:
            os.environ["LLMHOST_EMULATOR_CONTROL_PLANE"] = control_plane
        self.server = served.Server()
        self.world = served.World(self.server)
        self.cluster = self.world.cluster()
        self.world.group("cpu", scalingConfig={"minSize": 1, "maxSize": 2, "desiredSize": 1})
        self.trusted = served.trusting(self.cluster)
        iam = self.server.client("iam")
        self.tokens = {"admin": self.world.token(), "nobody": "k8s-aws-v1.bm9ib2R5", "other cluster": self.world.token("other")}
        self.tokens["expired"] = self.world.token(age=16 * 60)
        for name, policy in (("viewer", "AmazonEKSViewPolicy"), ("editor", "AmazonEKSEditPolicy"), ("grouped", None)):
            arn = iam.create_user(UserName=name)["User"]["Arn"]
            key = iam.create_access_key(UserName=name)["AccessKey"]
            groups = {} if policy else {"kubernetesGroups": ["readers"]}
            self.world.eks.create_access_entry(clusterName="llm", principalArn=arn, **groups)
            if policy:
                self.world.eks.associate_access_policy(
                    clusterName="llm", principalArn=arn, policyArn=f"arn:aws:eks::aws:cluster-access-policy/{policy}",
                    accessScope={"type": "cluster"})
            self.tokens[name] = self.world.token(key=(key["AccessKeyId"], key["SecretAccessKey"]))

    def ask(self, request):
        """Status and body, once it is as the request waits for."""
        until = time.monotonic() + PATIENCE
        while True:
            answer = self.once(request)
            status, body = answer
            is_done = request.get("until", lambda *_: True)(status, body if isinstance(body, dict) else {})
            if is_done or time.monotonic() > until:
                return answer
            time.sleep(0.1)

    def once(self, request):
        body = request.get("body")
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        asked = urllib.request.Request(self.cluster["endpoint"] + request["path"], data, method=request["method"])
        asked.add_header("User-Agent", "conformance/1.0")
        if request.get("as", "admin") != "no token":
            asked.add_header("Authorization", "Bearer " + self.tokens[request.get("as", "admin")])
        if data is not None:
            asked.add_header("Content-Type", request.get("type", "application/json"))
        for name, value in request.get("headers", {}).items():
            asked.add_header(name, value)
        try:
            with urllib.request.urlopen(asked, context=self.trusted, timeout=30) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace").strip()

    def stop(self):
        self.server.reset()
        self.server.stop()


def steady(value, request):
    """An answer without what is another one each time."""
    ignored = VOLATILE | set(request.get("ignore", ()))
    if isinstance(value, dict):
        return {key: steady(part, request) for key, part in value.items() if key not in ignored}
    if isinstance(value, list):
        parts = [steady(part, request) for part in value]
        if parts and all(isinstance(part, dict) and "manager" in part for part in parts):
            parts.sort(key=lambda part: (part["manager"], part.get("operation", ""), part.get("subresource", "")))
        if parts and all(isinstance(part, dict) and {"type", "status"} <= set(part) for part in parts):
            parts.sort(key=lambda part: part["type"])
        return parts
    return value


def differences(one, two, path=""):
    """Where two values differ: (path, emulated, real)."""
    if isinstance(one, dict) and isinstance(two, dict):
        for key in sorted({*one, *two}):
            if key not in one or key not in two:
                yield f"{path}.{key}", one.get(key, "(absent)"), two.get(key, "(absent)")
            else:
                yield from differences(one[key], two[key], f"{path}.{key}")
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for at, pair in enumerate(zip(one, two)):
            yield from differences(*pair, f"{path}[{at}]")
    elif one != two:
        yield path, one, two


def compared(sides, request):
    emulated, real = (side.ask(copy.copy(request)) for side in sides)
    found = []
    if emulated[0] != real[0]:
        found.append(("status", emulated[0], real[0]))
    pick = request.get("pick", lambda body: body)
    pair = []
    for _, body in (emulated, real):
        try:
            pair.append(steady(pick(body), request))
        except (KeyError, IndexError, TypeError, AttributeError):
            pair.append(f"cannot be picked from {json.dumps(body)[:300]}")
    found += differences(*pair)
    return real, found


def short(value):
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    text = text.replace("|", "\\|").replace("\n", " ")
    return text if len(text) < 1200 else text[:1200] + "…"


def main(control_plane, page=None):
    sides = [Side(None), Side(control_plane)]
    rows, wrong, used = [], [], set()
    try:
        for request in REQUESTS:
            (status, body), found = compared(sides, request)
            name = request["name"]
            said = body.get("reason") or body.get("kind") or "" if isinstance(body, dict) else ""
            gap = GAPS.get(name)
            if found and gap:
                used.add(name)
            elif found:
                wrong.append(name)
            verdict = "same" if not found else f"gap: {gap}" if gap else "**differs**"
            rows.append((name, f"{request['method']} {request['path'].partition('?')[0]}", f"{status} {said}", verdict))
            print(f"{'  ' if not found else '! ' if not gap else '~ '}{name}: {status} {said}", flush=True)
            for path, emulated, real in found:
                print(f"      {path}: emulated {short(emulated)}, real {short(real)}", flush=True)
    finally:
        for side in sides:
            side.stop()
    closed = [name for name in GAPS if name not in used]
    same = sum(row[3] == "same" for row in rows)
    print(f"{len(rows)} requests: {same} answered alike, {len(used)} known gaps, {len(wrong)} differences")
    for name in closed:
        print(f"the gap '{name}' is closed, or its request no longer exists: take it off the list")
    if page:
        # The rest is written by those who run the tests.
        _, heading, rest = Path(page).read_text().partition(TESTS)
        Path(page).write_text(written(rows, same) + (f"\n{heading}{rest}" if heading else ""))
    return 1 if wrong or closed else 0


def written(rows, same):
    lines = [
        "# The emulated API server beside a real one", "",
        "Written by `cargo xtask conformance`: each request is sent to the emulated API server and to a real kube-apiserver",
        "(with kube-controller-manager, kube-scheduler and etcd, built from their Go modules), and status, reason, message and the",
        f"whole body are compared. {same} of {len(rows)} are answered alike. What is different is a gap; the gaps of the emulator as a",
        "whole are in [emulator.md](emulator.md).", "",
        "| request | sent | the real one answers | the emulated one |", "|---|---|---|---|",
    ]
    lines += [f"| {name} | `{sent}` | {said.strip()} | {verdict} |" for name, sent, said, verdict in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
