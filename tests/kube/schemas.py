"""The official schemas of the Kubernetes API, as kubernetes-validate brings them; each is read once."""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import all_versions, latest_version, major_minor, schema_contents
from referencing import Registry, Resource

RELEASES = sorted({major_minor(version) for version in all_versions()}, key=lambda text: int(text[2:]))
LATEST = major_minor(latest_version())


@cache
def _definitions(folder: str, version: str) -> Resource[Any]:
    return Resource.from_contents(schema_contents(f"kubernetes-json-schema/{folder}/_definitions.json", version))


@cache
def _validator(kind: str, api: str, release: str) -> Draft202012Validator:
    version = next(each for each in all_versions() if major_minor(each) == release)
    folder = f"v{version}-local-strict"
    schema = schema_contents(f"kubernetes-json-schema/{folder}/{kind}-{api}.json", version)
    registry = Resource.from_contents(schema) @ (_definitions(folder, version) @ Registry())
    return Draft202012Validator(schema, registry=registry)


def check(manifest: dict[str, Any], release: str = LATEST) -> None:
    """Hold a manifest against the strict schema of a release, which knows each key.

    Raises:
        jsonschema.ValidationError: It does not keep to it.
    """
    group, _, version = manifest["apiVersion"].rpartition("/")
    api = f"{group.split('.')[0]}-{version}" if group else version
    _validator(manifest["kind"].lower(), api, release).validate(manifest)
