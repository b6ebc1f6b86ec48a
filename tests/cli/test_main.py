"""One line on stderr, the right exit code, never a traceback."""

import subprocess
import sys

import pytest

from tidegate.cli.main import guarded, main


def said(capsys):
    out, err = capsys.readouterr()
    return out, err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_the_commands_without_loading_them(capsys, words):
    for module in [m for m in sys.modules if m == "tidegate.cli.apply"]:
        del sys.modules[module]
    assert main(words) == 0
    assert "  apply " in said(capsys)[0]
    assert "tidegate.cli.apply" not in sys.modules


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["aply"], "tidegate: no command 'aply': did you mean `tidegate apply`?\n"),
        (["status", "--nope"], "tidegate: Unknown option: --nope. See `tidegate status --help`\n"),
        (["up", "--port", "70000"], "tidegate: --port 70000: a port is between 0 and 65535\n"),
        (["apply"], "tidegate: nothing to apply: -f FILE, -f FOLDER or -f -\n"),
        (["load", "-c", "0", "http://x"], "tidegate: -c 0: at least 1 connection\n"),
        (["load", "ftp://x"], "tidegate: 'ftp://x' is no URL to load: write http://host[:port]/path or a service's name\n"),
        (["wait", "pod/x", "--for=up"], "tidegate: --for=up: write condition=Ready, delete or jsonpath={.status.phase}=Running\n"),
        (["run", "--env", "X", "m.onnx"], "tidegate: --env 'X': write NAME=VALUE\n"),
        (["explain"], "tidegate: `tidegate explain` needs a SERVICE. See `tidegate explain --help`\n"),
        (["wait", "pod/x"], "tidegate: `tidegate wait` needs --for. See `tidegate wait --help`\n"),
        (["down", "x"], "tidegate: `tidegate down` takes no 'x'. See `tidegate down --help`\n"),
        (["up", "--port", "x"], "tidegate: Invalid value for --port: unable to convert \"x\" into a whole number. See `tidegate up --help`\n"),
        (["token", "create"], "tidegate: `tidegate token create` needs --role (admin, edit, view). See `tidegate token create --help`\n"),
        (["cache", "-o", "json"], "tidegate: `tidegate cache` needs a COMMAND; options come after it. See `tidegate cache --help`\n"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_one_line_and_exit_code_2(capsys, words, line):
    assert main(words) == 2
    assert said(capsys) == ("", line)


@pytest.mark.parametrize("words", [["batch"], ["cache", "-h"], ["token", "--help"]])
def test_a_command_with_commands_of_its_own_lists_them_each_with_its_summary(capsys, words):
    assert main(words) == 0
    out, _ = said(capsys)
    assert f"Usage: tidegate {words[0]} COMMAND" in out
    listed = out.partition("Commands:\n")[2].splitlines()
    parts = [
        line.split()[0].rstrip(",") for line in listed if line.startswith("  ") and line[2] != " "
    ]
    assert len(parts) > 2
    for part in parts:
        assert main(["help", words[0], part]) == 0
        out, _ = said(capsys)
        assert f"Usage: tidegate {words[0]} {part}" in out
        assert f"Example: tidegate {words[0]} {part}" in out


def test_help_is_set_in_columns_to_the_width_there_is_and_examples_stay_whole(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["batch", "run", "--help"]) == 0
    lines = said(capsys)[0].splitlines()
    assert max(len(line) for line in lines if not line.startswith("Example: ")) <= 60
    assert any(line.endswith("--keep choices.0.message.content") for line in lines)
    at = lines.index("      --limit N                Only the first rows.")
    assert lines[at + 1].startswith("      --retries N              Further tries of a row")
    assert "  -H, --header TEXT      A header 'Name: value' for each" in lines


@pytest.mark.parametrize(
    "words", [["status"], ["get", "pods"], ["apply", "-f", "x"], ["kubeconfig"], ["url", "x"]]
)
def test_without_an_engine_one_line_tells_the_way_out(capsys, tmp_path, monkeypatch, words):
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("apiVersion: v1\nkind: Pod\n")
    assert main(words) == 1
    out, err = said(capsys)
    assert out == ""
    assert err.count("\n") == 1
    assert "tidegate up" in err


def test_down_without_an_engine_is_done_already(capsys, tmp_path):
    assert main(["down", "--data-dir", str(tmp_path)]) == 0
    assert said(capsys)[0] == f"no engine runs for {tmp_path}\n"


def test_an_error_nobody_foresaw_is_one_line_too_unless_asked_for(capsys, monkeypatch):
    def broken():
        raise ZeroDivisionError("no\n  such luck")

    monkeypatch.delenv("TIDEGATE_DEBUG", raising=False)
    assert guarded(broken) == 1
    assert said(capsys)[1] == "tidegate: no; such luck\n"
    monkeypatch.setenv("TIDEGATE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        guarded(broken)


def test_ctrl_c_is_130(capsys):
    def interrupted():
        raise KeyboardInterrupt

    assert guarded(interrupted) == 130


def test_run_shows_the_document_and_changes_nothing_when_asked(capsys, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"")
    assert main(["run", "--dry-run", str(tmp_path / "m.onnx")]) == 0
    assert said(capsys)[0].startswith("apiVersion: serving.knative.dev/v1\nkind: Service\n")


def test_run_tells_a_folder_and_a_missing_model_from_a_program(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "odd.xyz").write_bytes(b"")
    for words, line in (
        (["models"], "tidegate: models: a folder; name the model file in it\n"),
        (["m.onnx"], "tidegate: m.onnx: no such model file\n"),
        (["odd.xyz"], f"tidegate: {tmp_path}/odd.xyz: no runtime for .xyz"),
        (["nobody"], "tidegate: 'nobody' is neither a model file nor a program of this machine"),
    ):
        assert main(["run", "--dry-run", *words]) != 0
        assert said(capsys)[1].startswith(line)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_all_commands(capsys, shell):
    assert main(["completion", shell]) == 0
    out = said(capsys)[0]
    assert "describe" in out
    assert "kubeconfig" in out


COMPLETE = """
source /dev/stdin
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_tidegate
echo "${COMPREPLY[*]}"
complete -p tidegate
"""


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["cache", "w"], "warm"),
        (["batch", ""], "run ls list status cancel"),
        (["batch", "run", "--protocol", ""], "auto openai v1 v2 chat raw"),
        (["batch", "run", "x", "--max-c"], "--max-concurrency"),
        (["arena", "serve", "tra"], "traffic-router-split"),
        (["get", "ksvc", "-o", "j"], "json"),
        (["apply", "-f", "ia"], ""),  # nothing of ours, so names of files: `-o default`
    ],
)
def test_bash_is_offered_what_may_come_next(capsys, words, offered):
    assert main(["completion", "bash"]) == 0
    script = said(capsys)[0]
    done = subprocess.run(
        ["bash", "-c", COMPLETE, "bash", "tidegate", *words],
        input=script, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    replies, how = done.stdout.splitlines()
    assert (replies, done.stderr) == (offered, "")
    assert how == "complete -o default -F _tidegate tidegate"
