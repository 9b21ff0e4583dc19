"""What clients send, validated by a model, or refused in the one shape of errors."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from p2m_spawner.gateway.refusals import Refusal

M = TypeVar("M", bound=BaseModel)


def valid(model: type[M], given: bytes | dict[str, str]) -> M:
    """What a client sent, validated.

    Raises:
        Refusal: 422; names the field and what is wrong with it, never the value.
    """
    try:
        if isinstance(given, dict):
            return model.model_validate_strings(given)
        return model.model_validate_json(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "The body"
        raise Refusal(422, "invalid_request", f"{where}: {first['msg']}.") from error
