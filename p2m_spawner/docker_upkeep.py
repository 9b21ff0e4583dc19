"""Homes that go with their users, images that get newer, and what operators see: ``blender-docker`` over the weeks."""

from collections.abc import Mapping
from typing import Any

from docker.errors import DockerException, NotFound

from .docker_homes import own_home
from .homes import HomesMixin
from .observed import ObservedBlenderMixin
from .on_docker import IMAGE_SETTING_LABEL, TOKEN_VARIABLE, environment_of


class DockerUpkeep(HomesMixin, ObservedBlenderMixin):
    """Stands in front of DockerSpawner."""

    docker: Any  # these of DockerSpawner
    format_volume_name: Any
    get_object: Any
    object_id: str
    volumes: Mapping[str, Any]
    hub_id: str  # these of OnDocker
    image_setting: str

    async def remove_home(self) -> None:
        """Remove the volume of the home, after a container that still has it."""
        template = own_home(self.volumes, of_named_server=bool(self.name))
        if template is None:
            self.log.warning("The home is no volume of this server alone, so it stays")
            return
        volume = self.format_volume_name(template, self)
        try:
            if container := await self.get_object():
                if container["Config"]["Labels"].get("p2m.hub") != self.hub_id:
                    self.log.error("Volume %s stays: a container of another hub has this name", volume)
                    return
                await self.discard()
            await self.docker("remove_volume", volume)
        except NotFound:
            self.log.info("There is no volume %s", volume)
        except (DockerException, OSError) as error:
            self.log.error("Volume %s was not removed: %s", volume, error)
        else:
            self.log.info("Removed volume %s", volume)

    # What is seen of it from outside

    @property
    def container_of_server(self) -> str:
        """The short id, as ``docker ps`` shows it."""
        return self.object_id[:12]

    async def image_is_outdated(self) -> bool:
        """Whether the name of the container's image means another one now, or the operator has set another name."""
        try:
            container = await self.docker("inspect_container", self.object_id)
            image = await self.docker("inspect_image", container["Config"]["Image"])
        except (DockerException, OSError) as error:
            self.log.debug("It is not known whether there is a newer image: %s", error)
            return False
        name, setting = container["Config"]["Image"], container["Config"]["Labels"].get(IMAGE_SETTING_LABEL)
        return bool(image["Id"] != container["Image"] or name == setting != self.image_setting)

    async def token_of_server(self) -> str:
        """The token in the container's environment."""
        try:
            container = await self.docker("inspect_container", self.object_id)
        except (DockerException, OSError) as error:
            self.log.debug("The server's token cannot be read: %s", error)
            return ""
        return environment_of(container["Config"]["Env"]).get(TOKEN_VARIABLE, "")
