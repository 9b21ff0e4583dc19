"""What to buy: machines for so many people at once, reckoned from the records of the benchmarks.

A model on paper. What a person costs at rest and at a start was measured; what people do is assumed, and every
assumption is a field of `Habits` that an operator can replace. docs/howto/sizing.md has the table.

    python -m bench.capacity

writes the table of docs/howto/sizing.md anew.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from bench.record import FOLDER, Record, Table

DOCUMENT = FOLDER.parent / "howto" / "sizing.md"
BEGIN, END = "<!-- figures capacity -->", "<!-- end capacity -->"

PEOPLE = (30, 300, 3000)
"""People whose servers run at the same time."""

MACHINE_CORES, MACHINE_GB = 32, 128
"""A machine of the size that is cheapest by the core at most sellers."""

SYSTEM_GB = 4
"""Of each machine: kernel, engine, page cache of one image; on the first one also hub, proxy and gateway."""


@dataclass(frozen=True)
class Habits:
    """What people do.

    Attributes:
        scene_gb: Memory that Blender takes for the scene somebody works on, beside what it needs empty.
        moving: Share of the people who orbit, play or render in one moment.
        cores_moving: Cores that each of those keeps busy; Blender without a graphics card draws on the processor.
    """

    scene_gb: float = 0.5
    moving: float = 0.3
    cores_moving: float = 1.0


@dataclass(frozen=True)
class Cost:
    """What one person's server was measured to cost.

    Attributes:
        memory_gb: Memory at rest.
        idle_cores: Processor at rest, in cores.
        start_cpu_s: Seconds of one core that a start takes when all cores are busy.
    """

    memory_gb: float
    idle_cores: float
    start_cpu_s: float


def costs() -> dict[str, Cost]:
    """Cost by kind of server, from the records `footprint` and `ten_users`."""
    memory, cpu = Record.load(FOLDER / "footprint.json").tables
    rush = Record.load(FOLDER / "ten_users.json")
    start = median(rush.tables[0], "until all Blenders are ready", "p2m-spawner")
    cores = int(rush.machine["processor"].rpartition(", ")[2].split()[0])

    def cost(row: str) -> Cost:
        return Cost(median(memory, row, "per user") / 1024, median(cpu, row, "per user") / 100, start * cores / 10)

    return {"desktop": cost("p2m desktop"), "headless": cost("p2m headless")}


def median(table: Table, row: str, column: str) -> float:
    """A median that has to be there.

    Raises:
        ValueError: It was not measured.
    """
    found = table.median(row, column)
    if found is None:
        raise ValueError(f"{table.title}: nothing was measured for {row}, {column}.")
    return found


def starts_each_second(people: int) -> float:
    """Starts that one hub manages with so many servers, from the record `scale`: the nearest size that is not below."""
    (rates,) = (
        each for each in Record.load(FOLDER / "scale.json").tables if each.title == "Servers that one hub starts"
    )
    sizes = sorted((int(row.split()[0].replace(",", "")), row) for row in rates.rows)
    row = next((row for size, row in sizes if size >= people), sizes[-1][1])
    return median(rates, row, "starts")


def table(habits: Habits) -> str:
    """What to buy (Markdown), a row for each number of people and kind of server."""
    head = ["people at once", "Blender", "memory", "cores", f"machines of {MACHINE_CORES} cores, {MACHINE_GB} GB",
            "all start at once in"]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for people in PEOPLE:
        for kind, cost in costs().items():
            memory = people * (cost.memory_gb + habits.scene_gb)
            cores = people * (cost.idle_cores + habits.moving * habits.cores_moving)
            machines = max(math.ceil(memory / (MACHINE_GB - SYSTEM_GB)), math.ceil(cores / MACHINE_CORES))
            rush = max(people * cost.start_cpu_s / (machines * MACHINE_CORES), people / starts_each_second(people))
            cells = [f"{people:,}", kind, f"{memory:,.0f} GB", f"{math.ceil(cores):,}", str(machines), f"{rush:.0f} s"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def update(document: Path = DOCUMENT) -> None:
    """Write the table into the document.

    Raises:
        ValueError: It has no place for it.
    """
    before, found, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"{document.name} has no place for the table: {BEGIN} … {END}")
    document.write_text(f"{before}{BEGIN}\n{table(Habits())}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    update()
