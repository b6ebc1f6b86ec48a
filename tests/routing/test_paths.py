"""Paths are matched by whole elements, and by what they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.routing.paths import path_match, plain_path


@pytest.mark.parametrize(
    ("prefix", "path", "meant"),
    [
        pytest.param("/", "/anything/at/all", True, id="the root is everything"),
        pytest.param("/foo", "/foo", True, id="itself"),
        pytest.param("/foo", "/foo/", True, id="with a slash"),
        pytest.param("/foo/", "/foo", True, id="a final slash of the prefix doesn't count"),
        pytest.param("/foo", "/foo/bar", True, id="what is below"),
        pytest.param("/foo", "/foobar", False, id="not half an element"),
        pytest.param("/foo/bar", "/foo", False, id="not what is above"),
        pytest.param("/foo", "/Foo", False, id="case counts"),
    ],
)
def test_a_prefix_matches_by_elements(prefix, path, meant):
    assert path_match(prefix)(plain_path(path.encode())) is meant


@pytest.mark.parametrize(
    ("path", "meant"), [("/foo", True), ("/foo/", False), ("/foo/bar", False), ("/foo?x=1", True)]
)
def test_an_exact_path_matches_to_the_letter(path, meant):
    assert path_match("/foo", exact=True)(plain_path(path.encode())) is meant


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b"/a/b?q=/../c", "/a/b"),
        (b"/a/%62", "/a/b"),
        (b"/public/../admin", "/admin"),
        (b"/public/%2e%2e/admin", "/admin"),
        (b"/public/%2e%2e%2fadmin", "/admin"),
        (b"//admin", "/admin"),
        (b"/a/./b/.", "/a/b/"),
        (b"/../../a", "/a"),
        (b"/.well-known/x", "/.well-known/x"),
        (b"/%ff", "/\udcff"),
        (b"*", "*"),
    ],
)
def test_a_path_is_read_as_servers_read_it(sent, meant):
    assert plain_path(sent) == meant


@given(st.lists(st.sampled_from([b"/", b".", b"a", b"%2e", b"%2F", b"?"]), max_size=20))
def test_a_path_as_read_has_nothing_left_to_resolve(pieces):
    read = plain_path(b"/" + b"".join(pieces))
    assert read.startswith("/")
    assert "//" not in read
    assert not {".", ".."} & set(read.split("/"))
