import os

from tidegate.runtimes.cpus import cpus_for, limit_math_threads, usable_cpus


def cgroup(tmp_path, **quotas):
    """A cgroup tree `a/b`; `quotas` are the cpu.max files of `a` and `b`."""
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "cgroup").write_text("0::/a/b\n")
    folders = {"a": tmp_path / "fs" / "a", "b": tmp_path / "fs" / "a" / "b"}
    folders["b"].mkdir(parents=True)
    for name, text in quotas.items():
        (folders[name] / "cpu.max").write_text(text)
    return usable_cpus(tmp_path / "fs", proc)


def test_without_a_quota_affinity_decides(tmp_path):
    assert cgroup(tmp_path, b="max 100000") == len(os.sched_getaffinity(0))


def test_half_a_cpu_is_one_thread(tmp_path):
    assert cgroup(tmp_path, b="50000 100000") == 1


def test_a_parents_quota_counts_too(tmp_path):
    assert cgroup(tmp_path, a="100000 100000", b="max 100000") == 1


def test_without_cgroups_affinity_decides(tmp_path):
    assert usable_cpus(tmp_path, tmp_path) == len(os.sched_getaffinity(0))


def test_a_document_that_set_its_threads_keeps_them():
    environ = {"OMP_NUM_THREADS": "4"}
    limit_math_threads(environ, 1)
    assert (environ["OMP_NUM_THREADS"], environ["OPENBLAS_NUM_THREADS"]) == ("4", "1")


def test_a_servers_threads_go_by_its_containers_limit():
    assert cpus_for({"OMP_NUM_THREADS": "1"}, usable=8) == 1
    assert cpus_for({"OMP_NUM_THREADS": "16"}, usable=8) == 8
    assert cpus_for({}, usable=8) == cpus_for({"OMP_NUM_THREADS": "many"}, usable=8) == 8
