"""Manifests over a table of configurations: they keep to the API's own schemas, and pods to *restricted*."""

from typing import Any

import pytest
from jsonschema import ValidationError
from jupyterhub.spawner import SpawnException
from kubernetes_asyncio.client import V1PodSpec, V1SecurityContext
from kubespawner.objects import make_owner_reference

from p2m_spawner.kube_manifest import confine
from p2m_spawner.kube_profiles import in_kubespawner_terms
from p2m_spawner.kube_spawner import BlenderKubeSpawner
from p2m_spawner.profiles import Profiles

from .conftest import MakeSpawner
from .restricted import RULES, violations
from .schemas import RELEASES, check

PROFILES: list[dict[str, Any]] = [
    {"name": "standard", "memory": "4G", "cpus": 2, "default": True},
    {"name": "small", "title": "Small", "memory": "512M", "cpus": 0.5, "blender_mode": "headless"},
    {
        **{"name": "render", "groups": ["artists"], "memory": "16G", "gpus": 2, "image": "studio/render:4"},
        "assets": [{"source": "class-assets", "path": "/home/blender/assets"}],
    },
]

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "named server": {"server": "Second One!"},
    "odd name": {"name": "Zoë.O'Hara@example.org" + 40 * "x"},
    "services": {"services_enabled": True},
    "long hub id": {"hub_id": "/srv/hubs/" + 80 * "x"},
    "headless": {"blender_mode": "headless", "mcp_mode": "read-only"},
    "no limits": {"mem_limit": None, "cpu_limit": None, "mem_guarantee": None, "cpu_guarantee": None},
    "small profile": {"profiles": PROFILES, "profile": "small"},
    "GPU profile": {"profiles": PROFILES, "profile": "render", "groups": ("artists",)},
    "another GPU": {"profiles": [{"name": "amd", "gpus": 1}], "gpu_resource": "amd.com/gpu"},
    "storage": {
        **{"storage_class": "fast", "storage_capacity": "50Gi", "storage_access_modes": ["ReadWriteMany"]},
        "storage_selector": {"matchLabels": {"tier": "ssd"}},
    },
    "own volumes": {
        "volumes": {
            "home": {"name": "home", "persistentVolumeClaim": {"claimName": "shared-homes"}},
            "tmp": {"name": "big-tmp", "emptyDir": {"sizeLimit": "50Gi"}},
        },
        "volume_mounts": {
            "home": {"name": "home", "mountPath": "/home/blender/", "subPath": "{user_server}"},
            "tmp": {"name": "big-tmp", "mountPath": "/tmp"},
        },
    },
    "scheduling": {
        "node_selector": {"pool": "blender"},
        "tolerations": [{"key": "blender", "operator": "Exists", "effect": "NoSchedule"}],
        "node_affinity_required": [{"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}],
        "priority_class_name": "users",
        "scheduler_name": "user-scheduler",
    },
    "registry": {"image": "registry.example.org/p2m:1", "image_pull_secrets": ["pull"], "image_pull_policy": "Always"},
    "own contexts": {
        "container_security_context": {"runAsUser": 2000},
        "pod_security_context": {
            "supplementalGroups": [300],
            "seccompProfile": {"type": "Localhost", "localhostProfile": "p"},
        },
    },
    "own probe": {"extra_container_config": {"livenessProbe": {"exec": {"command": ["p2m-healthcheck"]}}}},
    "pod options": {"extra_pod_config": {"terminationGracePeriodSeconds": 60, "hostUsers": False}},
    "environment": {
        "environment": {"LANG": "de_DE.UTF-8", "SECRET": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}}
    },
}


async def manifests(make_spawner: MakeSpawner, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Pod, claim and service that a spawner with these options asks for."""
    options = dict(options)
    profile = options.pop("profile", None)
    spawner = make_spawner(**options)
    await spawner.apply_options({"profile": profile} if profile else {})
    made = [
        await spawner.get_pod_manifest(),
        spawner.get_pvc_manifest(),
        spawner.get_service_manifest(make_owner_reference(spawner.pod_name, "uid"), 8888),
    ]
    kinds = ["Pod", "PersistentVolumeClaim", "Service"]
    plain = [spawner.api.api_client.sanitize_for_serialization(each) for each in made]
    return [{**each, "apiVersion": "v1", "kind": kind} for each, kind in zip(plain, kinds, strict=True)]


async def pod_of(make_spawner: MakeSpawner, **options: Any) -> dict[str, Any]:
    return (await manifests(make_spawner, options))[0]


def container_of(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["spec"]["containers"]
    return dict(container)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
async def test_manifests_keep_to_the_schemas_of_each_release_and_pods_to_restricted(
    make_spawner: MakeSpawner, configuration: str
):
    made = await manifests(make_spawner, CONFIGURATIONS[configuration])
    for manifest in made:
        for release in (RELEASES[0], "1.32", RELEASES[-1]):
            if "hostUsers" in manifest["spec"] and release == RELEASES[0]:
                continue  # younger than that
            check(manifest, release)
    assert violations(made[0]) == []


def test_the_schemas_reach_from_old_to_new_releases():
    assert {"1.28", "1.32", "1.33"} <= set(RELEASES)


async def test_a_mistake_in_an_operators_option_is_no_manifest(make_spawner: MakeSpawner):
    with pytest.raises(ValidationError):
        pod = await pod_of(make_spawner, extra_pod_config={"terminationGracePeriodSeconds": "soon"})
        check(pod)


BREACHES: dict[str, dict[str, Any]] = {
    "hostProcess": {"pod_security_context": {"windowsOptions": {"hostProcess": True}}},
    "host namespaces": {"extra_pod_config": {"hostNetwork": True}},
    "privileged": {"privileged": True},
    "capabilities.add": {"container_security_context": {"capabilities": {"add": ["SYS_ADMIN"]}}},
    "hostPath volumes": {"volumes": [{"name": "home", "hostPath": {"path": "/srv"}}]},
    "host ports": {"extra_container_config": {"ports": [{"containerPort": 8888, "hostPort": 8888}]}},
    "host of probes and hooks": {
        "lifecycle_hooks": {"postStart": {"httpGet": {"host": "10.0.0.1", "port": 80, "path": "/"}}}
    },
    "AppArmor": {"pod_security_context": {"appArmorProfile": {"type": "Unconfined"}}},
    "SELinux": {"container_security_context": {"seLinuxOptions": {"type": "spc_t"}}},
    "procMount": {"container_security_context": {"procMount": "Unmasked"}},
    "sysctls": {"pod_security_context": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
    "volume types": {"volumes": [{"name": "home", "nfs": {"server": "nfs", "path": "/"}}]},
    "allowPrivilegeEscalation != false": {"container_security_context": {"allowPrivilegeEscalation": True}},
    "runAsNonRoot != true": {"container_security_context": {"runAsNonRoot": False}},
    "runAsUser=0": {"container_security_context": {"runAsUser": 0}},
    "seccompProfile": {"container_security_context": {"seccompProfile": {"type": "Unconfined"}}},
    "unrestricted capabilities": {"container_security_context": {"capabilities": {"drop": ["NET_RAW"]}}},
}
"""What an operator would have to set to break each rule of *restricted*."""


async def test_every_rule_of_restricted_is_checked_and_kept(make_spawner: MakeSpawner):
    assert set(BREACHES) == set(RULES)
    assert violations(await pod_of(make_spawner)) == []


@pytest.mark.parametrize("rule", BREACHES)
async def test_each_rule_of_restricted_is_broken_only_by_an_operators_own_option(make_spawner: MakeSpawner, rule: str):
    assert rule in violations(await pod_of(make_spawner, **BREACHES[rule]))


async def test_a_pod_is_locked_in_as_a_container_of_docker_is(make_spawner: MakeSpawner):
    pod = await pod_of(make_spawner)
    container = container_of(pod)
    assert pod["spec"]["securityContext"] == {
        **{"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        **{"runAsUser": 1000, "runAsGroup": 1000, "runAsNonRoot": True, "readOnlyRootFilesystem": True},
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["enableServiceLinks"] is False
    assert pod["spec"]["restartPolicy"] == "Never"
    scratch = {volume["name"]: volume.get("emptyDir") for volume in pod["spec"]["volumes"]}
    assert scratch["scratch-tmp"] == {"medium": "Memory", "sizeLimit": "1Gi"}
    assert scratch["scratch-run"] == {"medium": "Memory", "sizeLimit": "64Mi"}


async def test_limits_are_those_of_docker_and_less_is_reserved(make_spawner: MakeSpawner):
    assert container_of(await pod_of(make_spawner))["resources"] == {
        "limits": {"cpu": 2.0, "memory": 4 * 1024**3},
        "requests": {"cpu": 0.25, "memory": 1024**3},
    }


async def test_a_profile_smaller_than_the_reservation_reserves_no_more_than_its_limit(make_spawner: MakeSpawner):
    pod = await pod_of(make_spawner, profiles=PROFILES, profile="small", cpu_guarantee=1)
    assert container_of(pod)["resources"] == {
        "limits": {"cpu": 0.5, "memory": 512 * 1024**2},
        "requests": {"cpu": 0.5, "memory": 512 * 1024**2},
    }


async def test_a_profile_with_gpus_and_shared_files(make_spawner: MakeSpawner):
    pod = await pod_of(make_spawner, **CONFIGURATIONS["GPU profile"])
    container = container_of(pod)
    assert container["image"] == "studio/render:4"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
    claim = {"name": "assets-0", "persistentVolumeClaim": {"claimName": "class-assets", "readOnly": True}}
    assert claim in pod["spec"]["volumes"]
    assert {"name": "assets-0", "mountPath": "/home/blender/assets", "readOnly": True} in container["volumeMounts"]


async def test_an_operators_own_limit_of_gpus_stays(make_spawner: MakeSpawner):
    pod = await pod_of(make_spawner, profiles=[{"name": "g", "gpus": 1}], extra_resource_limits={"nvidia.com/gpu": "4"})
    assert container_of(pod)["resources"]["limits"]["nvidia.com/gpu"] == "4"


async def test_the_readiness_probe_asks_the_servers_own_status_and_no_secret_is_in_it(make_spawner: MakeSpawner):
    container = container_of(await pod_of(make_spawner))
    probe = container["readinessProbe"]
    assert probe["exec"] == {"command": ["p2m-ready"]}
    secrets = [each["name"] for each in container["env"] if each.get("value") == "token-of-ada-"]
    assert sorted(secrets) == ["JPY_API_TOKEN", "JUPYTERHUB_API_TOKEN"]
    assert "token-of-ada-" not in str({**container, "env": None})


async def test_the_server_is_started_by_the_images_command_with_the_modes(make_spawner: MakeSpawner):
    container = container_of(await pod_of(make_spawner, blender_mode="headless", args=["--debug"]))
    assert container["args"][:1] == ["start-p2m"] and "--debug" in container["args"]
    env = {each["name"]: each.get("value") for each in container["env"]}
    assert (env["P2M_BLENDER_MODE"], env["P2M_MCP_MODE"]) == ("headless", "full")
    assert env["P2M_BLENDER_TCP_HOST"] == "127.0.0.1"
    assert env["JUPYTERHUB_SERVICE_URL"].startswith("http://0.0.0.0:8888/")


async def test_everything_bears_the_hubs_label(make_spawner: MakeSpawner):
    for manifest in await manifests(make_spawner, {"hub_id": "class-3b", "common_labels": {"app": "z2jh"}}):
        assert manifest["metadata"]["labels"]["p2m.hub"] == "class-3b"


async def test_what_an_operator_mounts_at_tmp_replaces_ours(make_spawner: MakeSpawner):
    pod = await pod_of(make_spawner, **CONFIGURATIONS["own volumes"])
    assert [each["name"] for each in pod["spec"]["volumes"]] == ["home", "big-tmp", "scratch-run"]


async def test_an_operators_restart_policy_stays(make_spawner: MakeSpawner):
    pod = await pod_of(make_spawner, extra_pod_config={"restartPolicy": "OnFailure"})
    assert pod["spec"]["restartPolicy"] == "OnFailure"


def test_a_context_that_is_an_object_of_the_client_is_merged_too():
    spec = V1PodSpec(containers=[container := type("C", (), {"readiness_probe": None})()])
    container.security_context = V1SecurityContext(run_as_user=5)
    confine(spec)
    assert container.security_context["runAsUser"] == 5
    assert container.security_context["capabilities"] == {"drop": ["ALL"]}


# Profiles in KubeSpawner's terms


async def test_profiles_are_a_profile_list_that_kubespawner_uses_to_the_same_end(make_spawner: MakeSpawner):
    for name in ("standard", "small", "render"):
        options = {"profiles": PROFILES, "groups": ("artists",)}
        ours = make_spawner(name=f"ours{name}", **options)
        await ours.apply_options({"profile": name})
        theirs = make_spawner(name=f"theirs{name}", **options)
        theirs.user_options = {"profile": name}
        await super(BlenderKubeSpawner, theirs).load_user_options()
        for trait in ("mem_limit", "cpu_limit", "image", "blender_mode", "mcp_mode", "gpus", "assets"):
            assert getattr(ours, trait) == getattr(theirs, trait), (name, trait)


async def test_a_user_is_offered_the_profiles_of_their_groups(make_spawner: MakeSpawner):
    for groups, names in [((), ["standard", "small"]), (("artists",), ["standard", "small", "render"])]:
        spawner = make_spawner(name=f"user{len(names)}", profiles=PROFILES, groups=groups)
        assert [each["slug"] for each in await spawner.profile_list(spawner)] == names


def test_the_default_is_the_one_that_the_mixin_takes():
    two = Profiles.from_list([{"name": "a"}, {"name": "b", "default": True}])
    assert [each["default"] for each in in_kubespawner_terms(two.profiles)] == [False, True]
    assert [each["default"] for each in in_kubespawner_terms(two.profiles[:1])] == [True]


OWN_LIST = [
    {"display_name": "Plain", "default": True},
    {
        "display_name": "Large",
        "slug": "large",
        "kubespawner_override": {"mem_limit": "8G", "blender_mode": "headless"},
        "profile_options": {
            "image": {
                "display_name": "Image",
                "choices": {
                    "new": {"display_name": "New", "kubespawner_override": {"image": "studio/p2m:new"}},
                    "old": {"display_name": "Old", "kubespawner_override": {"image": "studio/p2m:old"}},
                },
            }
        },
    },
]


async def test_kubespawners_own_profile_list_keeps_its_meaning(make_spawner: MakeSpawner):
    spawner = make_spawner(profile_list=OWN_LIST)
    assert "Large" in spawner.options_form
    form = {"profile": ["large"], "profile-option-large--image": ["old"]}
    options = spawner.options_from_form(form)
    spawner.user_options = options
    await spawner.apply_options(options)
    await spawner.load_user_options()
    assert (spawner.mem_limit, spawner.image, spawner.blender_mode) == (8 * 1024**3, "studio/p2m:old", "headless")


@pytest.mark.parametrize(
    "options",
    [
        {"profile": "huge"},
        {"profile": ["large"]},
        {"profile": "large", "image": "evil/image"},
        {"profile": "large", "image--unlisted-choice": "evil/image"},
        {"privileged": "true"},
        "large",
    ],
)
async def test_hostile_options_of_a_profile_list_are_refused(make_spawner: MakeSpawner, options: Any):
    spawner = make_spawner(profile_list=OWN_LIST)
    with pytest.raises(SpawnException) as caught:
        await spawner.apply_options(options)
    assert caught.value.status_code == 400
    assert spawner.user_options == {}


async def test_both_lists_at_once_are_no_choice(make_spawner: MakeSpawner):
    spawner = make_spawner(profile_list=OWN_LIST, profiles=PROFILES)
    with pytest.raises(SpawnException) as caught:
        await spawner.apply_options({})
    assert (caught.value.status_code, caught.value.reason) == (503, "profiles_unusable")
    assert "leave one out" in caught.value.log_message
