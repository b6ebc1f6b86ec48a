import signal

import pytest

from tidegate.keeper.errors import BadRequest
from tidegate.keeper.requests import name_of, signal_of, spec_of
from tidegate.link.keeper import SpawnSpec, to_wire

GOOD = SpawnSpec("uid/app/0", ("true",), "/", {"A": "b"}, "/logs/a")


def spawn(**changed):
    return {"spec": {**to_wire(GOOD), "argv": ["true"], **changed}}


def test_a_spec_comes_through_as_it_was_sent():
    assert spec_of(spawn()) == GOOD


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", 3),
        ("argv", []),
        ("argv", [""]),
        ("argv", "true"),
        ("argv", ["a\0b"]),
        ("cwd", None),
        ("env", {"A=B": "c"}),
        ("env", {"": "c"}),
        ("env", {"A": 1}),
        ("env", ["A=b"]),
        ("log", "relative/path"),
        ("log_bytes", 0),
        ("log_bytes", True),
        ("limits", {"AS": -1}),
        ("limits", {"AS": "1"}),
        ("forks", "yes"),
        ("zygote", 7),
        ("patience_s", 0),
        ("patience_s", "soon"),
    ],
)
def test_a_wrong_field_is_named(field, value):
    with pytest.raises(BadRequest, match=field):
        spec_of(spawn(**{field: value}))


@pytest.mark.parametrize("raw", [{}, {"spec": None}, {"spec": {}}, spawn(surprise=1)])
def test_what_is_no_spec_is_refused(raw):
    with pytest.raises(BadRequest):
        spec_of(raw)


def test_signals_come_by_number_or_by_name():
    assert signal_of({"signal": 15}) == signal_of({"signal": "SIGTERM"}) == signal.SIGTERM


@pytest.mark.parametrize("value", [0, -9, 99, True, None, "TERM", "NSIG", [9]])
def test_what_is_no_signal_is_refused(value):
    with pytest.raises(BadRequest):
        signal_of({"signal": value})


def test_a_name_must_be_there():
    with pytest.raises(BadRequest):
        name_of({})
