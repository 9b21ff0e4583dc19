"""Profiles: the kinds of server that an operator offers, who may use which, and what a user's options choose.

Pure: lists and texts in, checked values out. Whoever reads a file or knows a hub does so elsewhere
(``profiles_file.py``, ``profile_options.py``). docs/howto/profiles.md is the manual.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from reprlib import Repr
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from .errors import OptionsRefused, ProfileForbidden

BlenderMode = Literal["desktop", "headless"]
"""``desktop``: Blender with its window. ``headless``: without one, for agents and notebooks."""

McpMode = Literal["full", "no-code", "read-only"]
"""What agents may do at most, from the widest to the narrowest (docs/protocol.md, "Modes and pause")."""

Gpus = int | Literal["all"] | tuple[str, ...]
"""How many GPUs, all of them, or those with these ids of the engine; 0: none."""

MCP_MODES: tuple[McpMode, ...] = get_args(McpMode)

SMALLEST_MEMORY = 256 * 1024**2
"""Bytes. With less not even a Blender without a window starts."""

LONGEST_OPTION = 255
"""Characters that a user's option may have; no name of a profile or an image is longer."""

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 2

_BYTES = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


class ProfileError(ValueError):
    """A profile list that cannot be used; the text says where, what is wrong and what would be right."""


def _bytes_of(value: object) -> object:
    """A text such as ``8G`` as a number of bytes; anything else as it is, for the next check to judge."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([KMGT])", value.strip().upper())):
        return int(float(match[1]) * _BYTES[match[2]])
    return value


# Paths without a part that begins with a dot, so neither with `..`, and without control characters and templates.
_PATH = r"(/[^/.{}\x00-\x1f][^/{}\x00-\x1f]*)+"
_MOUNT_PATH = rf"^/(home/blender|assets){_PATH}$"
_SOURCE = rf"^([a-zA-Z0-9][a-zA-Z0-9_.-]+|{_PATH})$"
_IMAGE = r"^[a-zA-Z0-9][a-zA-Z0-9_./:@-]*$"

_Text = Annotated[str, Field(min_length=1, max_length=LONGEST_OPTION)]
_Count = Annotated[int, Field(ge=0, le=64)]
_Ids = Annotated[tuple[_Text, ...], Field(strict=False, min_length=1)]


class _Checked(BaseModel):
    """What an operator writes: each key known, each value of its type. A field's description ends "it must be …"."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Asset(_Checked):
    """Files that many servers share and none can change."""

    source: str = Field(
        pattern=_SOURCE,
        max_length=LONGEST_OPTION,
        description="the name of a volume or an absolute path on the host, for example class-assets or /srv/assets",
    )
    path: str = Field(
        pattern=_MOUNT_PATH,
        max_length=LONGEST_OPTION,
        description="a folder below /home/blender or /assets, for example /home/blender/assets",
    )


class Profile(_Checked):
    """One kind of server. What it leaves out (None) is as the spawner's own traits say.

    Attributes:
        name: What a form or a REST call names it by.
        title: What people read; the name when left out.
        description: A sentence for people.
        default: Whether it is chosen when nobody chooses.
        groups: Groups of users whom it is for; empty: everybody.
        memory: Limit in bytes.
        cpus: Limit in cores.
        gpus: How many, ``all``, or the engine's ids of some; 0: none.
        image: Image of the server.
        blender_mode: With a window or without.
        mcp_mode: What agents may do at most.
        assets: Shared files, mounted read-only.
    """

    name: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="at most 63 lower-case letters, digits and -, for example gpu or class-3b",
    )
    title: str = Field("", max_length=80, description="a text of at most 80 characters")
    description: str = Field("", max_length=300, description="a text of at most 300 characters")
    default: bool = Field(False, description="true or false")
    groups: tuple[_Text, ...] = Field((), strict=False, description="a list of names of groups, for example [artists]")
    memory: Annotated[int, BeforeValidator(_bytes_of)] | None = Field(
        None, ge=SMALLEST_MEMORY, description="a number with K, M, G or T, for example 8G, and at least 256M"
    )
    cpus: float | None = Field(
        None, ge=0.1, le=1024, allow_inf_nan=False, description="a number of cores from 0.1 to 1024, for example 2"
    )
    gpus: _Count | Literal["all"] | _Ids = Field(
        0, description="a number from 0 to 64, all, or a list of the engine's ids, for example 1"
    )
    image: str | None = Field(
        None,
        pattern=_IMAGE,
        max_length=LONGEST_OPTION,
        description="the name of an image, for example p2m/blender-singleuser:latest",
    )
    blender_mode: BlenderMode | None = Field(None, description="desktop or headless")
    mcp_mode: McpMode | None = Field(None, description="full, no-code or read-only")
    assets: tuple[Asset, ...] = Field(
        (), strict=False, description="a list whose items have a source and a path, see docs/howto/profiles.md"
    )

    @property
    def label(self) -> str:
        """What people read."""
        return self.title or self.name

    @property
    def traits(self) -> dict[str, Any]:
        """What it says in place of the spawner's own traits, by their names; what it leaves out is not there."""
        said = {
            "mem_limit": self.memory,
            "cpu_limit": self.cpus,
            "image": self.image,
            "blender_mode": self.blender_mode,
            "mcp_mode": self.mcp_mode,
        }
        return {trait: value for trait, value in said.items() if value is not None}

    def is_open_to(self, groups: Collection[str], admin: bool) -> bool:
        """Whether somebody in these groups may use it; administrators use all."""
        return admin or not self.groups or not set(self.groups).isdisjoint(groups)

    def completed(self, **traits: Any) -> "Profile":
        """The profile with what it leaves out as the spawner's traits say: memory, cpus, blender_mode, mcp_mode."""
        return self.model_copy(update={key: value for key, value in traits.items() if getattr(self, key) is None})

    def facts(self) -> list[str]:
        """What a server of this profile has, in words."""
        facts = [_size(self.memory)] if self.memory else []
        facts += [_count(self.cpus, "CPU")] if self.cpus else []
        if self.gpus == "all":
            facts.append("all GPUs")
        elif self.gpus:
            facts.append(_count(self.gpus if isinstance(self.gpus, int) else len(self.gpus), "GPU"))
        facts += ["no desktop"] if self.blender_mode == "headless" else []
        facts += {"no-code": ["agents run no code"], "read-only": ["agents only look"]}.get(self.mcp_mode or "", [])
        return facts + [f"shared files in {asset.path}" for asset in self.assets]


def _count(number: float, what: str) -> str:
    return f"{number:g} {what}{'' if number == 1 else 's'}"


def _size(memory: int) -> str:
    """Bytes in the largest unit that leaves a number of at least 1."""
    unit = next(unit for unit in "TGMK" if memory >= _BYTES[unit])
    return f"{round(memory / _BYTES[unit], 1):g} {unit}B memory"


@dataclass(frozen=True)
class Profiles:
    """The profiles of a hub, in the order in which people see them; may be empty."""

    profiles: tuple[Profile, ...] = ()

    @classmethod
    def from_list(cls, items: object, origin: str = "profiles") -> "Profiles":
        """Check a list of dictionaries.

        Args:
            items: What an operator wrote.
            origin: What errors call the list: a trait or a file.

        Raises:
            ProfileError: It cannot be used.
        """
        if not isinstance(items, list | tuple):
            raise ProfileError(f"{origin} is {_shown(items)}; it must be a list of profiles.")
        return cls._of((_profile(item, number, origin) for number, item in enumerate(items, 1)), origin)

    @classmethod
    def _of(cls, given: Iterable[Profile], origin: str) -> "Profiles":
        """Check what the profiles of a list are to each other.

        Raises:
            ProfileError: It cannot be used.
        """
        profiles = tuple(given)
        names = [profile.name for profile in profiles]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ProfileError(f"{origin}: there are two profiles {twice[0]!r}; give one of them another name.")
        defaults = [profile.name for profile in profiles if profile.default]
        if len(defaults) > 1:
            raise ProfileError(
                f"{origin}: the profiles {', '.join(map(repr, defaults))} are all default; only one may be."
            )
        return cls(profiles)

    @classmethod
    def from_yaml(cls, text: str, origin: str) -> "Profiles":
        """Check a YAML text: ``profiles:`` with a list below it.

        Args:
            text: YAML 1.2.
            origin: What errors call it, usually its path.

        Raises:
            ProfileError: It is no YAML, or the list in it cannot be used.
        """
        try:
            document = YAML(typ="safe", pure=True).load(text)
        except MarkedYAMLError as error:
            line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
            raise ProfileError(f"{origin}{line} is no YAML: {error.problem or error.context}.") from None
        except (YAMLError, AssertionError, LookupError, RecursionError, ValueError) as error:
            # ruamel.yaml lets out what Python says of a value such as `!!bool x` or a date that does not exist.
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ProfileError(f"{origin} is no YAML: {reason}.") from None
        if not isinstance(document, dict) or set(document) != {"profiles"}:
            raise ProfileError(f"{origin}: it must begin with `profiles:` and have a list of profiles below it.")
        return cls.from_list(document["profiles"], origin)

    def followed_by(self, more: "Profiles") -> "Profiles":
        """These and the profiles of another list.

        Raises:
            ProfileError: Two have the same name, or two are the default.
        """
        return self._of((*self.profiles, *more.profiles), "profiles and profiles_file together")

    def open_to(self, groups: Collection[str], admin: bool) -> tuple[Profile, ...]:
        """The profiles that somebody in these groups may use."""
        return tuple(profile for profile in self.profiles if profile.is_open_to(groups, admin))

    def choose(self, name: str | None, groups: Collection[str], admin: bool) -> Profile | None:
        """The profile of a server that is about to start.

        Args:
            name: The profile that was asked for; None when none was.
            groups: Names of the groups of the server's owner.
            admin: Whether the owner is an administrator.

        Returns:
            The profile; without a name the default one, or else the first that the owner may use. None: the hub has
            no profiles.

        Raises:
            OptionsRefused: There is no such profile.
            ProfileForbidden: It is not for this owner, or none is.
        """
        mine = self.open_to(groups, admin)
        if name is None:
            if self.profiles and not mine:
                raise ProfileForbidden(
                    "No profile of this hub is open to you. Ask the administrator to add you to a group."
                )
            return default_of(mine)
        found = next((profile for profile in self.profiles if profile.name == name), None)
        if found is None:
            names = ", ".join(profile.name for profile in mine)
            yours = f"Yours are: {names}." if mine else "This hub offers none to you."
            raise OptionsRefused(f"There is no profile {_shown(name)}. {yours}")
        if found not in mine:
            raise ProfileForbidden(
                f"The profile {found.name!r} is for {_groups(found.groups)}. Choose another, or ask the administrator."
            )
        return found


def default_of(profiles: Sequence[Profile]) -> Profile | None:
    """The profile for who does not choose: the default, or else the first; None without profiles."""
    return next((profile for profile in profiles if profile.default), profiles[0] if profiles else None)


def checked_options(options: object, known: Collection[str]) -> dict[str, str]:
    """The options that a user gave for a server, if all of them are known and plain texts.

    Args:
        options: Whatever came in by form, query or REST.
        known: Names of the options that there are.

    Raises:
        OptionsRefused: Anything else.
    """
    if not isinstance(options, Mapping):
        raise OptionsRefused("Options must be an object with names and texts.")
    checked: dict[str, str] = {}
    for key, value in options.items():
        if key not in known:
            raise OptionsRefused(f"There is no option {_shown(key)}. Options are: {', '.join(sorted(known))}.")
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_OPTION or not value.isprintable():
            raise OptionsRefused(
                f"The option {key} is {_shown(value)}; it must be a text of 1 to {LONGEST_OPTION} characters."
            )
        checked[key] = value
    return checked


def narrowest(*modes: str) -> str:
    """The narrowest of some MCP modes; a word that is none of them counts as narrower than all, as in the container."""
    return max(modes, key=lambda mode: MCP_MODES.index(mode) if mode in MCP_MODES else len(MCP_MODES))


# Errors in words


def _profile(item: object, number: int, origin: str) -> Profile:
    """One checked profile.

    Raises:
        ProfileError: It cannot be used; says the first thing that is wrong.
    """
    if not isinstance(item, dict):
        raise ProfileError(f"{origin}: profile {number} is {_shown(item)}; it must have a name and other keys.")
    name = item.get("name")
    where = f"{origin}: profile {_shown(name) if isinstance(name, str) else number}"
    try:
        profile = Profile.model_validate(item)
    except ValidationError as error:
        raise ProfileError(f"{where}: {_sentence(error.errors()[0], item)}") from None
    paths = [asset.path for asset in profile.assets]
    if len(set(paths)) < len(paths):
        raise ProfileError(f"{where}: two of its assets have the same path; give one of them another.")
    return profile


def _sentence(error: ErrorDetails, item: dict[str, Any]) -> str:
    """What is wrong with a profile, and what would be right."""
    place = error["loc"]
    model: type[BaseModel] = Profile
    key, value, of = str(place[0]), item.get(str(place[0])), ""
    if key == "assets" and len(place) > 2:
        model = Asset
        key, of = str(place[2]), f" of asset {int(place[1]) + 1}"
        value = value[int(place[1])].get(key) if value else None
    if error["type"] in ("extra_forbidden", "invalid_key"):
        near = get_close_matches(key, model.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(model.model_fields)}."
        return f"there is no key {_shown(key)}{of}; {hint}"
    right = model.model_fields[key].description
    if error["type"] == "missing":
        return f"the {key}{of} is missing; it must be {right}."
    return f"{key}{of} is {_shown(value)}; it must be {right}."


def _shown(value: object) -> str:
    """A value as an error repeats it: shortened, since users send megabytes."""
    return _SHORT.repr(value)


def _groups(names: Collection[str]) -> str:
    return f"the group{'' if len(names) == 1 else 's'} {', '.join(names)}"
