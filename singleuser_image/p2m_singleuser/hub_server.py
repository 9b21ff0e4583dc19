"""``python -m p2m_singleuser.hub_server``: the hub's single-user server, without the hub's own half of JupyterHub.

``import jupyterhub.singleuser`` brings the hub's database layer along, SQLAlchemy and Alembic: two modules that a
single-user server needs a function of (``jupyterhub.log``, ``jupyterhub.scopes``) import it for their other functions.
That is a third of what this server imports, 0.4 s of CPU for which people wait. So while it is being imported, empty
modules stand for them.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

SINGLEUSER = "jupyterhub-singleuser"

HUB_ONLY = ("sqlalchemy", "jupyterhub.orm", "jupyterhub.roles", "jupyterhub.handlers")
"""What only a hub uses, with all that is in it."""


class StandIn(ModuleType):
    """A module of which every name is an empty class: good for ``from … import``, ``isinstance`` and ``except``."""

    def __getattr__(self, name: str) -> type[Exception]:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


class StandInFinder(MetaPathFinder, Loader):
    """Finds a stand-in for each module of `HUB_ONLY` that is not imported yet."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Answer for our modules only."""
        ours = any(f"{name}.".startswith(f"{only}.") for only in HUB_ONLY)
        return ModuleSpec(name, self, is_package=True) if ours else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the stand-in."""
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave it empty."""


@contextmanager
def stand_ins() -> Iterator[None]:
    """Let stand-ins be imported until the block ends; afterwards an import finds the real modules again."""
    finder = StandInFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, StandIn)]:
            del sys.modules[name]
            package, _, attribute = name.rpartition(".")
            if package in sys.modules:
                delattr(sys.modules[package], attribute)


def load_singleuser() -> Any:
    """Import ``jupyterhub.singleuser``; a JupyterHub that needs more there than we know is started as a whole."""
    try:
        with stand_ins():
            from jupyterhub import singleuser
    except Exception as error:  # noqa: BLE001 - a stand-in may fail in any way
        print(f"p2m: starting with JupyterHub's database layer: {error!r}", file=sys.stderr, flush=True)
        os.execv(Path(sys.executable).with_name(SINGLEUSER), [SINGLEUSER, *sys.argv[1:]])  # noqa: S606
    return singleuser


def main() -> None:
    """Run the server with this process's arguments.

    What imports build is no garbage, so they run with the garbage collector off.
    """
    gc.disable()
    singleuser = load_singleuser()
    gc.freeze()
    gc.enable()
    sys.argv[0] = SINGLEUSER
    sys.exit(singleuser.main())


if __name__ == "__main__":
    main()
