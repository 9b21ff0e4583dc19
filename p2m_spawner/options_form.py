"""The options page: the profiles that somebody may choose from, as the inside of the hub's form."""

from collections.abc import Iterable
from functools import cache

from jinja2 import Environment, PackageLoader, Template

from .profiles import Profile


@cache
def _template() -> Template:
    # An environment of our own: the page works in a hub that does not know our templates.
    environment = Environment(
        loader=PackageLoader("p2m_spawner"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("p2m/profiles.html")


def options_form(profiles: Iterable[Profile], chosen: str, memory: int | None, cpus: float | None) -> str:
    """HTML of one radio button a profile, for inside the form that the hub's page has.

    Args:
        profiles: What may be chosen, in order.
        chosen: Name of the profile that is chosen at first.
        memory: Bytes that a server has whose profile says none; None: no limit.
        cpus: The same of cores.
    """
    cards = [(profile, profile.facts(memory, cpus)) for profile in profiles]
    return _template().render(cards=cards, chosen=chosen)
