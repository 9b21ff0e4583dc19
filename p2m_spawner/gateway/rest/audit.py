"""The audit of tool calls, for administrators."""

import asyncio
import functools

from p2m_spawner.gateway.rest.calls import Asked, Result
from p2m_spawner.gateway.rest.models import AuditedCall, AuditedCalls


async def audit(asked: Asked) -> Result:
    """Search the audit."""
    query = asked.query
    search = functools.partial(
        asked.gateway.audit.search,
        user=query.user,
        tool=query.tool,
        outcome=query.outcome,
        since=query.since,
        limit=query.limit,
    )
    found = await asyncio.to_thread(search)
    return 200, AuditedCalls(calls=[AuditedCall.model_validate(call, from_attributes=True) for call in found])
