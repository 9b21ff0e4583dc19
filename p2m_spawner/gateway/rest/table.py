"""The table of all calls: what each takes, who may make it, what it answers."""

from p2m_spawner.gateway.rest.audit import audit
from p2m_spawner.gateway.rest.auth import Login, log_out, refresh, sign_up
from p2m_spawner.gateway.rest.calls import Answer, Call
from p2m_spawner.gateway.rest.connect import connect
from p2m_spawner.gateway.rest.models import (
    AuditedCalls,
    AuditQuery,
    CleanedUp,
    Connected,
    Credentials,
    Idle,
    LoggedIn,
    NotConnected,
    OtherUser,
    Page,
    Problem,
    Refresh,
    Session,
    Sessions,
    SignedUp,
    StopServer,
    Tokens,
)
from p2m_spawner.gateway.rest.sessions import admin_sessions, clean_up, session


def calls() -> list[Call]:
    """All calls of one gateway."""
    throttled = Answer(429, "Too many tries; `Retry-After` says when to come back.", Problem)
    no_passwords = "This hub keeps no passwords (`no_passwords`)"
    return [
        Call(
            "POST",
            "auth/signup",
            "Make an account",
            sign_up,
            "anybody",
            (
                Answer(201, "The account is made.", SignedUp),
                Answer(403, f"Sign-up is closed. {no_passwords}.", Problem),
                Answer(409, "The name is taken.", Problem),
                Answer(422, "The name cannot be used (`bad_name`) or the password is weak (`weak_password`).", Problem),
                throttled,
            ),
            body=Credentials,
        ),
        Call(
            "POST",
            "auth/login",
            "Log in, and start one's container without waiting for it",
            Login(),
            "anybody",
            (
                Answer(200, "Tokens, and where Blender is.", LoggedIn),
                Answer(401, "Name and password do not belong together.", Problem),
                Answer(403, f"The account awaits approval. {no_passwords}.", Problem),
                throttled,
            ),
            body=Credentials,
        ),
        Call(
            "POST",
            "auth/refresh",
            "Exchange a refresh token for new tokens",
            refresh,
            "anybody",
            (
                Answer(200, "New tokens; the old refresh token no longer works.", Tokens),
                Answer(
                    401, "Unknown or ended; one that was used before ends the whole sign-in it belongs to.", Problem
                ),
            ),
            body=Refresh,
        ),
        Call(
            "POST",
            "auth/logout",
            "Log out: the token and its refresh token no longer work",
            log_out,
            "owner",
            (Answer(204, "Logged out.", None), Answer(403, "A hub token that may not do this.", Problem)),
            query=StopServer,
        ),
        Call(
            "GET",
            "user/session",
            "How one's own server is",
            session,
            "user",
            (Answer(200, "The server, running or not.", Session),),
        ),
        Call(
            "POST",
            "connect",
            "Wake Blender and reach it through MCP",
            connect,
            "owner",
            (
                Answer(200, "The MCP server has listed its tools.", Connected),
                Answer(403, "Somebody else's Blender, and the caller is no administrator.", Problem),
                Answer(404, "There is no such user.", Problem),
                Answer(504, "Not within 30 seconds, or the start has failed.", NotConnected),
            ),
            query=OtherUser,
        ),
        Call(
            "GET",
            "admin/sessions",
            "List everybody's servers",
            admin_sessions,
            "admin",
            (Answer(200, "Those that run, start or stop.", Sessions),),
            query=Page,
        ),
        Call(
            "POST",
            "admin/cleanup-idle",
            "Stop servers that nobody uses",
            clean_up,
            "admin",
            (Answer(200, "Servers that are being stopped, and idle ones that still work.", CleanedUp),),
            query=Idle,
        ),
        Call(
            "GET",
            "admin/audit",
            "Search the tool calls that came by the MCP address",
            audit,
            "admin",
            (Answer(200, "Those that fit, the newest first.", AuditedCalls),),
            query=AuditQuery,
        ),
    ]
