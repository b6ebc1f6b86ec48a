"""What a runtime looks up once in its life and keeps: done in the zygote, it is done for all its children.

Only lookups: no model, no prediction, nothing that could start a thread or enter an OpenMP region. Done again in each
child before it is asked for, so that the pages which it writes to (reference counts) are its own by then.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress


def warm_of(module: str) -> Callable[[], None]:
    """What to call for a server's module."""
    return _sklearn if module.endswith(".sklearnserver") else _nothing


def _nothing() -> None:
    """Nothing is known to be worth it."""


def _sklearn() -> None:
    """scikit-learn checks rows with the help of narwhals, which looks for plugins among all installed
    distributions when it is first asked: 13 ms of the first prediction."""
    with suppress(ImportError):  # the child says in its own words what is missing
        import numpy
        from sklearn.base import BaseEstimator
        from sklearn.utils.validation import check_is_fitted, validate_data

        class Nothing(BaseEstimator):  # type: ignore[misc]
            def __init__(self) -> None:
                self.n_features_in_ = 1

            def fit(self) -> None:
                """What makes it an estimator."""

        checked = Nothing()
        check_is_fitted(checked)
        validate_data(checked, numpy.zeros((1, 1)), reset=False)
