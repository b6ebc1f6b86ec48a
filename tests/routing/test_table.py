"""Routes are found by exact host, then wildcard, then any host, each by its part of the paths; then by
path on our own address only."""

import pytest

from tidegate.routing import Found, Split, Table, Target, path_match


def target(key: str, *hosts: str, path: str | None = None, **more) -> Target:
    return Target(key, hosts, Split([(f"{key}-00001", 100)]), path, **more)


def part(key: str, host: str, path: str | None, *, exact: bool = False) -> Target:
    return Target(key, (host,), Split([(key, 1)]), path=path_match(path, exact=exact))


def table(*targets: Target) -> Table:
    made = Table()
    for one in targets:
        made.put(one)
    return made


def key(found: Found | None) -> str | None:
    return found and found.target.key


HELLO = target("default/hello", "hello.default.localhost", path="/default/hello")


@pytest.mark.parametrize(
    "host",
    [
        pytest.param(b"hello.default.localhost", id="as written"),
        pytest.param(b"Hello.Default.LOCALHOST", id="any case"),
        pytest.param(b"hello.default.localhost:8080", id="port ignored"),
        pytest.param(b"hello.default.localhost.", id="final dot"),
    ],
)
def test_a_host_finds_its_route_however_it_is_spelled(host):
    assert key(table(HELLO).find(host, b"/")) == "default/hello"


def test_a_host_with_its_port_goes_before_the_same_host_with_any_port():
    routes = table(target("web", "web.default"), target("metrics", "web.default:9090"))
    assert key(routes.find(b"Web.default:9090", b"/")) == "metrics"
    assert key(routes.find(b"web.default:80", b"/")) == "web"
    assert key(routes.find(b"web.default", b"/")) == "web"


def test_an_exact_host_wins_over_a_wildcard_and_the_longest_wildcard_over_others():
    routes = table(
        target("wide", "*.example.com"),
        target("narrow", "*.eu.example.com"),
        target("exact", "a.eu.example.com"),
    )
    asked = [b"a.eu.example.com", b"b.eu.example.com", b"x.y.eu.example.com", b"us.example.com"]
    assert [key(routes.find(host, b"/")) for host in asked] == ["exact", "narrow", "narrow", "wide"]
    assert routes.find(b"example.com", b"/") is None


def test_a_wildcard_of_one_label_leaves_deeper_hosts_to_others():
    routes = table(target("one", "*.example.com", one_label=True), target("any", "*.com"))
    asked = [b"a.example.com", b"a.b.example.com", b"example.com"]
    assert [key(routes.find(host, b"/")) for host in asked] == ["one", "any", "any"]


@pytest.mark.parametrize("host", [b"127.0.0.1:8080", b"localhost", b"127.0.0.80", b"[::1]:8080"])
def test_on_our_own_address_the_path_chooses_and_its_prefix_is_cut_off(host):
    assert table(HELLO).find(host, b"/default/hello/v1/models?x=/a") == Found(HELLO, cut=14)
    assert table(HELLO).find(host, b"/default/hello") == Found(HELLO, cut=14)
    assert table(HELLO).find(host, b"/default/hello?q") == Found(HELLO, cut=14)


@pytest.mark.parametrize(
    ("host", "path"),
    [
        pytest.param(b"192.168.1.7", b"/default/hello/", id="not our own address"),
        pytest.param(b"evil.example", b"/default/hello/", id="foreign host"),
        pytest.param(b"127.0.0.1.evil.example", b"/default/hello/", id="looks like an address"),
        pytest.param(b"127.0.0.1", b"/default/hello2", id="prefix ends inside a word"),
        pytest.param(b"127.0.0.1", b"/default", id="half a prefix"),
        pytest.param(b"", b"/", id="no host"),
    ],
)
def test_nothing_else_is_found(host, path):
    assert table(HELLO).find(host, path) is None


def test_a_changed_route_is_seen_at_once_and_a_removed_one_is_gone():
    routes = table(HELLO)
    assert routes.find(b"new.example", b"/") is None
    routes.put(target("default/hello", "new.example"))
    assert key(routes.find(b"new.example", b"/")) == "default/hello"
    assert routes.find(b"hello.default.localhost", b"/") is None
    routes.remove("default/hello")
    assert routes.find(b"new.example", b"/") is None
    assert len(routes) == 0


def test_of_two_routes_for_one_host_the_smaller_key_has_it_until_it_goes():
    routes = table(target("b", "same.example"), target("a", "same.example"))
    assert key(routes.find(b"same.example", b"/")) == "a"
    routes.remove("a")
    assert key(routes.find(b"same.example", b"/")) == "b"


def test_hosts_that_clients_invent_do_not_fill_the_memory():
    routes = table(HELLO)
    for i in range(10_000):
        routes.find(b"%d.example" % i, b"/")
    assert len(routes._memo) + len(routes._several) <= 4096


def test_of_the_parts_of_a_host_the_longest_has_the_request_and_exact_goes_before_prefix():
    routes = table(
        part("root", "shop", "/"),
        part("cart", "shop", "/cart"),
        part("cart-exact", "shop", "/cart", exact=True),
        part("items", "shop", "/cart/items"),
    )
    asked = [b"/", b"/cart", b"/cart/", b"/cart/items/3?x", b"/cartoon", b"/x/../cart"]
    found = [key(routes.find(b"shop", path)) for path in asked]
    assert found == ["root", "cart-exact", "cart", "items", "root", "cart-exact"]
    assert all(routes.find(b"shop", path).cut == 0 for path in asked)


def test_where_no_part_of_a_host_has_the_path_the_wildcards_and_any_host_are_asked():
    routes = table(
        part("exact", "a.example", "/only"), part("wild", "*.example", "/w"), part("any", "", "/x")
    )
    asked = [b"/only", b"/w", b"/x", b"/none"]
    assert [key(routes.find(b"a.example", path)) for path in asked] == [
        "exact",
        "wild",
        "any",
        None,
    ]


def test_a_host_of_its_own_wins_over_any_host():
    routes = table(HELLO, target("any", ""))
    assert key(routes.find(b"hello.default.localhost", b"/")) == "default/hello"
    assert key(routes.find(b"else.example", b"/")) == "any"
    assert key(routes.find(b"", b"/")) == "any"


def test_on_our_own_address_a_route_for_any_host_goes_before_the_path_of_a_service():
    routes = table(HELLO, part("any", "", "/shop"))
    assert key(routes.find(b"127.0.0.1", b"/shop/1")) == "any"
    assert routes.find(b"127.0.0.1", b"/default/hello/x") == Found(HELLO, cut=14)


def test_a_part_that_goes_leaves_the_rest_of_its_host():
    routes = table(part("root", "shop", None), part("cart", "shop", "/cart"))
    assert key(routes.find(b"shop", b"/cart")) == "cart"
    routes.remove("cart")
    assert key(routes.find(b"shop", b"/cart")) == "root"


def test_a_model_is_found_by_name_and_two_of_one_name_go_by_key():
    routes = table(target("b/chat", models=("chat", "b/chat")), target("a/chat", models=("chat",)))
    assert list(routes.models()) == ["b/chat", "chat"]
    assert routes.by_model("chat").key == "a/chat"
    routes.remove("a/chat")
    assert routes.by_model("chat").key == "b/chat"
    assert routes.by_model("gpt") is None


def test_a_catch_all_leaves_services_their_own_paths_and_the_models_their_api_on_our_address():
    chat = target("chat", models=("chat",))
    routes = table(HELLO, part("any", "", "/"), chat)
    assert routes.find(b"127.0.0.1", b"/default/hello/x") == Found(HELLO, cut=14)
    assert key(routes.find(b"127.0.0.1", b"/else")) == "any"
    assert routes.find(b"localhost", b"/openai/v1/models") is None
    assert key(routes.find(b"else.example", b"/default/hello/x")) == "any"
    routes.remove("chat")
    assert key(routes.find(b"localhost", b"/openai/v1/models")) == "any"


def test_whoever_claims_the_models_path_for_any_host_has_it():
    chat = target("chat", models=("chat",))
    routes = table(chat, part("any", "", "/openai"))
    assert routes.find(b"localhost", b"/openai/v1/models") is None
    routes = table(chat, part("any", "", "/openai/v1"))
    assert key(routes.find(b"localhost", b"/openai/v1/models")) == "any"
