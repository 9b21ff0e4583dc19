"""Profiles in JupyterHub's terms: the spawner's traits, the options page, and what a start makes of a user's options.

Knows no engine. What a profile says about memory, cores and image goes into traits that each spawner has; ``gpus`` and
``assets`` are for the engine's spawner to read when it makes the server.
"""

from collections.abc import Mapping
from inspect import isawaitable
from pathlib import Path
from typing import Any, ClassVar

from jupyterhub.spawner import SpawnException
from pydantic import ValidationError
from traitlets import Callable, CaselessStrEnum, Dict, List, Unicode, Union, default
from traitlets.config import LoggingConfigurable

from .errors import OptionsRefused, SpawnFailure
from .options_form import options_form
from .profiles import MCP_MODES, Asset, Gpus, Profile, ProfileError, Profiles, checked_options, default_of, narrowest
from .profiles_file import ProfilesFile

PROFILE = "profile"
"""The option that names a profile: field of the form and key of the REST call."""


def single_values(form: Mapping[str, list[Any]]) -> dict[str, Any]:
    """A form's fields as a REST call would give them; what a field has several times stays a list, to be refused."""
    return {key: values[0] if len(values) == 1 else values for key, values in form.items() if key != "_xsrf"}


def refusal(failure: SpawnFailure, status_code: int) -> SpawnException:
    """A failure as JupyterHub answers it: the user's sentence on page and REST, the operator's in the log."""
    refused = SpawnException(
        str(failure), reason=failure.reason, log_message=failure.log_message, status_code=status_code
    )
    # Without it the pages of JupyterHub 6.1 show the operator's text (utils.format_exception).
    refused.jupyterhub_message = str(failure)
    return refused


# Not Spawner, which refuses subclasses without their own stop() and poll(); Any, since it stands before one.
_BeforeSpawner: Any = LoggingConfigurable


class ProfileOptionsMixin(_BeforeSpawner):
    """Before a spawner class: lets users choose a profile, by page or REST, and starts their server as it says."""

    blender_mode = CaselessStrEnum(
        ["desktop", "headless"],
        "desktop",
        help="""
        How Blender runs: ``desktop`` (default) with its window, ``headless`` without one, for agents and notebooks
        only. Headless takes 0.23 GB of memory where a desktop takes 0.54. A profile may say otherwise.

        Example: ``c.BlenderSpawnerMixin.blender_mode = "headless"``.
        """,
    ).tag(config=True)

    mcp_mode = CaselessStrEnum(
        list(MCP_MODES),
        "full",
        help="""
        What agents may do in Blender at most: ``full`` (default), ``no-code`` (every tool but those that run
        Python), ``read-only`` (only look). A profile may say otherwise; ``P2M_MCP_MODE`` in ``environment`` can
        narrow it and not widen it.

        Example: ``c.BlenderSpawnerMixin.mcp_mode = "no-code"``.
        """,
    ).tag(config=True)

    profiles = Union(
        [List(Dict()), Callable()],
        help="""
        List (default empty) of the profiles that users choose from: dictionaries with the keys that
        docs/howto/profiles.md explains; or a function of the spawner, async or not, that returns such a list. With
        one profile, and where a user may use only one, there is no page: it is used.

        Example::

            c.BlenderSpawnerMixin.profiles = [
                {"name": "standard", "memory": "4G", "default": True},
                {"name": "render", "memory": "16G", "gpus": 1, "groups": ["artists"]},
            ]
        """,
    ).tag(config=True)

    profiles_file = Unicode(
        "",
        help="""
        Path (default none) of a YAML file of profiles: ``profiles:`` and below it a list as in ``profiles``, after
        whose own it comes. The file is read again when it has changed. An edit that cannot be used is reported in
        the hub's log, and what the file said before goes on.

        Example: ``c.BlenderSpawnerMixin.profiles_file = "/etc/jupyterhub/profiles.yaml"``.
        """,
    ).tag(config=True)

    engine_options: ClassVar[frozenset[str]] = frozenset()
    """Options beside ``profile`` that the engine's own spawner documents; it judges their values."""

    profile: Profile | None = None
    """The profile of the server that runs or starts; None: there is none, or no profiles at all."""

    gpus: Gpus = 0
    """GPUs for the server: how many, ``all``, or the engine's ids. The engine's spawner reads it."""

    assets: tuple[Asset, ...] = ()
    """Shared files to mount read-only. The engine's spawner reads it."""

    _files: ClassVar[dict[str, ProfilesFile]] = {}
    _options_applied = False

    # The list

    async def all_profiles(self) -> Profiles:
        """All profiles of the hub, checked.

        Raises:
            ProfileError: The function or the file gives something that cannot be used.
        """
        listed = self.profiles(self) if callable(self.profiles) else self.profiles
        profiles = Profiles.from_list(await listed if isawaitable(listed) else listed)
        if not self.profiles_file:
            return profiles
        file = self._files.setdefault(self.profiles_file, ProfilesFile(Path(self.profiles_file)))
        return profiles.followed_by(file.current(self.log))

    def _groups(self) -> set[str]:
        return {group.name for group in self.user.groups}

    # The page

    def engine_options_form(self) -> Any:
        """The page that the engine's own spawner has when there are no profiles to choose from; empty: none."""
        return ""

    @default("options_form")
    def _profiles_form(self) -> Any:
        if callable(self.profiles) or self.profiles_file or len(self.profiles) > 1:
            return ProfileOptionsMixin.profiles_form
        return self.engine_options_form()

    async def profiles_form(self) -> str:
        """The inside of the options page: the profiles of this server's owner; empty when there is no choice."""
        try:
            profiles = (await self.all_profiles()).open_to(self._groups(), self.user.admin)
        except ProfileError:
            return ""  # the start that follows says it
        if len(profiles) < 2:
            return ""
        last = self.user_options.get(PROFILE)  # anything: nobody has checked it since it was saved
        chosen = next((profile for profile in profiles if profile.name == last), default_of(profiles))
        traits = {
            "memory": self.mem_limit,
            "cpus": self.cpu_limit,
            "blender_mode": self.blender_mode,
            "mcp_mode": self.mcp_mode,
        }
        return options_form([profile.completed(**traits) for profile in profiles], chosen)

    @default("options_from_form")
    def _options_from_form(self) -> Any:
        return single_values

    # A start

    @default("apply_user_options")
    def _apply_user_options(self) -> Any:
        return ProfileOptionsMixin.apply_options

    async def apply_options(self, options: Any) -> None:
        """Choose the server's profile by a user's options, and use it.

        It is the default of ``apply_user_options``. With another one, options other than ``profile`` are that one's.

        Args:
            options: What came in by page or REST: anything.

        Raises:
            SpawnException: They are refused (400), the profile is not for this user (403), or the operator's list
                cannot be used (503).
        """
        try:
            checked = checked_options(options, {PROFILE, *self.engine_options})
            profile = (await self.all_profiles()).choose(checked.get(PROFILE), self._groups(), self.user.admin)
        except OptionsRefused as refused:
            # JupyterHub has saved them already, and would take them again at each start that names none.
            self.user_options = self.orm_spawner.user_options = {}
            raise refusal(refused, refused.status_code) from None
        except ProfileError as error:
            unreadable = SpawnFailure(
                "The profiles of this hub cannot be used right now. Tell the administrator.",
                reason="profiles_unusable",
                log_message=str(error),
            )
            raise refusal(unreadable, 503) from error
        self._options_applied = True
        if profile:
            self._use(profile)

    async def start(self) -> Any:
        """Start the server as its profile says, also where an operator's ``apply_user_options`` stands for ours."""
        if not self._options_applied:
            ours = {PROFILE, *self.engine_options}
            await self.apply_options({key: value for key, value in self.user_options.items() if key in ours})
        return await super().start()

    def _use(self, profile: Profile) -> None:
        """Let the server have what a profile says."""
        self.profile = profile
        self.gpus, self.assets = profile.gpus, profile.assets
        for trait, value in profile.traits.items():
            setattr(self, trait, value)

    def get_env(self) -> dict[str, str]:
        """The engine's environment, and the modes."""
        env: dict[str, str] = super().get_env()
        env["P2M_BLENDER_MODE"] = self.blender_mode
        env["P2M_MCP_MODE"] = narrowest(self.mcp_mode, env.get("P2M_MCP_MODE") or self.mcp_mode)
        return env

    # What a hub that comes back knows

    def get_state(self) -> dict[str, Any]:
        """The engine's state and the profile, so that a change of the list does not change a running server."""
        state: dict[str, Any] = super().get_state()
        if self.profile:
            state["profile"] = self.profile.model_dump(mode="json")
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_state` saved."""
        super().load_state(state)
        if "profile" in state:
            try:
                self._use(Profile.model_validate(state["profile"]))
            except ValidationError as error:  # of another version of p2m-spawner
                self.log.warning("The profile of the running server is not known: %s", error)

    def clear_state(self) -> None:
        """Forget the server's profile."""
        super().clear_state()
        self.profile = None
        self._options_applied = False
