// Ready configurations for MCP clients. The token goes into a header, never into the URL.

export const PLACEHOLDER = "YOUR_TOKEN";

const json = (value) => JSON.stringify(value, null, 2);

/** Texts by kind, for the user's MCP `url` and a `token`. */
export function snippets(url, token = PLACEHOLDER) {
  const server = { type: "http", url, headers: { Authorization: `Bearer ${token}` } };
  return {
    json: json({ mcpServers: { blender: server } }),
    claude: `claude mcp add --transport http blender "${url}" --header "Authorization: Bearer ${token}"`,
    vscode: json({ servers: { blender: server } }),
    python: `import asyncio

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL = ${JSON.stringify(url)}
HEADERS = {"Authorization": ${JSON.stringify(`Bearer ${token}`)}}


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
}
