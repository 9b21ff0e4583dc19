"""How much memory a container uses, read from cgroups of both versions."""

from pathlib import Path

import pytest

from p2m_singleuser.memory import Memory, memory

GIB = 1024**3


def cgroup(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_version_2_counts_what_the_kernel_cannot_drop_at_once(tmp_path: Path) -> None:
    cgroup(tmp_path, memory__current="1000\n", memory__max=f"{GIB}\n", memory__stat="anon 600\ninactive_file 250\n")
    assert memory(tmp_path) == Memory(750, GIB)


def test_version_2_says_max_for_no_limit(tmp_path: Path) -> None:
    cgroup(tmp_path, memory__current="1000\n", memory__max="max\n", memory__stat="anon 600\n")
    assert memory(tmp_path) == Memory(1000, None)


def test_version_1_counts_the_whole_subtree(tmp_path: Path) -> None:
    cgroup(
        tmp_path / "memory",
        memory__usage_in_bytes="1000\n",
        memory__limit_in_bytes=f"{GIB}\n",
        memory__stat="inactive_file 1\ntotal_inactive_file 400\n",
    )
    assert memory(tmp_path) == Memory(600, GIB)


def test_version_1_has_a_huge_number_for_no_limit(tmp_path: Path) -> None:
    cgroup(tmp_path / "memory", memory__usage_in_bytes="1000\n", memory__limit_in_bytes="9223372036854771712\n")
    assert memory(tmp_path) == Memory(1000, None)


@pytest.mark.parametrize("text", ["", "many\n"])
def test_what_the_kernel_does_not_say_is_unknown(tmp_path: Path, text: str) -> None:
    cgroup(tmp_path, memory__current=text)
    assert memory(tmp_path) == Memory(None, None)
    assert memory(tmp_path / "missing") == Memory(None, None)
