import pytest

from tidegate.policy.config_containers import ContainersConfig, kind_of, parse_config_containers
from tidegate.policy.errors import BadConfig


def test_an_empty_map_takes_the_first_program_that_works():
    assert parse_config_containers({}) == ContainersConfig()
    assert parse_config_containers({"_example": "program: x"}) == ContainersConfig()


def test_arguments_are_words_as_a_shell_has_them():
    found = parse_config_containers(
        {
            "program": "/opt/podman-5/bin/podman",
            "arguments": "--runtime runc --root '/srv/my images'",
            "run-arguments": "--ulimit nofile=4096",
            "insecure-registries": "127.0.0.1:5000\nregistry.lan",
        }
    )
    assert found.arguments == ("--runtime", "runc", "--root", "/srv/my images")
    assert found.run_arguments == ("--ulimit", "nofile=4096")
    assert found.insecure == {"127.0.0.1:5000", "registry.lan"}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"programme": "podman"}, r"data\[programme\]: no such key"),
        ({"program": "containerd"}, r"data\[program\]: 'containerd' is none of podman"),
        ({"program": "/usr/bin/nerdctl"}, "must begin with podman or docker"),
        ({"arguments": "--root 'x"}, r"data\[arguments\]: no closing quotation"),
        ({"run-arguments": "--name mine"}, "--name is the engine's own to say"),
        ({"run-arguments": "--network=bridge"}, "--network=bridge is the engine's own to say"),
        ({"insecure-registries": "http://x"}, "must be a host"),
    ],
)
def test_a_mistake_is_refused_with_its_key(data, says):
    with pytest.raises(BadConfig, match=says):
        parse_config_containers(data)


def test_a_program_is_known_by_its_name():
    assert kind_of("/usr/local/bin/podman-remote") == "podman"
    assert kind_of("docker") == "docker"
    assert kind_of("/usr/bin/ctr") is None
