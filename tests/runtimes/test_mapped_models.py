"""Large models are mapped from their file: replicas share the pages."""

import joblib
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from tidegate.runtimes.sklearn_model import MAP_FROM_BYTES, load_sklearn

ROWS = np.random.default_rng(1).random((20_000, 40))


@pytest.fixture
def neighbours():
    return KNeighborsClassifier(3, algorithm="brute").fit(ROWS, (ROWS[:, 0] > 0.5).astype(int))


def mapped_kib(path):
    """Of this process's mappings of a file."""
    kib, ours = 0, False
    with open("/proc/self/smaps") as smaps:
        for line in smaps:
            if "-" in line.split()[0]:
                ours = line.rstrip().endswith(str(path))
            elif ours and line.startswith("Size:"):
                kib += int(line.split()[1])
    return kib


def test_a_large_model_s_arrays_are_the_file_s_own_pages(neighbours, tmp_path):
    path = tmp_path / "model.joblib"
    joblib.dump(neighbours, path)
    assert path.stat().st_size > MAP_FROM_BYTES
    model = load_sklearn(path, trust=True, environ={})
    assert mapped_kib(path) * 1024 >= ROWS.nbytes
    assert model.predict(ROWS[:50].tolist()) == neighbours.predict(ROWS[:50]).tolist()


def test_a_compressed_one_is_read_into_memory_without_a_word(neighbours, tmp_path):
    path = tmp_path / "model.joblib"
    joblib.dump(neighbours, path, compress=1)
    assert path.stat().st_size > MAP_FROM_BYTES
    model = load_sklearn(path, trust=True, environ={})
    assert mapped_kib(path) == 0
    assert model.predict(ROWS[:5].tolist()) == neighbours.predict(ROWS[:5]).tolist()


def test_a_small_one_is_read(tmp_path):
    path = tmp_path / "model.joblib"
    joblib.dump(KNeighborsClassifier(1).fit(ROWS[:100], np.arange(100) % 2), path)
    load_sklearn(path, trust=True, environ={})
    assert mapped_kib(path) == 0
