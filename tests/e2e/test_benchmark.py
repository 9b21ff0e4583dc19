"""Prints the figure for a spawn beside stock DockerSpawner's. Shows that the benchmark works; judges no time."""

import pytest

from bench import spawn


@pytest.mark.alone
def test_the_spawn_benchmark_prints_its_table(capsys: pytest.CaptureFixture[str]):
    table = spawn.run(runs=5)
    with capsys.disabled():
        print(f"\n\n{table}\n")
    rows = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert rows == ["p2m-spawner", "stock DockerSpawner", "docker run, no hub"]
