"""The profile *restricted* of the Pod Security Standards, rule by rule, as data that a manifest is held against.

Source: kubernetes.io/docs/concepts/security/pod-security-standards/ (*baseline* and *restricted*), read for Linux pods.
Each rule says what it forbids; a manifest that keeps to all gives no violation.
"""

from collections.abc import Callable, Iterator
from typing import Any

Pod = dict[str, Any]

VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
}
SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes",),
}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def containers(pod: Pod) -> Iterator[dict[str, Any]]:
    for group in ("containers", "initContainers", "ephemeralContainers"):
        yield from pod["spec"].get(group) or []


def contexts(pod: Pod) -> Iterator[dict[str, Any]]:
    """The security context of the pod, then those of its containers."""
    yield pod["spec"].get("securityContext") or {}
    yield from of_containers(pod)


def of_containers(pod: Pod) -> list[dict[str, Any]]:
    return [container.get("securityContext") or {} for container in containers(pod)]


def _either(pod: Pod, key: str, fine: Callable[[Any], bool]) -> bool:
    """Whether each container says a fine thing, or says nothing where the pod does."""
    of_pod = (pod["spec"].get("securityContext") or {}).get(key)
    return all(fine(each.get(key, of_pod)) for each in of_containers(pod))


def _added(pod: Pod) -> set[str]:
    return {name for each in of_containers(pod) for name in (each.get("capabilities") or {}).get("add") or []}


def _handlers(pod: Pod) -> Iterator[dict[str, Any]]:
    for container in containers(pod):
        yield from (
            container[probe] for probe in ("livenessProbe", "readinessProbe", "startupProbe") if probe in container
        )
        yield from (handler for handler in (container.get("lifecycle") or {}).values() if isinstance(handler, dict))


def _seccomp(profile: Any) -> bool:
    return (profile or {}).get("type") in ("RuntimeDefault", "Localhost")


RULES: dict[str, Callable[[Pod], bool]] = {
    # Baseline
    "hostProcess": lambda pod: not any((each.get("windowsOptions") or {}).get("hostProcess") for each in contexts(pod)),
    "host namespaces": lambda pod: not any(pod["spec"].get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
    "privileged": lambda pod: not any(each.get("privileged") for each in of_containers(pod)),
    "capabilities.add": lambda pod: _added(pod) <= {"NET_BIND_SERVICE"},
    "hostPath volumes": lambda pod: not any("hostPath" in volume for volume in pod["spec"].get("volumes") or []),
    "host ports": lambda pod: (
        not any(port.get("hostPort") for each in containers(pod) for port in each.get("ports") or [])
    ),
    "host of probes and hooks": lambda pod: (
        not any(
            (handler.get(kind) or {}).get("host") for handler in _handlers(pod) for kind in ("httpGet", "tcpSocket")
        )
    ),
    "AppArmor": lambda pod: (
        all(
            (each.get("appArmorProfile") or {}).get("type", "RuntimeDefault") in ("RuntimeDefault", "Localhost")
            for each in contexts(pod)
        )
        and all(
            value in ("", "runtime/default") or value.startswith("localhost/")
            for key, value in (pod["metadata"].get("annotations") or {}).items()
            if key.startswith("container.apparmor.security.beta.kubernetes.io/")
        )
    ),
    "SELinux": lambda pod: all(
        (each.get("seLinuxOptions") or {}).get("type", "") in SELINUX_TYPES
        and not (each.get("seLinuxOptions") or {}).get("user")
        and not (each.get("seLinuxOptions") or {}).get("role")
        for each in contexts(pod)
    ),
    "procMount": lambda pod: all(each.get("procMount", "Default") == "Default" for each in of_containers(pod)),
    "sysctls": lambda pod: (
        {each["name"] for each in (pod["spec"].get("securityContext") or {}).get("sysctls") or []} <= SYSCTLS
    ),
    # Restricted
    "volume types": lambda pod: all(set(volume) - {"name"} <= VOLUMES for volume in pod["spec"].get("volumes") or []),
    "allowPrivilegeEscalation != false": lambda pod: all(
        each.get("allowPrivilegeEscalation") is False for each in of_containers(pod)
    ),
    "runAsNonRoot != true": lambda pod: _either(pod, "runAsNonRoot", lambda value: value is True),
    "runAsUser=0": lambda pod: all(each.get("runAsUser") != 0 for each in contexts(pod)),
    "seccompProfile": lambda pod: (
        _either(pod, "seccompProfile", _seccomp)
        and all(_seccomp(each["seccompProfile"]) for each in contexts(pod) if "seccompProfile" in each)
    ),
    "unrestricted capabilities": lambda pod: all(
        "ALL" in ((each.get("capabilities") or {}).get("drop") or []) for each in of_containers(pod)
    ),
}


def violations(pod: Pod) -> list[str]:
    """Names of the rules that a pod breaks."""
    return [name for name, keeps in RULES.items() if not keeps(pod)]
