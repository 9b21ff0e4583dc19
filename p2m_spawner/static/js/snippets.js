// Ready configurations for MCP clients. A token goes into a header, never into a URL.
//
// Formats: code.visualstudio.com/docs/copilot/reference/mcp-configuration (`servers`), cursor.com/docs/mcp (`mcpServers`),
// code.claude.com/docs/en/mcp (`claude mcp add`), github.com/ahujasid/blender-mcp (environment of the stdio client).

export const PLACEHOLDER = "YOUR_TOKEN";

const json = (value) => JSON.stringify(value, null, 2);

/**
 * Where a token is sent to. The person's own address takes tokens that may do all, and advertises no OAuth, for the sake of
 * clients that would then leave the token out. One that may do less works at the address for everybody alone.
 */
export function tokenUrl({ gatewayUrl, directUrl, mode = "full" }) {
  return mode === "full" ? directUrl : gatewayUrl;
}

/**
 * Texts by kind. `gatewayUrl`: the address for everybody; `directUrl`: the person's own; `token` with what it may do, `mode`;
 * `rawHost`, `rawPort`: Blender's own socket, when it is published.
 */
export function snippets({ gatewayUrl, directUrl, token = PLACEHOLDER, mode = "full", rawHost = "127.0.0.1", rawPort = null }) {
  const url = tokenUrl({ gatewayUrl, directUrl, mode });
  const headers = { Authorization: `Bearer ${token}` };
  const texts = {
    "claude-desktop": gatewayUrl,
    "claude-code": `claude mcp add --transport http blender "${gatewayUrl}"`,
    "claude-code-token": `claude mcp add --transport http blender "${url}" --header "Authorization: Bearer ${token}"`,
    vscode: json({ servers: { blender: { type: "http", url: gatewayUrl } } }),
    "vscode-token": json({ servers: { blender: { type: "http", url, headers } } }),
    cursor: json({ mcpServers: { blender: { url: gatewayUrl } } }),
    "cursor-token": json({ mcpServers: { blender: { url, headers } } }),
    python: `import asyncio

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL = ${JSON.stringify(url)}
HEADERS = {"Authorization": ${JSON.stringify(headers.Authorization)}}


async def main():
    async with (
        httpx2.AsyncClient(headers=HEADERS, timeout=300) as http,
        Client(streamable_http_client(URL, http_client=http)) as blender,
    ):
        for tool in (await blender.list_tools()).tools:
            print(tool.name, "-", tool.description)


asyncio.run(main())
`,
  };
  if (rawPort) {
    const env = { BLENDER_HOST: rawHost, BLENDER_PORT: String(rawPort) };
    texts.stdio = json({ mcpServers: { blender: { command: "uvx", args: ["blender-mcp"], env } } });
  }
  return texts;
}
