"""Reference of the traits that `jupyterhub_config.py` may set: type and default from the trait, meaning from its help.

Not autodoc_traits: it documents a class with all that it inherits, here a hundred traits of JupyterHub and of engines'
spawners whose own help is not the Markdown, or the reStructuredText, that a build without warnings needs.
"""

from collections.abc import Iterable

from traitlets import HasTraits, TraitType, Undefined

from p2m_spawner.accounts.authenticator import AccountsAuthenticator
from p2m_spawner.docker_spawner import BlenderDockerSpawner
from p2m_spawner.kube_spawner import BlenderKubeSpawner
from p2m_spawner.mixin import BlenderSpawnerMixin
from p2m_spawner.swarm.spawner import BlenderSwarmSpawner

from .markdown import code, from_docstring

Trait = TraitType[object, object]


def of_the_spawner() -> str:
    """What every engine's spawner has, then what is Docker's, what a swarm has beside it, and what is Kubernetes'."""
    ours, of_swarm = _own_traits(BlenderDockerSpawner), _own_traits(BlenderSwarmSpawner)
    of_kubernetes = _own_traits(BlenderKubeSpawner)
    shared = BlenderSpawnerMixin.class_traits()
    return "\n".join(
        [
            "## Of every engine's spawner\n",
            _described("BlenderSpawnerMixin", [trait for trait in ours if trait.name in shared]),
            "## Of Docker's\n",
            _described("BlenderDockerSpawner", [trait for trait in ours if trait.name not in shared]),
            "## Of Docker Swarm's\n",
            _described("BlenderSwarmSpawner", [trait for trait in of_swarm if trait not in ours]),
            "## Of Kubernetes'\n",
            _described("BlenderKubeSpawner", [trait for trait in of_kubernetes if trait.name not in shared]),
        ]
    )


def of_the_accounts() -> str:
    """What `p2m-accounts` has beside JupyterHub's own."""
    return _described("AccountsAuthenticator", _own_traits(AccountsAuthenticator))


def _own_traits(of: type[HasTraits]) -> list[Trait]:
    """The configurable traits that code of ours defines, in the order of the alphabet."""
    found = of.class_traits(config=True).items()
    return [trait for _, trait in sorted(found) if _is_ours(trait)]


def _is_ours(trait: Trait) -> bool:
    return trait.this_class is not None and trait.this_class.__module__.startswith("p2m_spawner.")


def _described(settable_as: str, traits: Iterable[Trait]) -> str:
    return "\n".join(
        f"### `{trait.name}`\n\n{code(f'c.{settable_as}.{trait.name}')} · {_kind(trait)}{_default(trait)}\n\n"
        f"{from_docstring(trait.help)}\n"
        for trait in traits
    )


def _kind(trait: Trait) -> str:
    """The trait's type as traitlets says it, without the article."""
    article, _, kind = trait.info().partition(" ")
    return kind if article in {"a", "an"} else trait.info()


def _default(trait: Trait) -> str:
    """The static default, where there is one that says something."""
    value = trait.default_value
    says_nothing = value is Undefined or value in (None, "", [], {}, set())
    return "" if says_nothing else f" · default {code(repr(value))}"
