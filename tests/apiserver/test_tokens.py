"""Named tokens: made, found, deleted."""

import json
import os
import stat

import pytest

from tidegate.apiserver.access import Role
from tidegate.apiserver.asgi import ApiApp
from tidegate.apiserver.exchange import Reply
from tidegate.apiserver.kubeconfig import kubeconfig_text
from tidegate.apiserver.tokens import NoSuchToken, TokenRefused, Tokens, TokensUnreadable
from tidegate.cli.main import main
from tidegate.client.http import read_kubeconfig

NOON_S = 43_200.0


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path)


def owner(tokens, secret):
    found = tokens.owner(secret)
    return None if found is None else (found.name, found.role)


def test_a_token_has_an_owner_and_a_role_until_it_is_deleted(tokens):
    name, secret = tokens.create(Role.VIEW, now_s=NOON_S, name="dashboard")
    assert name == "dashboard"
    assert owner(tokens, secret) == ("dashboard", Role.VIEW)
    tokens.delete("dashboard")
    assert owner(tokens, secret) is None


def test_another_process_sees_the_change_with_its_next_question(tmp_path):
    server, command = Tokens(tmp_path), Tokens(tmp_path)
    assert server.owner("x") is None
    _, secret = command.create(Role.EDIT, now_s=NOON_S)
    assert server.owner(secret).role is Role.EDIT
    command.delete(command.all()[0].name)
    assert server.owner(secret) is None


def test_the_file_holds_no_token_and_is_private(tokens, tmp_path):
    _, secret = tokens.create(Role.ADMIN, now_s=NOON_S)
    file = tmp_path / "tokens.json"
    assert secret not in file.read_text()
    assert secret.removeprefix("tg_") not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_names_are_made_up_where_none_is_given(tokens):
    made = {tokens.create(Role.VIEW, now_s=NOON_S)[0] for _ in range(5)}
    assert len(made) == 5
    assert all(name.startswith("view-") for name in made)


@pytest.mark.parametrize(
    "name", ["admin", "taken", "Ann", "a b", "-a", "a/b", "x" * 64, "é", "a\n"]
)
def test_a_name_that_is_taken_or_none_is_refused(tokens, name):
    tokens.create(Role.VIEW, now_s=NOON_S, name="taken")
    with pytest.raises(TokenRefused):
        tokens.create(Role.VIEW, now_s=NOON_S, name=name)


def test_deleting_what_is_not_there_names_what_is(tokens):
    tokens.create(Role.VIEW, now_s=NOON_S, name="one")
    with pytest.raises(NoSuchToken, match="there are one"):
        tokens.delete("two")


@pytest.mark.parametrize("text", ["{", "[1]", '[{"name": "x"}]', '[{"role": "root"}]', "{}x"])
def test_a_broken_file_lets_nobody_in_and_is_told(tokens, tmp_path, caplog, text):
    _, secret = tokens.create(Role.VIEW, now_s=NOON_S)
    (tmp_path / "tokens.json").write_text(text)
    assert tokens.owner(secret) is None
    assert "no named token is let in" in caplog.text
    with pytest.raises(TokensUnreadable, match=r"tokens\.json"):
        tokens.create(Role.VIEW, now_s=NOON_S)


# --- at the door


class Mirror:
    """Answers with who asks."""

    async def handle(self, ask):
        return Reply(json.dumps([ask.user, ask.role.value]).encode())

    async def connect(self, ask):
        raise NotImplementedError


async def asked_with(app, header):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/api", "query_string": b"",
        "headers": [(b"authorization", header.encode())], "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def test_the_server_knows_its_own_token_and_the_named_ones(tokens):
    app = ApiApp(Mirror(), token="secret", tokens=tokens)
    _, secret = tokens.create(Role.VIEW, now_s=NOON_S, name="ann")
    assert await asked_with(app, "Bearer secret") == (200, ["admin", "admin"])
    assert await asked_with(app, f"Bearer {secret}") == (200, ["ann", "view"])
    assert await asked_with(app, f"bearer  {secret} ") == (200, ["ann", "view"])
    for header in ("", "Bearer", f"Basic {secret}", f"Bearer {secret}x", "Bearer \xff"):
        assert (await asked_with(app, header))[0] == 401
    tokens.delete("ann")
    assert (await asked_with(app, f"Bearer {secret}"))[0] == 401


# --- the command


def run(home, *words):
    return main(["token", *words, "--data-dir", str(home)])


def test_the_command_prints_a_token_once_and_lists_names(tmp_path, capsys):
    assert run(tmp_path, "create", "ann", "--role", "edit") == 0
    secret = capsys.readouterr().out.strip()
    assert owner(Tokens(tmp_path / "pki"), secret) == ("ann", Role.EDIT)
    assert run(tmp_path, "list") == 0
    listed = capsys.readouterr().out
    assert secret not in listed
    assert "ann" in listed
    assert run(tmp_path, "delete", "ann") == 0
    assert run(tmp_path, "delete", "ann") == 1


def test_the_command_gives_a_kubeconfig(tmp_path, capsys):
    os.makedirs(tmp_path / "pki")
    ours = kubeconfig_text("https://127.0.0.1:7", "CA\n", token="t", user="tidegate")
    (tmp_path / "kubeconfig").write_text(ours)
    assert run(tmp_path, "create", "--name", "ann", "--role", "view", "-o", "kubeconfig") == 0
    (tmp_path / "theirs").write_text(capsys.readouterr().out)
    access = read_kubeconfig(tmp_path / "theirs")
    assert (access.server, access.ca) == ("https://127.0.0.1:7", "CA\n")
    assert owner(Tokens(tmp_path / "pki"), access.token) == ("ann", Role.VIEW)


@pytest.mark.parametrize(
    "words", [("create",), ("delete",), ("list", "--role", "view"), ("create", "--role", "root")]
)
def test_a_command_line_that_makes_no_sense_is_told_so(tmp_path, words):
    assert run(tmp_path, *words) == 2
