import sys

import pytest

from tidegate.runtimes.catalog import arguments, runtime_for
from tidegate.runtimes.errors import (
    FrameworkMissing,
    ModelFileBroken,
    ModelFileMissing,
    NotTrusted,
)
from tidegate.runtimes.gguf_model import load_gguf
from tidegate.runtimes.llama_flags import read_llama_flags
from tidegate.runtimes.model_files import one_model_file
from tidegate.runtimes.onnx_model import load_onnx
from tidegate.runtimes.sklearn_model import load_sklearn


def test_the_one_file_of_a_folder_is_found_as_a_configmap_mounts_it(tmp_path):
    data = tmp_path / "..data"
    data.mkdir()
    (data / "model.joblib").write_bytes(b"x")
    (tmp_path / "model.joblib").symlink_to("..data/model.joblib")
    (tmp_path / "notes.txt").write_text("x")
    assert one_model_file(tmp_path, (".joblib",)) == tmp_path / "model.joblib"
    assert one_model_file(tmp_path / "model.joblib", (".joblib",)) == tmp_path / "model.joblib"


def test_none_and_several_are_both_refused(tmp_path):
    with pytest.raises(ModelFileMissing, match=r"give a \.onnx file, or the folder"):
        one_model_file(tmp_path / "nowhere", (".onnx",))
    with pytest.raises(ModelFileMissing, match=r"holds no file that ends in \.onnx"):
        one_model_file(tmp_path, (".onnx",))
    for name in ("b.onnx", "a.onnx"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelFileMissing, match=r"several \(a.onnx, b.onnx\): leave one"):
        one_model_file(tmp_path, (".onnx",))


def test_a_pickle_is_not_opened_without_trust(tmp_path):
    trap = tmp_path / "model.pkl"
    trap.write_bytes(b"cos\nsystem\n(S'touch %s'\ntR." % bytes(tmp_path / "ran"))
    with pytest.raises(NotTrusted, match="loading a pickle runs the code inside"):
        load_sklearn(tmp_path, trust=False, environ={})
    assert not (tmp_path / "ran").exists()


def test_a_broken_file_is_named_with_a_way_out(tmp_path):
    def broken(name):
        (tmp_path / name).write_bytes(b"not a model")
        return tmp_path / name

    with pytest.raises(ModelFileBroken, match=r"model.joblib: .*write it again with joblib.dump"):
        load_sklearn(broken("model.joblib"), trust=True, environ={})
    with pytest.raises(ModelFileBroken, match=r"model.onnx: .*opset"):
        load_onnx(broken("model.onnx"))
    with pytest.raises(ModelFileBroken, match=r"model.gguf: it is not a GGUF file"):
        load_gguf(read_llama_flags(["-m", str(broken("model.gguf"))], {}, cpus=1))


def test_a_pickle_of_something_else_is_refused(tmp_path):
    import joblib

    joblib.dump({"a": 1}, tmp_path / "model.joblib")
    with pytest.raises(ModelFileBroken, match="it holds a dict, which can't predict"):
        load_sklearn(tmp_path, trust=True, environ={})


def test_a_missing_framework_is_named_with_its_extra(iris_files, smollm2, monkeypatch):
    for name in ("joblib", "onnxruntime", "xllamacpp"):
        monkeypatch.setitem(sys.modules, name, None)  # what Python does for "not installed"
    with pytest.raises(FrameworkMissing, match=r"pip install 'tidegate\[sklearn\]'"):
        load_sklearn(iris_files, trust=True, environ={})
    with pytest.raises(FrameworkMissing, match=r"pip install 'tidegate\[onnx\]'"):
        load_onnx(iris_files)
    with pytest.raises(FrameworkMissing, match=r"pip install 'tidegate\[gguf\]'"):
        load_gguf(read_llama_flags(["-m", str(smollm2)], {}, cpus=1))


def test_probabilities_are_predicted_when_the_document_asks(iris_files):
    model = load_sklearn(iris_files, trust=True, environ={"PREDICT_PROBA": "true"})
    (row,) = model.predict([[6.8, 2.8, 4.8, 1.4]])
    assert sum(row) == pytest.approx(1)


def test_a_suffix_finds_its_server():
    gguf = runtime_for("dir/Model.GGUF")
    assert gguf is not None
    assert arguments(gguf, model="/m.gguf", name="m", port=1)[:4] == [
        "-m",
        "tidegate.runtimes.llamaserver",
        "-m",
        "/m.gguf",
    ]
    sklearn = runtime_for("model.pkl")
    assert sklearn is not None
    assert sklearn.runs_code
    assert runtime_for("model.zip") is None


def test_a_gguf_model_loads_where_the_temporary_folder_has_a_long_name(
    smollm2, tmp_path, monkeypatch
):
    """llama.cpp's engine binds a Unix socket there; under a pod's TMPDIR it was too long (107)."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    argv = ["-m", str(smollm2), "-c", "256", "-np", "1", "--no-warmup"]
    model = load_gguf(read_llama_flags(argv, {}, cpus=1))
    model.close()
    assert list(folder.iterdir()) == []
