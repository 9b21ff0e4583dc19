"""The benchmarks of a start work; they judge no time here."""

import pytest

from bench import spawn, ten_users


def rows(table: str) -> list[str]:
    """The first column."""
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


@pytest.mark.alone
def test_the_spawn_benchmark_prints_its_tables(capsys: pytest.CaptureFixture[str]):
    tables = spawn.run(runs=5)
    with capsys.disabled():
        print(f"\n\n{tables}\n")
    whole, parts = tables.split("\n\n")
    assert rows(whole) == ["p2m-spawner", "stock DockerSpawner", "docker run, no hub"]
    assert rows(parts)[:2] == ["container created", "container started"]
    for part in ("X accepts clients", "Blender listens", "Jupyter has imported", spawn.FIRST_ANSWER, "server started"):
        assert part in rows(parts)


@pytest.mark.alone
def test_the_benchmark_of_many_users_prints_its_table(capsys: pytest.CaptureFixture[str]):
    table = ten_users.run(users=2)
    with capsys.disabled():
        print(f"\n\n{table}\n")
    assert rows(table) == ["p2m-spawner", "stock DockerSpawner", "ratio"]
