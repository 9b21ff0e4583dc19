"""Runs benchmarks, keeps their records and puts their figures into docs/performance.md.

python -m bench [--runs N] [--add] [NAME …]
"""

import argparse
from importlib import import_module

from bench import capacity
from bench.present import markdown, update
from bench.record import FOLDER, Record, record
from bench.stage import Stage

BENCHMARKS = (
    *("spawn", "ten_users", "roundtrip", "gateway_latency", "messages", "agents"),
    *("footprint", "desktop_stream", "scale"),
)
"""Modules of this package with `measure(stage, runs) -> list[Table]`."""


def main() -> None:
    """Run what the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, and write docs/performance.md anew.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all when left out")
    parser.add_argument("--runs", type=int, metavar="N", help="turns of what is compared; each has its own default")
    parser.add_argument("--add", action="store_true", help="add the samples to those of the last record of this image")
    arguments = parser.parse_args()
    names = arguments.names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        with Stage() as stage:
            tables = import_module(f"bench.{name}").measure(
                stage, **({"runs": arguments.runs} if arguments.runs else {})
            )
        made = record(name, tables)
        if arguments.add:
            made = made.added_to(Record.load(FOLDER / f"{name}.json"))
        made.save()
        print(*map(markdown, made.tables), sep="\n\n", end="\n\n", flush=True)
    update()
    capacity.update()


if __name__ == "__main__":
    main()
