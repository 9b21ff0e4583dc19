"""Processor time as a container's cgroup tells it, in both versions."""

import os
from pathlib import Path

import pytest

from p2m_singleuser.processor import Processor, processor


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


CORES = float(len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(("quota", "limit"), [("200000 100000", 2.0), ("50000 100000", 0.5), ("max 100000", CORES)])
def test_version_2(tmp_path: Path, quota: str, limit: float):
    write(tmp_path, cpu_dot_stat="usage_usec 2500000\nuser_usec 1\n", cpu_dot_max=f"{quota}\n")
    assert processor(tmp_path) == Processor(2.5, limit)


@pytest.mark.parametrize(("quota", "limit"), [("150000", 1.5), ("-1", CORES)])
def test_version_1(tmp_path: Path, quota: str, limit: float):
    write(
        tmp_path,
        cpuacct__cpuacct_dot_usage="2500000000\n",
        cpu__cpu_dot_cfs_quota_us=f"{quota}\n",
        cpu__cpu_dot_cfs_period_us="100000\n",
    )
    assert processor(tmp_path) == Processor(2.5, limit)


def test_a_kernel_that_says_nothing_is_no_error(tmp_path: Path):
    assert processor(tmp_path) == Processor(None, None)
    write(tmp_path, cpu_dot_stat="nr_periods 3\n", cpu_dot_max="")
    assert processor(tmp_path) == Processor(None, None)
