"""Runs the commands of a page as a reader would: in a checkout that is the reader's own, against a real hub.

The checkout is the real one under an overlay (copy on write) in a mount namespace: commands find everything at its
place, with the environment that is installed there, and what they write is gone afterwards. ``.p2m`` is a folder of the
test's. Ports and names that others on this machine could use as well are replaced in each command.
"""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.support.hub import ROOT, Hub
from tests.support.image import IMAGE
from tests.support.waiting import wait_for

from .blocks import Block
from .messages import GAP

FOREGROUND = re.compile(r"^(?:\w+=\S+ )*make up\b.*$", re.MULTILINE)
"""The command that a reader leaves running in a terminal of its own."""

ENTER = """
set -eu
mount -t overlay overlay -o lowerdir="$1",upperdir="$2/upper",workdir="$2/work" "$1"
cd "$1"
rm -rf .p2m
ln -s "$2/state" .p2m
exec sleep infinity
"""
"""Arguments: the checkout, a folder of the test's."""


class Sandbox:
    """A reader's machine.

    Args:
        folder: A folder of the test's own.
        replaced: What this reader writes in another way than the pages have it: names that others may have.

    Attributes:
        hub: The hub that `make up` starts, with its people.
    """

    def __init__(self, folder: Path, **replaced: str) -> None:
        for name in ("upper", "work", "state", "home"):
            (folder / name).mkdir()
        self.folder = folder
        self.hub = Hub(folder / "state", P2M_MCP_TIMEOUT="90")
        self.replaced = {"http://127.0.0.1:8000": self.hub.url, "p2m/blender-singleuser:latest": IMAGE, **replaced}
        self.environment = {
            **self.hub.environment,
            "HOME": str(folder / "home"),
            "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
            "P2M_TEST_IMAGE": IMAGE,  # `make up` looks whether this one is up to date
        }
        del self.environment["P2M_STATE"]  # it is .p2m, as the pages say
        self._making_up: subprocess.Popen[bytes] | None = None
        # A process in the mount namespace keeps it alive.
        command = ["unshare", "--mount", "bash", "-c", ENTER, "bash", str(ROOT), str(folder)]
        self._holder = subprocess.Popen(command)
        wait_for(lambda: self._enter("test -L .p2m").returncode == 0, 10, "the overlay of the sandbox")

    @property
    def _inside(self) -> list[str]:
        """What goes before a command to run it in the sandbox."""
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", f"--wdns={ROOT}"]

    def _enter(self, script: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [*self._inside, "bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
            **options,
        )

    def written(self, text: str) -> str:
        """A text of a page as this reader has to write it."""
        for theirs, ours in self.replaced.items():
            text = re.sub(rf"(?<![\w.]){re.escape(theirs)}(?!\w)", lambda _, ours=ours: ours, text)
        return text

    # What a reader does with a block

    def run(self, block: Block) -> None:
        """Run a block of commands, one after the other; what a console shows has to come."""
        if block.language == "python":
            self.save("program.py", block.text)
            self._expect(block, "python program.py", "")
        elif block.language == "sh":
            self._expect(block, block.text, "")
        else:
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, _, shown = part.partition("\n")
                self._expect(block, command, shown)

    def save(self, name: str, text: str, *, added: bool = False) -> None:
        """Save a block to a file in the checkout, or add it at its end."""
        done = self._enter(f"cat {'>>' if added else '>'} {name}", input=self.written(text))
        assert done.returncode == 0, done.stdout

    def read(self, name: str) -> bytes:
        """A file of the checkout, as the reader sees it."""
        return subprocess.run([*self._inside, "cat", name], capture_output=True, timeout=30, check=True).stdout

    def _expect(self, block: Block, script: str, shown: str) -> None:
        script, shown = self.written(script), self.written(shown)
        if foreground := FOREGROUND.search(script):
            before, after = script[: foreground.start()], script[foreground.end() :]
            output = self._terminal(before) + self.make_up(foreground[0]) + self._terminal(after)
        else:
            output = self._terminal(script)
        print(f"--- {block.name}\n{script}\n{output}")
        wanted = ".*?".join(re.escape(part.strip("\n")) for part in shown.strip().split(GAP))
        assert re.search(wanted, output, re.DOTALL), f"{block.name}: expected\n{shown}\nand got\n{output}"

    def _terminal(self, script: str) -> str:
        """Run commands in the reader's terminal, whose variables stay."""
        if not script.strip():
            return ""
        kept = self.folder / "variables"
        restore = f"[ ! -e {kept} ] || . {kept}"
        done = self._enter(f"{restore}\n{script}\nexport -p | grep -v ' PWD=\\| OLDPWD=\\| SHLVL=' > {kept}")
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    def make_up(self, command: str = "make up") -> str:
        """Start the hub and leave it running, as in a terminal of its own. Returns what it said until it was ready."""
        said = self.hub.log
        with said.open("wb") as output:
            self._making_up = subprocess.Popen(
                [*self._inside, "bash", "-c", f"exec env {command}"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        making_up = self._making_up

        def ready() -> bool:
            if making_up.poll() is not None:
                raise RuntimeError(f"{command} ended:\n{said.read_text()}")
            return "Ctrl-C stops the hub" in said.read_text()

        wait_for(ready, 90, "the hub's banner")
        return said.read_text()

    def ensure_hub(self) -> None:
        """Start the hub unless it runs."""
        if self._making_up is None or self._making_up.poll() is not None:
            self.make_up()

    def control_c(self) -> None:
        """Press Ctrl-C in the terminal of the hub; does nothing when it has ended."""
        if self._making_up and self._making_up.poll() is None:
            os.killpg(self._making_up.pid, signal.SIGINT)
        if self._making_up:
            self._making_up.wait(30)

    def close(self) -> None:
        """Stop everything that was started, and remove the homes of the people."""
        try:
            self._terminal("make down")
            self.control_c()
            self.hub.down()
        finally:
            self._holder.kill()
            self._holder.wait(30)
