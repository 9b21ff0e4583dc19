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


def options_form(profiles: Iterable[Profile], chosen: Profile | None) -> str:
    """HTML of one radio button a profile, for inside the form that the hub's page has.

    Args:
        profiles: What may be chosen, in order.
        chosen: Which one is chosen at first.
    """
    return _template().render(profiles=profiles, chosen=chosen)
