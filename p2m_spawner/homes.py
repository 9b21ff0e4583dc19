"""What becomes of a home when its user, or its named server, goes for good; whatever engine keeps it."""

from typing import TYPE_CHECKING

from jupyterhub.utils import maybe_future
from tornado import web
from traitlets import Bool
from traitlets.config import LoggingConfigurable

if TYPE_CHECKING:
    from jupyterhub.spawner import Spawner as _BeforeSpawner
else:
    # JupyterHub refuses a subclass of Spawner that has no start, poll and stop.
    _BeforeSpawner = LoggingConfigurable


class HomesMixin(_BeforeSpawner):
    """Keeps homes, or removes them with whom they belonged to. Stands in front of JupyterHub's `Spawner`."""

    delete_home = Bool(
        False,
        help="""
        Whether (default no) a home is removed for good when its user is deleted, or when a named server that has a
        home of its own is. Without it the home stays until an operator removes it by hand.

        Example: for courses with guests ``c.BlenderDockerSpawner.delete_home = True``.
        """,
    ).tag(config=True)

    async def remove_home(self) -> None:
        """Remove the home, after what is left of its server. An engine's spawner says how."""
        raise NotImplementedError

    async def delete_forever(self) -> None:
        """Called by JupyterHub when the user or the named server is deleted, after the server has stopped."""
        await maybe_future(super().delete_forever())
        if self.delete_home:
            await self.remove_home()

    async def rename(self, old_name: str, new_name: str) -> None:
        """Refuse another name for a server: its home bears the present one. What people see can change.

        Raises:
            tornado.web.HTTPError: 400, always.
        """
        raise web.HTTPError(400, "Servers cannot be renamed: their files belong to the name. Set display_name instead.")
