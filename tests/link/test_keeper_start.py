"""Starting a keeper where the machine does not let us."""

import pytest

from tidegate.kit.home import Home
from tidegate.link.keeper_start import KeeperNotStarted, start_keeper
from tidegate.testing.limits import no_descriptors


def test_without_a_descriptor_for_it_the_keeper_is_not_started_and_the_reason_told(tmp_path):
    """The error of the system ended the control plane, which would have tried again."""
    home = Home(tmp_path)
    home.make()
    with no_descriptors(), pytest.raises(KeeperNotStarted, match="Too many open files"):
        start_keeper(home)
