import pytest

from tidegate.runtimes.errors import BadFlag
from tidegate.runtimes.llama_flags import FLAGS, read_llama_flags

MODEL = ["-m", "/models/smol.gguf"]


def read(*argv, **environ):
    return read_llama_flags(argv, environ, cpus=2)


def test_the_images_own_command_line_is_understood():
    plan = read(*MODEL, "--host", "0.0.0.0", "--port", "9000", "--alias", "smollm2", "-np", "2")
    assert (plan.model, plan.alias) == ("/models/smol.gguf", "smollm2")
    assert (plan.host, plan.port, plan.parallel) == ("0.0.0.0", 9000, 2)


def test_defaults_are_llama_cpps_and_the_machines():
    plan = read(*MODEL)
    assert (plan.alias, plan.host, plan.port) == ("smol.gguf", "127.0.0.1", 8080)
    assert (plan.parallel, plan.threads, plan.api_keys) == (4, 2, ())


def test_variables_are_read_and_flags_win():
    environ = {"LLAMA_ARG_MODEL": "/a.gguf", "LLAMA_ARG_CTX_SIZE": "512", "LLAMA_ARG_PORT": "1"}
    plan = read("--port", "2", **environ)
    assert (plan.model, plan.port, plan.values["--ctx-size"]) == ("/a.gguf", 2, 512)


def test_port_stands_in_where_neither_says_one():
    assert read(*MODEL, PORT="7000").port == 7000
    assert read(*MODEL, PORT="7000", LLAMA_ARG_PORT="1").port == 1


def test_a_pod_is_kept_on_the_address_it_was_given():
    assert read(*MODEL, "--host", "0.0.0.0", TIDEGATE_HOST="127.0.0.1").host == "127.0.0.1"


def test_a_pair_of_flags_turns_a_setting_on_and_off():
    assert read(*MODEL, "--no-warmup").values["--warmup"] is False
    assert read(*MODEL, "--no-warmup", "--warmup").values["--warmup"] is True
    assert read(*MODEL, LLAMA_ARG_CONT_BATCHING="off").values["--cont-batching"] is False


def test_no_spelling_means_two_flags():
    spellings = [name for flag in FLAGS for name in (*flag.names, *flag.off)]
    assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ([], "-m: no model"),
        ([*MODEL, "--hf-repo", "a/b"], "--hf-repo: models are not downloaded here"),
        ([*MODEL, "--metrics"], "--metrics: this page of llama.cpp is not served here"),
        ([*MODEL, "--mlokc"], "--mlokc: not a flag that is honoured here"),
        ([*MODEL, "-c"], "-c: needs a value after it"),
        ([*MODEL, "-c", "big"], "-c: can't read 'big'"),
        ([*MODEL, "-ctk", "q3"], "-ctk: can't read 'q3': 'q3' is not one of f32"),
    ],
)
def test_what_can_not_be_honoured_is_refused_by_name(argv, why):
    with pytest.raises(BadFlag) as refused:
        read(*argv)
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("LLAMA_ARG_HF_REPO", "a/b", "models are not downloaded here"),
        ("LLAMA_ARG_NOPE", "1", "not a variable that is honoured here"),
        ("LLAMA_ARG_JINJA", "maybe", "'maybe' is neither on nor off"),
        ("PORT", "web", "'web' is not a port number"),
    ],
)
def test_a_variable_is_refused_like_a_flag(name, value, why):
    with pytest.raises(BadFlag) as refused:
        read(*MODEL, **{name: value})
    assert str(refused.value).startswith(f"{name}: {why}")


def test_every_flag_reaches_llama_cpps_own_settings():
    """Against the real settings object: a misspelt attribute or enum fails here."""
    import xllamacpp

    texts = {"--flash-attn": "on", "--cache-type-k": "q8_0", "--cache-type-v": "iq4_nl"}
    argv = list(MODEL)
    for flag in FLAGS:
        name = flag.names[0]
        if name == "--model":
            continue
        argv += (
            [name]
            if flag.read is None
            else [name, texts.get(name, "on" if name == "--fit" else "3")]
        )
    params = xllamacpp.CommonParams()
    read(*argv).put_into(params, xllamacpp)
    assert (params.n_ctx, params.n_predict, params.n_gpu_layers, params.n_parallel) == (3, 3, 3, 3)
    assert params.sampling.seed == 3
    assert params.cpuparams_batch.n_threads == 3
    assert params.cache_type_k == xllamacpp.ggml_type.GGML_TYPE_Q8_0
    assert params.cache_type_v == xllamacpp.ggml_type.GGML_TYPE_IQ4_NL
    assert params.kv_unified
    assert params.fit_params


def test_slots_that_nobody_counted_share_one_buffer():
    import xllamacpp

    params = xllamacpp.CommonParams()
    read(*MODEL).put_into(params, xllamacpp)
    assert (params.n_parallel, params.kv_unified) == (4, True)
    read(*MODEL, "-np", "2").put_into(params, xllamacpp)
    assert (params.n_parallel, params.kv_unified) == (2, False)
