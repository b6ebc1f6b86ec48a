import pytest

from tidegate.protocols.vllm_only import SWITCHES, VALUED
from tidegate.runtimes.errors import BadFlag, ModelFileMissing
from tidegate.runtimes.vllm_flags import (
    ALREADY_SO,
    HONOURED,
    LEVELS,
    REFUSED,
    model_file,
    read_vllm_flags,
)
from tidegate.runtimes.vllmserver import read_plan

QWEN = [
    "--port",
    "8080",
    "--trust-remote-code",
    "--served-model-name",
    "qwen",
    "--model",
    "/mnt/models/Qwen-7B-Chat-Int8",
    "--gpu-memory-utilization",
    "0.95",
    "--quantization",
    "gptq",
    "--max-model-len=6144",
]


def test_the_command_line_that_people_have_is_understood():
    plan = read_vllm_flags(QWEN)
    assert (plan.model, plan.names) == ("/mnt/models/Qwen-7B-Chat-Int8", ("qwen",))
    assert plan.llama == ("--port", "8080", "--ctx-size", "6144")
    assert plan.without_effect == (
        "--trust-remote-code",
        "--gpu-memory-utilization",
        "--quantization",
    )


def test_a_model_is_served_under_all_its_names_or_its_path():
    assert read_vllm_flags(["--model", "/m", "--served-model-name", "a", "b"]).names == ("a", "b")
    assert read_vllm_flags(["/m", "--served_model_name=a"]).names == ("a",)
    assert read_vllm_flags(["--model=/m"]).names == ("/m",)


@pytest.mark.parametrize(("text", "tokens"), [("6144", "6144"), ("6k", "6000"), ("2K", "2048")])
def test_a_length_may_have_a_letter(text, tokens):
    plan = read_vllm_flags(["--model", "/m", "--max-model-len", text])
    assert plan.llama == ("--ctx-size", tokens)


def test_sequences_at_once_are_slots():
    plan = read_vllm_flags(["--model", "/m", "--max-num-seqs", "3", "--api-key", "k"])
    assert plan.llama == ("--api-key", "k", "--parallel", "3")


def test_a_chat_template_is_a_file_or_a_text(tmp_path):
    file = tmp_path / "t.jinja"
    file.write_text("{{ x }}")
    for said in (str(file), "{{ x }}"):
        plan = read_vllm_flags(["--model", "/m", "--chat-template", said])
        assert plan.llama == ("--chat-template", "{{ x }}")


def test_no_flag_is_in_two_lists():
    lists = (set(HONOURED), ALREADY_SO, LEVELS, set(REFUSED), SWITCHES, VALUED)
    assert len(set().union(*lists)) == sum(map(len, lists))


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ([], "--model: missing"),
        (["--model"], "--model: needs a value"),
        (["--model", "--port", "1"], "--model: needs a value"),
        (["--model", "/m", "--port", "web"], "--port: 'web' is not a number"),
        (["--model", "/m", "--max-model-len", "-1"], "--max-model-len: '-1' is not a number"),
        (["--model", "/m", "--mlokc", "1"], "--mlokc: not a flag that is honoured here"),
        (["--model", "/m", "--enable-lora"], "--enable-lora: LoRA adapters are not served"),
        (["--model", "/m", "stray"], "stray: expected a flag"),
        (["--model", "/m", "--chat-template", "/no"], "--chat-template: can't read /no"),
    ],
)
def test_what_can_not_be_honoured_is_refused_by_name(argv, why):
    with pytest.raises(BadFlag) as refused:
        read_vllm_flags(argv)
    assert str(refused.value).startswith(why)


def test_a_folder_with_one_gguf_file_is_that_model(tmp_path):
    file = tmp_path / "smol.gguf"
    file.touch()
    assert model_file(str(tmp_path)) == model_file(str(file)) == file


def test_a_model_that_llama_cpp_can_not_have_says_the_way_out(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelFileMissing, match=r"needs a \.gguf file there"):
        model_file(str(tmp_path))
    with pytest.raises(ModelFileMissing, match="models are not downloaded here"):
        model_file("Qwen/Qwen2-0.5B")


def test_flags_without_effect_are_told_in_the_log(tmp_path, capsys):
    file = tmp_path / "smol.gguf"
    file.touch()
    argv = ["--model", str(tmp_path), "--served-model-name", "qwen", "q", "--quantization", "gptq"]
    plan = read_plan(argv, {"PORT": "7000", "LLAMA_ARG_NOPE": "1"})
    assert (plan.name, plan.also, plan.port) == ("qwen", frozenset({"q"}), 7000)
    assert "without effect are --quantization" in capsys.readouterr().err
    assert read_plan(["--model", str(file)], {}).port == 8000
