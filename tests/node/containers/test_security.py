import pytest

from tidegate.model.containers import Container, SecurityContext
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.node.containers.command import Security
from tidegate.node.containers.images import ImageFacts
from tidegate.node.containers.security import security_of
from tidegate.node.errors import NotSupported


def of(own=None, whole=None, user=""):
    """The context of container c, by its own document, the pod's, and the image's user."""
    container = Container(name="c", security_context=SecurityContext(**own) if own else None)
    spec = PodSpec(containers=(container,), security_context=whole)
    pod = Pod(metadata=ObjectMeta(name="p", namespace="n", uid="u"), spec=spec)
    return security_of(pod, container, ImageFacts("i", user=user))


def test_without_a_word_it_is_the_images():
    assert of() == Security()
    assert of(whole={}) == Security()


def test_the_containers_own_word_comes_before_the_pods():
    found = of({"run_as_user": 5}, {"runAsUser": 6, "runAsGroup": 7, "supplementalGroups": [8]})
    assert (found.user, found.groups) == ("5:7", (8,))


def test_a_group_alone_keeps_the_images_user():
    assert of({"run_as_group": 7}, user="app:app").user == "app:7"
    assert of({"run_as_group": 7}).user == "0:7"


def test_the_volumes_group_is_one_of_its_groups():
    assert of(whole={"fsGroup": 9, "supplementalGroups": [9, 10]}).groups == (9, 10)


def test_everything_else_is_taken_over():
    found = of(
        {
            "read_only_root_filesystem": True,
            "allow_privilege_escalation": False,
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
            "seccomp_profile": {"type": "RuntimeDefault"},
        }
    )
    assert found == Security(None, (), True, ("NET_ADMIN",), ("ALL",), True)


@pytest.mark.parametrize(
    ("own", "whole", "user", "says"),
    [
        ({"privileged": True}, None, "", "container c: privileged: no container is privileged"),
        ({"seccomp_profile": {"type": "Unconfined"}}, None, "", "seccompProfile.type 'Unconfined'"),
        (None, {"sysctls": [{"name": "x"}]}, "", "securityContext.sysctls"),
        ({"run_as_user": "me"}, None, "", "runAsUser 'me' is no user or group id"),
        ({"run_as_non_root": True}, None, "", "image will run as root"),
        ({"run_as_non_root": True}, None, "0", "image will run as root"),
        (None, {"runAsNonRoot": True}, "app", r"non-numeric user \(app\)"),
        ({"run_as_user": 0}, {"runAsNonRoot": True}, "", "runAsUser breaks non-root policy"),
    ],
)
def test_what_can_not_be_is_refused_with_its_path(own, whole, user, says):
    with pytest.raises(NotSupported, match=says):
        of(own, whole, user)


def test_a_user_that_is_not_root_is_enough():
    assert of({"run_as_non_root": True}, user="1000").user is None
    assert of({"run_as_non_root": True, "run_as_user": 5}).user == "5"
