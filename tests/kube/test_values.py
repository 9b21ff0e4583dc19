"""The values file for Zero to JupyterHub: what the chart makes of it configures a spawner that works."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from p2m_spawner.kube_spawner import BlenderKubeSpawner

from .conftest import MakeSpawner
from .restricted import violations
from .schemas import check

FOLDER = Path(__file__).resolve().parents[2] / "deploy/kubernetes"


def documents(name: str) -> list[dict[str, Any]]:
    return list(YAML(typ="safe", pure=True).load_all((FOLDER / name).read_text()))


def as_the_chart_does(values: dict[str, Any]) -> dict[str, Any]:
    """Traits that the chart's jupyterhub_config.py (4.4.0) sets of these values, and of its own defaults."""
    user = values["singleuser"]
    name = "volume-{user_server}"
    mount = {"mountPath": user["storage"]["homeMountPath"], "name": name, "subPath": None}
    return {
        "image": f"{user['image']['name']}:{user['image']['tag']}",
        "cmd": user["cmd"],
        "default_url": user["defaultUrl"],
        "start_timeout": user["startTimeout"],
        "uid": user["uid"],
        "fs_gid": user["fsGid"],
        "allow_privilege_escalation": False,
        "extra_labels": {"hub.jupyter.org/network-access-hub": "true"},
        "common_labels": {"app": "jupyterhub", "release": "p2m", "app.kubernetes.io/managed-by": "kubespawner"},
        "mem_limit": user["memory"]["limit"],
        "mem_guarantee": user["memory"]["guarantee"],
        "cpu_limit": user["cpu"]["limit"],
        "cpu_guarantee": user["cpu"]["guarantee"],
        "storage_pvc_ensure": True,
        "storage_capacity": user["storage"]["capacity"],
        "storage_access_modes": ["ReadWriteOnce"],
        "pvc_name_template": user["storage"]["dynamic"]["pvcNameTemplate"],
        "volumes": {name: {"name": name, "persistentVolumeClaim": {"claimName": "{pvc_name}"}}},
        "volume_mounts": {name: mount},
        "profile_list": [],
        "init_containers": [],
        "extra_containers": [],
        "extra_pod_config": {},
        **values["hub"]["config"]["BlenderSpawnerMixin"],
        **values["hub"]["config"]["BlenderKubeSpawner"],
    }


async def test_each_profile_of_the_values_makes_a_restricted_pod(make_spawner: MakeSpawner):
    (values,) = documents("values.yaml")
    assert values["hub"]["config"]["JupyterHub"]["spawner_class"] == "blender-kube"
    assert values["singleuser"]["cloudMetadata"]["blockWithIptables"] is False
    traits = as_the_chart_does(values)
    for profile in traits["profiles"]:
        spawner = make_spawner(name=profile["name"], groups=("artists",), **traits)
        await spawner.apply_options({"profile": profile["name"]})
        pod = spawner.api.api_client.sanitize_for_serialization(await spawner.get_pod_manifest())
        claim = spawner.api.api_client.sanitize_for_serialization(spawner.get_pvc_manifest())
        for manifest in (pod, claim):
            check(manifest)
        assert violations(pod) == []
        assert claim["metadata"]["name"] == f"p2m-{profile['name']}"
        assert pod["spec"]["containers"][0]["resources"]["limits"].get("nvidia.com/gpu") == (
            "1" if profile["name"] == "render" else None
        )


def test_the_values_set_only_traits_that_there_are():
    (values,) = documents("values.yaml")
    for section in ("BlenderSpawnerMixin", "BlenderKubeSpawner"):
        assert set(values["hub"]["config"][section]) <= set(BlenderKubeSpawner.class_trait_names(config=True))


def test_what_is_applied_beside_the_chart_keeps_to_the_schemas():
    found = [each for name in ("namespace.yaml", "hub-reads-logs.yaml") for each in documents(name)]
    assert [each["kind"] for each in found] == ["Namespace", "Role", "RoleBinding"]
    for each in found:
        check(each)
    assert found[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
