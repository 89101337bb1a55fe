"""Who may do what: RBAC, as the API server's authorizer decides it, and EKS's access policies, which are
roles for the whole cluster or for some namespaces."""

from .errors import ApiError
from .roles import ROLES

_GROUP = "rbac.authorization.k8s.io"
_READ = ["get", "list", "watch"]
# What access policies allow, by the role that they are like.
POLICIES = {"AmazonEKSClusterAdminPolicy": "cluster-admin", "AmazonEKSAdminPolicy": "admin", "AmazonEKSEditPolicy": "edit",
            "AmazonEKSViewPolicy": "view"}
_MORE = {"AmazonEKSAdminViewPolicy": [{"apiGroups": ["*"], "resources": ["*"], "verbs": _READ}],
         "AmazonEKSSecretReaderPolicy": [{"apiGroups": [""], "resources": ["secrets"], "verbs": _READ}]}
_EVERYBODY = ("system:public-info-viewer",)
_AUTHENTICATED = ("system:basic-user", "system:discovery")


class User:
    """Somebody who asks. policies: names of access policies, each with its namespaces, or None for all."""

    def __init__(self, name, groups=(), policies=()):
        self.name, self.policies = name, list(policies)
        self.groups = {*groups, "system:authenticated"}


ANONYMOUS = User("system:anonymous")
ANONYMOUS.groups = {"system:unauthenticated"}


def check(store, user, verb, group, plural, sub="", namespace=None, name=None):
    """Raises Forbidden where the user may not do it."""
    resource = f"{plural}/{sub}" if sub else plural
    if any(_allows(rule, verb, group, resource, name) for rule in _rules(store, user, namespace)):
        return
    place = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    qualified = f"{plural}.{group}" if group else plural
    what = f'{qualified} "{name}"' if name else qualified
    details = {**({"name": name} if name else {}), **({"group": group} if group else {}), "kind": plural}
    raise ApiError(403, "Forbidden", f'{what} is forbidden: User "{user.name}" cannot {verb} resource "{resource}" in API group '
                   f'"{group}" {place}', details)


def check_path(store, user, verb, path):
    """As ``check``, for paths that are no resources."""
    for rule in _rules(store, user, None):
        urls = rule.get("nonResourceURLs") or []
        if _holds(rule, "verbs", verb) and any(url == path or url.endswith("*") and path.startswith(url[:-1]) for url in urls):
            return
    raise ApiError(403, "Forbidden", f'forbidden: User "{user.name}" cannot {verb} path "{path}"', {})


def _holds(rule, key, wanted):
    values = rule.get(key) or []
    return "*" in values or wanted in values


def _allows(rule, verb, group, resource, name):
    if not _holds(rule, "verbs", verb) or not _holds(rule, "apiGroups", group):
        return False
    plural, slash, sub = resource.partition("/")
    listed = rule.get("resources") or []
    if not ("*" in listed or resource in listed or slash and f"*/{sub}" in listed):
        return False
    names = rule.get("resourceNames")
    return not names or name in names


def _rules(store, user, namespace):
    """All rules that hold for a user in a namespace, or in the whole cluster."""
    if "system:masters" in user.groups:
        yield {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "nonResourceURLs": ["*"]}
    for policy, namespaces in user.policies:
        if namespaces is None or namespace in namespaces:
            yield from _MORE.get(policy) or ROLES.get(POLICIES.get(policy), [])
    for name in _EVERYBODY + (_AUTHENTICATED if "system:authenticated" in user.groups else ()):
        yield from ROLES[name]
    for binding in store.values((_GROUP, "clusterrolebindings")):
        if _is_bound(binding, user):
            yield from _cluster_role(store, binding["roleRef"]["name"])
    for binding in store.items((_GROUP, "rolebindings"), namespace) if namespace else ():
        if not _is_bound(binding, user):
            continue
        reference = binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            yield from _cluster_role(store, reference["name"])
        else:
            role = store.get((_GROUP, "roles"), namespace, reference["name"])
            yield from (role or {}).get("rules") or []


def _is_bound(binding, user):
    for subject in binding.get("subjects") or []:
        if subject["kind"] == "User" and subject["name"] == user.name or subject["kind"] == "Group" and subject["name"] in user.groups:
            return True
        account = f"system:serviceaccount:{subject.get('namespace')}:{subject['name']}"
        if subject["kind"] == "ServiceAccount" and account == user.name:
            return True
    return False


def _cluster_role(store, name):
    role = store.get((_GROUP, "clusterroles"), "", name)
    yield from (role or {}).get("rules") or []
    # Roles that say of themselves that they belong to this one.
    for other in store.values((_GROUP, "clusterroles")):
        labels = other["metadata"].get("labels") or {}
        if labels.get(f"{_GROUP}/aggregate-to-{name}") == "true":
            yield from other.get("rules") or []
