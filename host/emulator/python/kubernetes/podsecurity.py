"""The pod security levels that a namespace's labels ask for: the checks that containers usually fail."""

from . import errors, resources

_LABEL = "pod-security.kubernetes.io/enforce"
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def _listed(word, names):
    return f"{word}{'s' if len(names) > 1 else ''} " + ", ".join(f'"{name}"' for name in names)


def _containers(spec):
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def _context(thing):
    return thing.get("securityContext") or {}


def _baseline(spec):
    shared = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    if shared:
        yield f"host namespaces ({', '.join(f'{key}=true' for key in shared)})"
    volumes = [volume["name"] for volume in spec.get("volumes") or [] if volume.get("hostPath") is not None]
    if volumes:
        yield f"hostPath volumes ({_listed('volume', volumes)})"
    ports = [container["name"] for container in _containers(spec) if any(port.get("hostPort") for port in container.get("ports") or [])]
    if ports:
        yield f"hostPort ({_listed('container', ports)} uses hostPort)"
    privileged = [container["name"] for container in _containers(spec) if _context(container).get("privileged")]
    if privileged:
        yield f"privileged ({_listed('container', privileged)} must not set securityContext.privileged=true)"


def _restricted(spec):
    def failing(is_good):
        return [container["name"] for container in _containers(spec) if not is_good(_context(container))]

    pod = _context(spec)
    found = failing(lambda context: context.get("allowPrivilegeEscalation") is False)
    if found:
        yield f"allowPrivilegeEscalation != false ({_listed('container', found)} must set securityContext.allowPrivilegeEscalation=false)"
    found = failing(lambda context: "ALL" in ((context.get("capabilities") or {}).get("drop") or []))
    if found:
        yield f'unrestricted capabilities ({_listed("container", found)} must set securityContext.capabilities.drop=["ALL"])'
    odd = [(volume["name"], kind) for volume in spec.get("volumes") or [] for kind in volume if kind != "name" and kind not in _VOLUMES]
    if odd:
        kinds = ", ".join(f'"{kind}"' for kind in sorted({kind for _, kind in odd}))
        yield f"restricted volume types ({_listed('volume', [name for name, _ in odd])} uses restricted volume type {kinds})"
    found = failing(lambda context: context.get("runAsNonRoot", pod.get("runAsNonRoot")) is True)
    if found:
        yield f"runAsNonRoot != true ({_listed('pod or container', found)} must set securityContext.runAsNonRoot=true)"
    found = failing(lambda context: context.get("runAsUser", pod.get("runAsUser")) != 0)
    if found:
        yield f"runAsUser=0 ({_listed('container', found)} must not set runAsUser=0)"
    found = failing(lambda context: ((context.get("seccompProfile") or pod.get("seccompProfile")) or {}).get("type") in ("RuntimeDefault", "Localhost"))
    if found:
        yield (f'seccompProfile ({_listed("pod or container", found)} must set securityContext.seccompProfile.type to '
               '"RuntimeDefault" or "Localhost")')


def check(store, resource, pod):
    """Raises Forbidden where a pod breaks the level of its namespace."""
    meta = pod["metadata"]
    space = store.get(resources.NAMESPACES.key, "", meta["namespace"]) or {"metadata": {}}
    level = (space["metadata"].get("labels") or {}).get(_LABEL)
    broken = []
    if level in ("baseline", "restricted"):
        broken += _baseline(pod["spec"])
    if level == "restricted":
        broken += _restricted(pod["spec"])
    if broken:
        raise errors.forbidden(resource, meta["name"], f'violates PodSecurity "{level}:latest": {", ".join(broken)}')
