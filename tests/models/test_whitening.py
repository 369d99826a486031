from __future__ import annotations

import numpy as np
import pytest

from helios.models.whitening import learn


def test_whitening_shrinks_the_direction_in_which_a_class_differs_within_itself() -> None:
    draw = np.random.default_rng(4)
    classes = np.arange(4000) % 2
    vectors = draw.normal(size=(4000, 3)) * [5.0, 1.0, 1.0] + classes[:, None] * [0.0, 4.0, 0.0]
    whitening = learn(vectors.astype(np.float32), np.eye(2)[classes])
    seen = (vectors - whitening.centre) @ whitening.directions
    inside = seen - np.stack([seen[classes == one].mean(axis=0) for one in (0, 1)])[classes]
    spread = np.linalg.eigvalsh(np.cov(inside.T))
    assert spread.max() / spread.min() < 3
    assert np.linalg.norm(whitening.apply(vectors.astype(np.float32)), axis=1) == pytest.approx(1, abs=1e-4)
