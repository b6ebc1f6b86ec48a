"""The table of kinds: which group a name alone stands for."""

from tidegate.model.kinds import KINDS


def test_of_two_kinds_with_one_name_the_one_that_people_mean_comes_first():
    """kubectl takes the first group that knows a name it is given without one."""
    groups = list(dict.fromkeys(kind.group for kind in KINDS))

    def first(plural: str) -> str:
        return min((k.group for k in KINDS if k.plural == plural), key=groups.index)

    assert first("ingresses") == "networking.k8s.io"
    assert first("services") == ""
