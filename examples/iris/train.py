"""Trains a classifier on scikit-learn's own iris data and writes it where `prepare.py` looks.

python examples/iris/train.py        -> examples/iris/build/model.joblib, and model.onnx if
                                        skl2onnx is installed
"""

from __future__ import annotations

from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

BUILD = Path(__file__).parent / "build"


def train() -> tuple[object, float]:
    """A fitted pipeline and its share of right answers on flowers it has not seen."""
    rows, kinds = load_iris(return_X_y=True)
    seen, unseen, seen_kinds, unseen_kinds = train_test_split(
        rows, kinds, test_size=0.3, random_state=0, stratify=kinds
    )
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(seen, seen_kinds)
    return model, float(model.score(unseen, unseen_kinds))


def main() -> None:
    BUILD.mkdir(exist_ok=True)
    model, score = train()
    joblib.dump(model, BUILD / "model.joblib")
    print(f"{BUILD / 'model.joblib'}: right on {score:.0%} of flowers it has not seen")
    try:
        from skl2onnx import to_onnx
    except ImportError:
        print("no model.onnx: skl2onnx is not installed")
        return
    import numpy as np

    onnx = to_onnx(model, np.zeros((1, 4), dtype=np.float32), options={"zipmap": False})
    (BUILD / "model.onnx").write_bytes(onnx.SerializeToString())
    print(f"{BUILD / 'model.onnx'}: the same model as ONNX")


if __name__ == "__main__":
    main()
