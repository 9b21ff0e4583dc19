"""The REST API keeps to its own description, whatever is sent: schemathesis makes requests from it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method

from p2m_spawner.gateway.rest.openapi import document
from p2m_spawner.gateway.rest.table import calls
from tests.support.hub import Hub, Person

from .conftest import Api

EXAMPLES = settings(
    max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def tokens(light: Hub) -> dict[str, str]:
    """Nobody's, a user's and an administrator's."""
    person = light.person("fuzz")
    api, admin = Api(light), Api(light)
    assert api.sign_up(person).status_code == 201
    api.log_in(person)
    admin.log_in(Person(light, "admin", light.admin_password))
    return {"nobody": "", "user": api.token, "admin": admin.token}


CALLS = [(call.method, call.path) for call in calls()]
SCHEMA = schemathesis.openapi.from_dict(document(calls(), "/services/p2m/", "test"))


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("who", ["nobody", "user", "admin"])
@pytest.mark.parametrize(("method", "path"), CALLS, ids=[path for _, path in CALLS])
def test_answers_are_those_of_the_description(
    light: Hub, tokens: dict[str, str], method: str, path: str, who: str, mode: GenerationMode
) -> None:
    operation = SCHEMA[f"/services/p2m/{path}"][method]
    headers = {"Authorization": f"Bearer {tokens[who]}"} if tokens[who] else {}
    excluded = [unsupported_method]
    if path == "connect":
        excluded.append(not_a_server_error)  # a start fails on this hub, which is a documented 504
    if path == "auth/signup":
        excluded.append(positive_data_acceptance)  # names and passwords have rules that no schema tells

    @EXAMPLES
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(base_url=light.url, headers=headers, excluded_checks=excluded, timeout=60)
        assert answer.status_code < 500 or (path == "connect" and answer.status_code == 504)

    if path == "auth/logout" and tokens[who]:
        headers = {"Authorization": "Bearer ended"}  # a real one would end at the first case
    ask()
