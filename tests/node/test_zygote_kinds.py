"""Which zygote a command line can come from."""

import pytest

from tidegate.link.keeper import SpawnSpec
from tidegate.node.python_imports import imported, imports_for, module_file
from tidegate.node.zygote_kinds import kind_id, kind_of

PYTHON = "/usr/bin/python3"


def spec(*argv, **env):
    return SpawnSpec("uid/main/0", argv or sklearn(), "/work", env, "/logs/a")


def sklearn(*flags):
    return (PYTHON, "-m", "tidegate.runtimes.sklearnserver", *flags)


def test_flags_and_ordinary_variables_make_no_other_kind():
    one = kind_of(spec(*sklearn("--model_name=a"), PORT="1"), python=PYTHON)
    other = kind_of(spec(*sklearn("--model_name=b"), PORT="2", OMP_NUM_THREADS="4"), python=PYTHON)
    assert one == other
    assert one.name == "sklearnserver"


@pytest.mark.parametrize("name", ["PYTHONPATH", "LD_PRELOAD", "OPENBLAS_CORETYPE", "HF_HOME"])
def test_a_variable_that_is_read_at_import_makes_a_kind_of_its_own(name):
    plain = kind_of(spec(), python=PYTHON)
    special = kind_of(spec(**{name: "x"}), python=PYTHON)
    assert special.early == ((name, "x"),)
    assert special.id != plain.id


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param((PYTHON, "server.py"), id="a script"),
        pytest.param((PYTHON, "-m", "http.server"), id="another module"),
        pytest.param((PYTHON, "-u", "-m", "tidegate.runtimes.sklearnserver"), id="an option"),
        pytest.param(
            ("/opt/python", "-m", "tidegate.runtimes.sklearnserver"), id="another interpreter"
        ),
        pytest.param(("/bin/true",), id="no python"),
    ],
)
def test_what_is_no_server_of_ours_has_no_zygote(argv):
    assert kind_of(spec(*argv), python=PYTHON) is None


def test_a_kind_is_found_again_by_the_keepers_name_of_its_zygote():
    kind = kind_of(spec(), python=PYTHON)
    assert kind_id(f"zygote/{kind.id}/a1b2") == kind.id


USERS = """
from __future__ import annotations
import os, numpy as np
import torch.nn
from sklearn.linear_model import LogisticRegression
from . import sibling
from helpers import thing
import onnxruntime
def later():
    import pandas
"""


def test_what_a_users_file_imports_at_its_top_is_made_ready_but_not_what_lies_beside_it():
    assert imported(USERS, beside={"helpers"}) == (
        "numpy",
        "os",
        "sklearn.linear_model",
        "torch.nn",
    )


def test_a_file_that_can_not_be_read_as_python_needs_nothing_ready():
    assert imported("def (", beside=()) == ()


def test_the_users_file_is_found_from_the_flags_and_the_folder(tmp_path):
    (tmp_path / "mine.py").write_text("import json\nimport beside\n")
    (tmp_path / "beside").mkdir()
    assert module_file(("--module", "mine.py", "--class=A")) == "mine.py"
    assert imports_for(("--module=mine.py",), str(tmp_path)) == ("json",)
    assert imports_for(("--module=not-there.py",), str(tmp_path)) == ()
    assert imports_for(("--class=A",), str(tmp_path)) == ()
