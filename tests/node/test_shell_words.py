import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.node.shell_words import script_of, simple_command


def test_a_plain_command_line_is_its_words():
    script = "python -m sklearnserver --model_name=iris --model_dir=/models --http_port=8080"
    assert script_of(("sh", "-c", script)) == script
    assert simple_command(script) == (
        *("python", "-m", "sklearnserver"),
        *("--model_name=iris", "--model_dir=/models", "--http_port=8080"),
    )


def test_quotes_are_the_shells():
    assert simple_command("""serve --a '{"x": [1, $y]}' --b "two words" """) == (
        *("serve", "--a", '{"x": [1, $y]}'),
        *("--b", "two words"),
    )


def test_exec_only_says_what_happens_anyway():
    assert simple_command("exec serve --port 80") == ("serve", "--port", "80")


@pytest.mark.parametrize(
    "script",
    [
        "serve; ls",
        "serve | tee log",
        "serve && ls",
        "serve &",
        "serve > log",
        "serve < /dev/null",
        "serve --port $PORT",
        'serve "$PORT"',
        "serve $(nproc)",
        "serve `nproc`",
        "(serve)",
        "{ serve; }",
        "serve *.bin",
        "serve ?",
        "serve [ab]",
        "serve ~/x",
        "serve # a comment",
        "! serve",
        "A=1 serve",
        "one\ntwo",
        r"serve a\ b",
        "serve 'open",
        "cd /srv",
        "exit 3",
        "true",
        "",
        "exec",
        "-x",
    ],
)
def test_what_needs_a_shell_stays_with_it(script):
    assert simple_command(script) is None


@pytest.mark.parametrize(
    "argv", [("sh", "script"), ("sh", "-c"), ("sh", "-ec", "ls"), ("python", "-c", "ls"), ()]
)
def test_only_sh_c_has_a_script(argv):
    assert script_of(argv) is None


@pytest.mark.slow
def test_a_shell_makes_the_same_words(tmp_path):
    tell = tmp_path / "tell"
    tell.write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv[1:])\n")
    tell.chmod(0o755)
    for words in ("a b", "'a b' c", '"a b"', "a'b'c", '"" x', "--a=\"b 'c'\"", "%d a,b:c@d+e^f"):
        script = f"{tell} {words}"
        told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        found = simple_command(script)
        assert found is not None
        assert told.stdout.strip() == str(list(found[1:]))


@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])), min_size=1))
def test_quoted_words_come_back(words):
    script = "serve " + " ".join("'" + w.replace("'", "") + "'" for w in words)
    assert simple_command(script) == ("serve", *(w.replace("'", "") for w in words))
