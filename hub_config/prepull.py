"""Fetches the users' image while the hub starts, so that nobody's first start waits for it."""

import threading
from typing import Any

import docker
from docker.utils import kwargs_from_env, parse_repository_tag
from traitlets.log import get_logger

from .settings import Settings


def configure(c: Any, settings: Settings) -> None:
    """Pull in a thread of its own, which keeps neither the hub nor anybody's start from going on."""
    if settings.prepull:
        threading.Thread(target=pull, args=(settings.image,), name="prepull", daemon=True).start()


def pull(image: str) -> None:
    """Fetch what the name of an image means in its registry now; without the registry the image stays as it is."""
    repository, tag = parse_repository_tag(image)
    log = get_logger()
    try:
        client = docker.APIClient(**kwargs_from_env(), version="auto")
        client.pull(repository, tag or "latest")
    except (docker.errors.DockerException, OSError) as error:
        log.warning("Image %s could not be pulled, so what is on this machine is used: %s", image, error)
    else:
        log.info("Image %s is up to date", image)
