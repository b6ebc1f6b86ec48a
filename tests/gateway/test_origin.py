"""Replicas are told where a request came from; only a proxy on this machine is believed."""

from tidegate.gateway.heads import parse_request
from tidegate.gateway.origin import Origin

LOCAL, FOREIGN = ("127.0.0.1", 5), ("10.1.2.3", 5)


def head(*lines: str):
    return parse_request(b"\r\n".join([b"GET / HTTP/1.1", *(line.encode() for line in lines)]))


def told(origin: Origin, *lines: str) -> dict[str, str]:
    found = [line.decode().partition(": ") for line in origin.lines(head(*lines))]
    assert len({name for name, _, _ in found}) == len(found)
    return {name: value for name, _, value in found}


def test_a_client_is_told_by_its_address_its_host_and_its_protocol():
    assert told(Origin(FOREIGN), "Host: a.example:8080") == {
        "X-Forwarded-For": "10.1.2.3",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "a.example:8080",
        "Forwarded": 'for=10.1.2.3;host="a.example:8080";proto=http',
    }


def test_a_client_by_tls_is_told_as_https():
    said = told(Origin(FOREIGN, secure=True), "Host: a")
    assert said["X-Forwarded-Proto"] == "https"
    assert said["Forwarded"].endswith("proto=https")


def test_a_proxy_on_this_machine_is_believed():
    said = told(
        Origin(LOCAL), "Host: a", "X-Forwarded-For: 2001:db8::1", "X-Forwarded-Proto: https"
    )
    assert said["X-Forwarded-For"] == "2001:db8::1, 127.0.0.1"
    assert said["Forwarded"] == 'for="[2001:db8::1]";host=a;proto=https, for=127.0.0.1'


def test_a_forwarded_line_of_a_believed_proxy_stays_as_it_is():
    said = told(Origin(LOCAL), "Host: a", "Forwarded: for=_x;by=_y")
    assert said["Forwarded"] == "for=_x;by=_y"
    assert said["X-Forwarded-For"] == "127.0.0.1"


def test_nobody_else_is_believed():
    lies = ("X-Forwarded-For: 1.1.1.1", "X-Forwarded-Proto: https", "Forwarded: for=1.1.1.1")
    assert told(Origin(FOREIGN), "Host: a", *lies) == told(Origin(FOREIGN), "Host: a")
    assert not Origin(FOREIGN).is_secure(head("Host: a", *lies))


def test_a_client_is_secure_by_its_own_connection_or_a_believed_proxys():
    assert Origin(FOREIGN, secure=True).is_secure(head("Host: a"))
    assert Origin(LOCAL).is_secure(head("Host: a", "X-Forwarded-Proto: https"))
    assert not Origin(LOCAL).is_secure(head("Host: a", "X-Forwarded-Proto: http"))
    assert not Origin(LOCAL).is_secure(head("Host: a"))


def test_a_value_can_not_end_the_field_it_is_in():
    said = told(Origin(LOCAL), "Host: a", 'X-Forwarded-For: x";proto=https;by="')
    assert said["Forwarded"].startswith('for="x;proto=https;by=";host=a;proto=http')
