"""What a benchmark has measured: tables of samples, kept as JSON with the date and the machine.

A benchmark measures, this module keeps, `bench.present` shows. Samples are kept and not their median, so that a record
can be read again in another way.
"""

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import docker

from tests.support.image import IMAGE

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "performance"

Samples = list[float]


@dataclass
class Table:
    """Samples by row and column.

    Attributes:
        title: One line, without the unit.
        unit: Unit of every sample.
        columns: Names of what is compared, ours first.
        rows: Samples by row, then by column; a column that is missing in a row was not measured, an empty list means
            that the measurement gave nothing within its limit.
        ratio: Two columns; the table ends with the second's median by the first's.
        plot: How `bench.present` draws it: bars, steps of one process one after the other, lines over rows whose names
            begin with a number, or not at all.
    """

    title: str
    unit: str
    columns: list[str]
    rows: dict[str, dict[str, Samples]] = field(default_factory=dict)
    ratio: tuple[str, str] | None = None
    plot: Literal["bars", "steps", "lines", ""] = "bars"

    def add(self, row: str, column: str, samples: Samples) -> None:
        """Put more samples into a cell."""
        self.rows.setdefault(row, {}).setdefault(column, []).extend(samples)

    def median(self, row: str, column: str) -> float | None:
        """The median of a cell, None when there are no samples."""
        samples = self.rows[row].get(column)
        return statistics.median(samples) if samples else None


@dataclass
class Record:
    """One run of one benchmark.

    Attributes:
        benchmark: Name of its module in `bench`.
        date: When it ended, UTC, ISO 8601.
        machine: Facts of the machine, by their names.
        tables: What it has measured.
    """

    benchmark: str
    date: str
    machine: dict[str, str]
    tables: list[Table]

    def save(self, folder: Path = FOLDER) -> Path:
        """Write the record in the place of the last one."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.benchmark}.json"
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read a record."""
        kept = json.loads(path.read_text(encoding="utf-8"))
        tables = [Table(**{**table, "ratio": table["ratio"] and tuple(table["ratio"])}) for table in kept["tables"]]
        return cls(kept["benchmark"], kept["date"], kept["machine"], tables)


def record(benchmark: str, tables: list[Table]) -> Record:
    """A record of now and here; samples are kept to four digits."""
    for table in tables:
        for cells in table.rows.values():
            for column, samples in cells.items():
                cells[column] = [float(f"{sample:.4g}") for sample in samples]
    return Record(benchmark, datetime.now(UTC).isoformat(timespec="seconds"), machine(), tables)


def machine() -> dict[str, str]:
    """What figures depend on, without anything that tells which machine it is."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in facts if line.startswith("model name")), "unknown")
    engine = docker.from_env()
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "memory": f"{gigabytes:.0f} GB",
        "graphics": "software (llvmpipe)",
        "kernel": platform.release().split("-")[0],
        "engine": f"Docker {engine.version()['Version']}",
        "image": str(engine.images.get(IMAGE).id).removeprefix("sha256:")[:12],
    }
