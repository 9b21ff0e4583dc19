"""Ten thousand logins in a row, by REST, with names that nobody has: refused, and nothing of them stays in memory."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from tests.support.hub import Hub

from .conftest import Api

LOGINS = 10_000
AT_ONCE = 8
PER_ADDRESS = 30
"""Failed logins of one address (`AccountsAuthenticator.failed_logins_per_address`); they drain in five minutes."""


def megabytes(pid: int) -> float:
    """Memory of a process in RAM."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def test_ten_thousand_logins_in_a_row(start_light_hub: Callable[..., Hub]) -> None:
    hub = start_light_hub()
    supervisor = int((hub.state_dir / "gateway.pid").read_text())
    (gateway,) = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    processes = {"hub": hub.process.pid, "gateway": int(gateway)}

    def log_in(numbers: Iterable[int]) -> list[requests.Response]:
        api = Api(hub)
        return [api.post("auth/login", {"username": f"guess-{number}", "password": "wrong"}) for number in numbers]

    answers = log_in(range(50))  # what the first requests load is not what requests leave behind
    before = {name: megabytes(pid) for name, pid in processes.items()}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        parts = [range(first, LOGINS, AT_ONCE) for first in range(AT_ONCE)]
        answers += [answer for part in threads.map(log_in, parts) for answer in part]
    grown = {name: megabytes(pid) - before[name] for name, pid in processes.items()}

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {401, 429}, statuses
    assert PER_ADDRESS <= statuses[401] <= 2 * PER_ADDRESS, "the throttle drains, and no more"
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status_code == 429)
    assert max(grown.values()) < 20, f"megabytes: {grown}"
    assert requests.get(f"{hub.url}/hub/health", timeout=5).ok
