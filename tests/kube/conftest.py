"""A spawner in front of an API server that is a double: KubeSpawner and its client are the real ones."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import kubernetes_asyncio.config.kube_config as kube_config
import kubespawner.clients
import pytest
from jupyterhub import orm
from jupyterhub.objects import Hub
from jupyterhub.user import User
from jupyterhub.utils import url_escape_path
from ruamel.yaml import YAML
from traitlets.config import Config

from p2m_spawner import kube_calls, kube_spawner, kube_watch
from p2m_spawner.endings import ENDINGS
from p2m_spawner.kube_spawner import BlenderKubeSpawner

from .api_double import TOKEN, ApiDouble
from .cluster import Cluster

MakeSpawner = Callable[..., BlenderKubeSpawner]


@pytest.fixture
async def api() -> AsyncIterator[ApiDouble]:
    double = ApiDouble()
    await double.start()
    yield double
    await double.stop()


@pytest.fixture
async def cluster(api: ApiDouble) -> AsyncIterator[Cluster]:
    """Machines that run the pods of the API double."""
    machines = Cluster(api)
    await machines.start()
    yield machines
    await machines.stop()


@pytest.fixture
def kubeconfig(api: ApiDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client finds the double by a kubeconfig, as it would find a cluster."""
    file = tmp_path / "kubeconfig"
    document = {
        "current-context": "double",
        "contexts": [{"name": "double", "context": {"cluster": "double", "user": "hub"}}],
        "clusters": [{"name": "double", "cluster": {"server": api.url}}],
        "users": [{"name": "hub", "user": {"token": TOKEN}}],
    }
    with file.open("w") as stream:
        YAML().dump(document, stream)
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    kubespawner.clients.load_config.cache_clear()


@pytest.fixture
async def make_spawner(api: ApiDouble, kubeconfig: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeSpawner]:
    """A function that makes a spawner for a user; keyword arguments are its traits."""
    monkeypatch.setattr(kube_spawner, "LOOK_S", 0.02)
    monkeypatch.setattr(kube_watch, "LOOK_S", 0.05)
    monkeypatch.setattr(kube_calls, "LOOK_S", 0.02)
    monkeypatch.setattr(ENDINGS, "_kept", type(ENDINGS._kept)())
    monkeypatch.setattr(BlenderKubeSpawner, "_ends", {})
    monkeypatch.setattr(BlenderKubeSpawner, "_sweepers", {})
    db = orm.new_session_factory("sqlite:///:memory:")()

    def group_of(name: str) -> orm.Group:
        return orm.Group.find(db, name) or orm.Group(name=name)

    def make(name: str = "ada", server: str = "", groups: tuple[str, ...] = (), **traits: Any) -> BlenderKubeSpawner:
        account = db.query(orm.User).filter_by(name=name).first()
        if account is None:
            account = orm.User(name=name, groups=[group_of(each) for each in groups])
            db.add(account)
            db.commit()
        user = User(account, {"base_url": "/"})
        defaults = {"namespace": "studio", "engine_patience": 0.0}
        base_url = f"/user/{name}/{url_escape_path(server)}/" if server else f"/user/{name}/"
        orm_spawner = orm.Spawner(name=server, user=account, state={}, server=orm.Server(base_url=base_url, port=1))
        db.add(orm_spawner)
        db.commit()
        spawner = BlenderKubeSpawner(
            user=user,
            db=db,
            hub=Hub(),
            orm_spawner=orm_spawner,
            config=Config({"BlenderKubeSpawner": {**defaults, **traits}}),
        )
        spawner.api_token = f"token-of-{name}-{server}"
        return spawner

    yield make
    await BlenderKubeSpawner._stop_all_reflectors()
    db.close()
