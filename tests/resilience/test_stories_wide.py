"""The central stories of the main job, told to two gateways of three workers on Redis and PostgreSQL.

All stories can be told so: ``make stories-wide``. These are told at every change.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.resilience.wide import wide
from tests.stories.test_account import test_r3_r4_switch_of_space
from tests.stories.test_main_job import (
    test_csrf_forms_need_their_own_browser,
    test_j1_j2_r17_unknown_doctor_by_card_then_ecps,
    test_j5_password_and_code_then_sign_out,
    test_j5_r65_a_wrong_code_and_a_replay,
    test_r5_websocket_echo_through_the_gateway,
    test_r17_r23_twenty_clicks_one_account,
    test_r39_a_callback_works_once_and_in_its_own_browser,
    test_r143_idle_and_absolute_end,
    test_r144_two_browsers_two_sessions_and_sign_out_everywhere,
)
from tests.visitor import Demo, Visitor

__all__ = [
    "test_csrf_forms_need_their_own_browser",
    "test_j1_j2_r17_unknown_doctor_by_card_then_ecps",
    "test_j5_password_and_code_then_sign_out",
    "test_j5_r65_a_wrong_code_and_a_replay",
    "test_r3_r4_switch_of_space",
    "test_r5_websocket_echo_through_the_gateway",
    "test_r17_r23_twenty_clicks_one_account",
    "test_r39_a_callback_works_once_and_in_its_own_browser",
    "test_r143_idle_and_absolute_end",
    "test_r144_two_browsers_two_sessions_and_sign_out_everywhere",
]


pytestmark = pytest.mark.timeout(300)  # eight processes start first


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with wide(tmp_path_factory.mktemp("wide")) as demo:
        yield demo


@pytest.fixture
def demo(world: Demo) -> Demo:
    world.forget()
    return world


@pytest.fixture
def visitor(demo: Demo) -> Visitor:
    return Visitor(demo)
