"""The resources: the scene, its objects, a picture of the viewport and the user's files, by address."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError
from mcp.server.mcpserver.resources.types import FunctionResource
from mcp_types import INTERNAL_ERROR
from mcp.shared.exceptions import MCPError

from p2m_singleuser.home_files import URI_PREFIX, HomeFileError, HomeFiles, mime_type_of
from p2m_singleuser.link import BlenderLink, BlenderLinkError
