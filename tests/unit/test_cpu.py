"""The CPU quota, read from folders that look like a cgroup's."""

from pathlib import Path

import pytest

from common.cpu import cores_in_quota


def cgroup(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def v1(quota: str, period: str = "100000") -> dict[str, str]:
    return {"cpu/cpu.cfs_quota_us": f"{quota}\n", "cpu/cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        pytest.param({"cpu.max": "max 100000\n"}, 1, id="v2 without a quota"),
        pytest.param({"cpu.max": "25000 100000\n"}, 1, id="v2 a quarter"),
        pytest.param({"cpu.max": "100000 100000\n"}, 1, id="v2 exactly one"),
        pytest.param({"cpu.max": "100001 100000\n"}, 2, id="v2 a little more than one"),
        pytest.param({"cpu.max": "400000 100000\n"}, 4, id="v2 four"),
        pytest.param({"cpu.max": "50000 20000\n"}, 3, id="v2 another period"),
        pytest.param(v1("-1"), 1, id="v1 without a quota"),
        pytest.param(v1("50000"), 1, id="v1 a half"),
        pytest.param(v1("250000"), 3, id="v1 two and a half"),
        pytest.param({"cpu/cpu.cfs_quota_us": "400000"}, 1, id="v1 without a period"),
        pytest.param({"cpu.max": "200000 100000\n"} | v1("-1"), 2, id="v2 before v1"),
        pytest.param({"cpu.max": ""} | v1("200000"), 2, id="v2 empty"),
        pytest.param({}, 1, id="no cgroup"),
    ],
)
def test_a_quota_is_rounded_up_to_whole_cores(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    assert cores_in_quota(cgroup(tmp_path, files)) == cores


def test_one_core_is_assumed_without_a_cgroup(tmp_path: Path) -> None:
    assert cores_in_quota(tmp_path / "none") == 1
