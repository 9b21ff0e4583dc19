"""What goes over the REST API: bodies, queries and answers. The OpenAPI document is made from these models."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1, max_length=1024)]
"""Text of a request. The real rules for names and passwords are those of the hub's own sign-up page."""

UserId = Annotated[str, Field(description="The user's name at the hub.", examples=["ada"])]

ServerState = Literal["stopped", "starting", "ready", "stopping"]


class Credentials(BaseModel):
    """A name and a password."""

    username: Text = Field(examples=["ada"])
    password: Text = Field(examples=["correct horse battery"])


class Refresh(BaseModel):
    """A refresh token, which works once."""

    refresh_token: Text


class Query(BaseModel):
    """A query. A misspelt parameter is refused: it would otherwise mean its default."""

    model_config = ConfigDict(extra="forbid")


class StopServer(Query):
    """Query of a logout."""

    stop_server: bool = Field(False, description="Whether the container is stopped too; files stay.")


class OtherUser(Query):
    """Query of a call that administrators may make for somebody else."""

    user_id: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None, description="Whose server, the caller's own when left out; another's is for administrators only."
    )


class Idle(Query):
    """Query of a cleanup."""

    idle_minutes: float = Field(
        30, gt=0, le=525_600, allow_inf_nan=False, description="Servers unused for longer than this are stopped."
    )


class Page(Query):
    """Query of a list."""

    offset: int = Field(0, ge=0, le=1_000_000, description="How many to leave out.")
    limit: int = Field(100, ge=1, le=500, description="How many at most.")


class Problem(BaseModel):
    """Every error of the gateway."""

    error: str = Field(description="A word for programs.", examples=["invalid_token"])
    message: str = Field(description="A sentence for people that says what to do.")


class SignedUp(BaseModel):
    """A new account."""

    user_id: UserId
    username: str
    status: Literal["ready", "awaiting approval"] = Field(
        description="`awaiting approval`: an administrator has to let them in first."
    )


class Tokens(BaseModel):
    """Tokens of a sign-in."""

    access_token: str = Field(description="A JWT for `Authorization: Bearer`.")
    refresh_token: str = Field(description="Exchange it at `auth/refresh`. It works once.")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds that the access token lives.", examples=[3600])


class LoggedIn(Tokens):
    """A sign-in; the user's container is starting."""

    user_id: UserId
    username: str
    ui_url: str = Field(description="The user's Blender in the browser.")
    mcp_url: str = Field(description="The MCP address; it takes the access token.")
    server: Literal["starting", "ready"]


class Mcp(BaseModel):
    """State of a user's MCP server."""

    state: Literal["ready", "down"]
    num_tools: int = Field(description="Tools that whoever asks may call.")


class Session(BaseModel):
    """A user's server."""

    active: bool = Field(description="Whether the server is ready.")
    user_id: UserId
    username: str
    server: ServerState
    mcp_port: int | None = Field(description="Port of the raw Blender socket on the host, null when not published.")
    blender_ui_port: int | None = Field(description="Port of the desktop on the host, null when not published.")
    ui_url: str = Field(description="The user's Blender in the browser.")
    mcp_url: str = Field(description="The MCP address; it takes the access token.")
    created_at: datetime | None = Field(description="When the server was started.")
    last_activity: datetime | None = Field(description="When it was last used.")
    mcp: Mcp


class Connected(BaseModel):
    """Blender has been reached through MCP."""

    connected: Literal[True] = True
    num_tools: int = Field(examples=[40])


class NotConnected(BaseModel):
    """Blender has not been reached in time."""

    connected: Literal[False] = False
    reason: str


class Blender(BaseModel):
    """State of a user's Blender."""

    model_config = ConfigDict(extra="ignore")

    state: Literal["starting", "ready", "busy", "restarting", "failed"]
    version: str
    file: str | None
    restarts: int
    reason: str | None


class Job(BaseModel):
    """A render that waits or runs."""

    model_config = ConfigDict(extra="ignore")

    id: str
    state: str
    kind: str
    progress: float


class AdminSession(Session):
    """A user's server, for administrators."""

    blender: Blender | None = Field(description="Null while the server does not answer.")
    jobs: list[Job]


class Sessions(BaseModel):
    """Servers that run, start or stop, by user name."""

    sessions: list[AdminSession]
    total: int = Field(description="How many there are in all.")


class CleanedUp(BaseModel):
    """What a cleanup did."""

    stopped: list[str] = Field(description="Users whose servers are being stopped.")
    kept: dict[str, str] = Field(description="Users whose idle servers were left alone, and why.")


class AuditQuery(BaseModel):
    """Query of the audit; what is left out is not asked for."""

    user: Annotated[str, Field(max_length=255)] | None = Field(None, description="Whose Blender.")
    tool: Annotated[str, Field(max_length=128)] | None = Field(None, description="Name of the tool.")
    outcome: Annotated[str, Field(max_length=32)] | None = Field(None, description="How the call ended.")
    since: AwareDatetime | None = Field(None, description="Only calls that began then or later.")
    limit: int = Field(100, ge=1, le=500, description="How many at most, the newest first.")


class AuditedCall(BaseModel):
    """A tool call through the MCP address."""

    time: datetime = Field(description="When it began.")
    user: UserId
    client: str = Field(description="Who has the token.", examples=["REST API"])
    program: str = Field(description="Which program sent it, as it says itself.", examples=["claude-code"])
    tool: str = Field(examples=["get_scene_info"])
    outcome: str = Field(
        description="`ok`, `tool-error`, `error`, `asks`, `cancelled`, `lost` or `unreachable`.", examples=["ok"]
    )
    duration_s: float = Field(description="Seconds, a start of the server included.")
    mode: str = Field(description="What it was allowed to do: `full`, `no-code` or `read-only`.")
    arguments: str | None = Field(description="The beginning of its arguments as JSON; null unless they are kept.")


class AuditedCalls(BaseModel):
    """Tool calls, the newest first."""

    calls: list[AuditedCall]
