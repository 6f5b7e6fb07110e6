"""The learning rate at the steps that matter."""

from __future__ import annotations

import numpy as np
import pytest

from kerastx.training.schedules import WarmupLinearDecay


def rates(schedule, steps):
    return np.array([float(schedule(step)) for step in steps])


def test_rises_to_the_peak_and_falls_to_zero():
    schedule = WarmupLinearDecay(1e-3, 100, warmup_share=0.1)
    np.testing.assert_allclose(rates(schedule, [0, 4, 9, 10, 55, 100, 200]), [1e-4, 5e-4, 1e-3, 1e-3, 5e-4, 0, 0])


def test_the_last_update_still_has_a_rate():
    schedule = WarmupLinearDecay(1.0, 50)
    assert float(schedule(49)) == pytest.approx(1 / 45)


def test_a_run_bounded_by_time_sets_the_total_on_the_way():
    schedule = WarmupLinearDecay(1.0, 1000)
    assert float(schedule(60)) == pytest.approx(61 / 100)
    schedule.total_steps = 110
    assert schedule.total_steps == 110
    assert float(schedule(60)) == pytest.approx(50 / 99)
    assert schedule.get_config()["total_steps"] == 110


def test_one_step_is_a_run():
    assert float(WarmupLinearDecay(1.0, 1)(0)) == 1.0


@pytest.mark.parametrize("arguments", [{"total_steps": 0}, {"total_steps": 10, "warmup_share": 1.0}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="must be"):
        WarmupLinearDecay(1.0, **arguments)
