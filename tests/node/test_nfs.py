from pathlib import Path

import pytest

from tidegate.model.volumes import NFSVolumeSource
from tidegate.node.errors import VolumeNotReady
from tidegate.node.nfs import nfs_path

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
nas:/export /mnt/nas nfs4 rw,vers=4.2 0 0
nas:/export/models /srv/my\\040models nfs ro 0 0
nas:/ /mnt/root nfs4 rw 0 0
[fd00::1]:/v6 /mnt/six nfs4 rw 0 0
"""


def at(server: str, path: str) -> Path:
    return nfs_path("v", NFSVolumeSource(server=server, path=path), MOUNTS)


@pytest.mark.parametrize(
    ("server", "path", "where"),
    [
        pytest.param("nas", "/export", "/mnt/nas", id="itself"),
        pytest.param("nas", "/export/data/x", "/mnt/nas/data/x", id="a folder of it"),
        pytest.param("nas", "/export/models/iris", "/srv/my models/iris", id="the nearest one"),
        pytest.param("nas", "/other", "/mnt/root/other", id="below the server's root"),
        pytest.param("fd00::1", "/v6", "/mnt/six", id="an IPv6 address"),
    ],
)
def test_a_mounted_export_is_used_where_it_is(server, path, where):
    assert at(server, path) == Path(where)


def test_one_that_nobody_mounted_names_the_way_out():
    with pytest.raises(
        VolumeNotReady, match="other:/export is not mounted on this machine: mount it"
    ):
        at("other", "/export")
