import pytest

from tidegate.node.expand import expand


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("--port=$(PORT)", "--port=20001"),
        ("$(A)$(PORT)", "x20001"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(PORT)", "$(PORT)"),
        ("$$$(PORT)", "$20001"),
        ("$PORT", "$PORT"),
        ("100$", "100$"),
        ("$(PORT", "$(PORT"),
        ("$()", "$()"),
    ],
)
def test_references_expand_as_in_kubernetes(text, becomes):
    assert expand(text, {"PORT": "20001", "A": "x"}) == becomes
