"""Curves that are found again."""

import numpy as np
import pytest

from modeling.core.learning_curves import PowerLaws


def test_the_curve_of_exact_points_is_found_again():
    n = np.array([20.0, 40, 80, 160, 320])
    law = PowerLaws.fit(n, np.stack([0.7 + 6 / n**0.5, 0.0 + 3 / n**0.25, np.full(5, 1.2)]))

    assert law.floor == pytest.approx([0.7, 0.0, 1.2], abs=1e-6)
    assert law.exponent[:2] == pytest.approx([0.5, 0.25])
    assert law(np.array([1e4]))[:, 0] == pytest.approx([0.76, 0.3, 1.2], abs=1e-6)


def test_errors_that_rise_with_tracks_are_no_curve_that_falls():
    law = PowerLaws.fit(np.array([20.0, 40, 80]), np.array([[1.0, 1.1, 1.3]]))

    assert law.height == pytest.approx([0.0])
