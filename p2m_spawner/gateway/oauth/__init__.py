"""The authorization server of the MCP address (OAuth 2.1): a person pastes the URL into a client, and agrees here.

Who a person is, the hub says (`sign_in`); what a client holds afterwards is a grant (`grants`). Written by hand, and
small: the `mcp` package's handlers compare redirect URIs exactly, which fails where a program on a desktop takes any
free port, ask public clients for a secret when they revoke, keep secrets readable and show errors to people as JSON;
oauthlib and Authlib are made for calls that block, and know no client-id metadata documents.
"""
