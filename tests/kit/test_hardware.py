import os

import pytest

from tholos.kit.hardware import hardware, memory_bytes


def test_this_machine_has_a_processor_cores_and_memory():
    processor, cores, memory = hardware().split(" · ")
    assert processor
    assert 1 <= int(cores.split()[0]) <= (os.cpu_count() or 1)
    assert int(memory.removesuffix(" GiB")) >= 1


@pytest.fixture
def machine(tmp_path):
    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return tmp_path

    return write


def test_a_control_group_counts_not_the_machine(machine):
    machine("proc/cpuinfo", "processor\t: 0\nmodel name\t: Intel(R)  Xeon(R) CPU\nprocessor\t: 1\n")
    machine("sys/fs/cgroup/cpu.max", "50000 100000\n")
    root = machine("sys/fs/cgroup/memory.max", f"{1 << 30}\n")
    assert hardware(root) == "Intel Xeon CPU · 1 core · 1 GiB"
    assert memory_bytes(root) == 1 << 30


def test_without_limits_it_is_the_machine(machine):
    machine("sys/fs/cgroup/cpu.max", "max 100000\n")
    root = machine("sys/fs/cgroup/memory.max", "max\n")
    assert int(hardware(root).split(" · ")[1].split()[0]) == len(os.sched_getaffinity(0))
    assert memory_bytes(root) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
