"""`blender-kube` by its entry point in JupyterHub's own test hub, by the hub's REST API."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import jupyterhub
import pytest
import requests
from jupyterhub import orm
from jupyterhub.tests.mocking import MockHub
from jupyterhub.tests.utils import public_url
from jupyterhub.utils import url_path_join

from p2m_spawner.kube_spawner import BlenderKubeSpawner
from tests.support.waiting import wait_for_async

from .api_double import ApiDouble
from .cluster import Cluster


@pytest.fixture
async def hub(hub_app: Any, kubeconfig: None, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # JupyterHub looks for its proxy, and that for node, on the PATH.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    cluster.hub_version = jupyterhub.__version__
    traits = {"namespace": "studio", "port": cluster.server.port, "delete_home": True, "hub_id": "test"}
    config = {
        "JupyterHub": {
            "spawner_class": "blender-kube",
            "authenticator_class": "dummy",
            "cookie_secret_file": str(tmp_path / "cookie_secret"),
        },
        "ConfigurableHTTPProxy": {"pid_file": str(tmp_path / "proxy.pid")},
        "BlenderKubeSpawner": {**traits, "profiles": [{"name": "small", "memory": "512M"}, {"name": "large"}]},
    }
    yield await hub_app(config)
    await BlenderKubeSpawner._stop_all_reflectors()


async def test_a_server_by_rest_from_start_to_the_deletion_of_its_user(hub: MockHub, api: ApiDouble):
    ada = orm.User(name="ada", admin=True)
    hub.db.add(ada)
    hub.db.commit()
    ada.roles.append(orm.Role.find(hub.db, "admin"))
    hub.db.commit()
    user = hub.users[ada]
    token = user.new_api_token()

    async def call(method: str, path: str, **options: Any) -> requests.Response:
        url = url_path_join(public_url(hub), "hub/api/users/ada", path)
        headers = {"Authorization": f"Bearer {token}"}
        return await asyncio.to_thread(requests.request, method, url, headers=headers, timeout=20, **options)

    refused = await call("POST", "server", json={"profile": "huge"})
    assert refused.status_code == 400 and "There is no profile 'huge'" in refused.json()["message"]

    assert (await call("POST", "server", json={"profile": "small"})).status_code in {201, 202}
    progress = await call("GET", "server/progress")
    events = [
        json.loads(line.removeprefix("data: ")) for line in progress.text.splitlines() if line.startswith("data: ")
    ]
    assert events[-1]["ready"] is True
    await wait_for_async(lambda: user.spawner.ready, 10, "the server")
    pod = api.get("pods", "p2m-ada")
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == 512 * 1024**2

    assert (await call("DELETE", "server")).status_code in {202, 204}
    await wait_for_async(lambda: not user.spawner.active, 10, "the end of the server")
    assert (api.names("pods"), api.names("persistentvolumeclaims")) == ([], ["p2m-ada"])

    hub.db.delete(orm.APIToken.find(hub.db, token))
    other = orm.User(name="boss", admin=True)
    hub.db.add(other)
    hub.db.commit()
    other.roles.append(orm.Role.find(hub.db, "admin"))
    hub.db.commit()
    token = hub.users[other].new_api_token()
    assert (await call("DELETE", "")).status_code == 204
    assert api.names("persistentvolumeclaims") == []
