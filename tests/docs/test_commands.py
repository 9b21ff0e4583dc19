"""Every command of README, tutorials and some how-to pages is run, in order, on a reader's machine with a real hub.

The tests follow each other as a reader's day does: the teacher starts the hub, Ada uses it, an agent works for her, her
home is saved and brought back; the README and nginx, which start hubs of their own, come last.
"""

import http.client
import re
import ssl
import time
from pathlib import Path

import docker
import pytest
import requests
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from tests.support.hub import ROOT, Person
from tests.support.mcp_client import mcp_client, text_of
from tests.support.pictures import colours, open_png
from tests.support.waiting import wait_for

from .blocks import blocks
from .nginx import Nginx
from .reader import Reader
from .sandbox import Sandbox

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs/tutorials").glob("*.md")),
    *(ROOT / f"docs/howto/{name}.md" for name in ("backup", "https", "quotas")),
]
"""Those that are followed to the letter."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_not_run_has_a_reason(page: Path) -> None:
    """Every block is read, so each either runs or is named with a reason; nothing is skipped in silence."""
    text = page.read_text()
    found = blocks(page)
    assert found
    assert len(found) == len(re.findall(r"^```\w", text, re.MULTILINE)), "a fenced block that is not understood"
    assert re.findall(r"^(?: {4,}|\t)\S", re.sub(r"(?ms)^```.*?^```$", "", text), re.MULTILINE) == [], "indented code"
    for block in found:
        assert len(block.marks.get("not run", "a good reason")) > 10, block.name
    assert text.count("<!-- ") == sum(len(block.marks) for block in found), "a mark that stands above no block"


def test_a_mark_that_nobody_knows_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- skipped: why not -->\n```sh\nfalse\n```\n")
    with pytest.raises(ValueError, match="skipped"):
        blocks(page)


async def test_the_tutorial_for_a_teacher(sandbox: Sandbox, pupil: Person) -> None:
    admin = Person(sandbox.hub, "admin", "")
    reader = Reader(sandbox, pupil)

    def ada_joins() -> None:
        pupil.sign_up().log_in().start_server()

    def ctrl_c() -> None:
        sandbox.control_c()

    def a_new_start() -> None:
        pupil.stop_server()
        pupil.start_server(profile="class")

    def a_token() -> None:
        admin.password = sandbox.hub.admin_password
        sandbox.replaced["paste-it-here"] = admin.log_in().token

    await reader.follow(
        "docs/tutorials/operator.md", ada_joins=ada_joins, ctrl_c=ctrl_c, a_new_start=a_new_start, a_token=a_token
    )
    assert sandbox.hub.containers() == []


def at_the_hub(sandbox: Sandbox, ada: Person) -> Person:
    """Ada, logged in at a hub that runs, with her server."""
    sandbox.ensure_hub()
    if not ada.token:
        ada.sign_up()
    ada.log_in()
    if not ada.servers():
        ada.request_server()
    wait_for(ada.is_ready, 180, f"server of {ada.name}")
    return ada


async def test_the_tutorial_for_a_student(sandbox: Sandbox, ada: Person) -> None:
    at_the_hub(sandbox, ada)
    await Reader(sandbox, ada).follow("docs/tutorials/student.md")
    async with mcp_client(ada.mcp_url, ada.token) as client:
        scene = await client.call_tool("get_scene_info", {})
    assert {"Nose", "Sphere"} <= {item["name"] for item in scene.structured_content["objects"]}
    picture = ada.container().exec_run(["cat", "/home/blender/snowman.png"]).output
    assert colours(open_png(picture)) > 50


async def test_the_tutorial_for_an_agents_user(sandbox: Sandbox, ada: Person) -> None:
    sandbox.replaced["paste-it-here"] = at_the_hub(sandbox, ada).token
    await Reader(sandbox, ada).follow("docs/tutorials/agent.md")
    assert colours(open_png(sandbox.read("table.png"))) > 50


async def test_the_readme(sandbox: Sandbox, ada: Person) -> None:
    sandbox.control_c()

    def a_token() -> None:
        sandbox.replaced["paste-it-here"] = at_the_hub(sandbox, ada).token

    await Reader(sandbox, ada).follow("README.md", a_token=a_token)


async def test_backup_and_quotas(sandbox: Sandbox, ada: Person) -> None:
    """What was in the home is in it again after the volume was lost."""
    engine = docker.from_env()

    def adas_files() -> None:
        at_the_hub(sandbox, ada).stop_server()

    def disaster() -> None:
        engine.volumes.get(ada.volume).remove()

    await Reader(sandbox, ada).follow("docs/howto/backup.md", adas_files=adas_files, disaster=disaster)
    ada.start_server()
    inside = ada.container().exec_run(
        ["stat", "-c", "%U %n", "/home/blender/snowman.blend", "/home/blender/.p2m/session"]
    )
    assert inside.output.decode().split() == [
        *("blender", "/home/blender/snowman.blend"),
        *("blender", "/home/blender/.p2m/session"),
    ]
    assert sandbox.read("backup/state/accounts.sqlite").startswith(b"SQLite format 3")
    await Reader(sandbox, ada).follow("docs/howto/quotas.md")


@pytest.fixture
def public(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """nginx as the page has it, whose certificate programs of this test trust."""
    proxy = Nginx(tmp_path)
    sandbox.replaced |= proxy.replaced
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(proxy.authority))
    monkeypatch.setenv("SSL_CERT_FILE", str(proxy.authority))
    plain = sandbox.hub.url
    yield proxy
    sandbox.hub.url = plain
    proxy.stop()


async def test_https_by_nginx(sandbox: Sandbox, ada: Person, public: Nginx) -> None:
    sandbox.control_c()
    await Reader(sandbox, ada).follow("docs/howto/https.md", folder_of_certificates=public.etc.mkdir)
    public.start(sandbox.read("p2m.conf").decode())
    sandbox.make_up(f"P2M_PUBLIC_URL={public.url} make up")
    sandbox.hub.url = public.url
    ada.session = requests.Session()
    at_the_hub(sandbox, ada)

    login = [cookie for cookie in ada.session.cookies if cookie.name == "jupyterhub-session-id"]
    assert login
    assert all(cookie.secure for cookie in login)

    address = f"{public.url.replace('https', 'wss')}/user/{ada.name}/blender/websockify"
    trust = ssl.create_default_context(cafile=str(public.authority))
    request = HTTPRequest(address, headers={"Authorization": f"Bearer {ada.token}"}, ssl_options=trust)
    desktop = await websocket_connect(request, subprotocols=["binary"])
    assert (await desktop.read_message()).startswith(b"RFB 003.008")
    desktop.close()

    heard: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(time.monotonic())

    async with mcp_client(f"{public.url}/services/p2m/mcp", ada.token) as client:
        began = time.monotonic()
        code = {"code": "import time; time.sleep(3); print('slept')"}
        text_of(await client.call_tool("execute_blender_code", code, progress_callback=on_progress))
        ended = time.monotonic()
    assert heard
    assert heard[0] - began < (ended - began) / 2, "progress came with the answer: nginx has kept it"

    metadata = requests.get(f"{public.url}/.well-known/oauth-protected-resource/services/p2m/mcp", timeout=10).json()
    assert metadata["resource"] == f"{public.url}/services/p2m/mcp"

    elsewhere = http.client.HTTPSConnection("localhost", public.port, source_address=("127.0.0.7", 0), context=trust)
    elsewhere.request("GET", "/hub/login")
    assert elsewhere.getresponse().status == 200
    hub_log = sandbox.hub.state_dir / "logs/hub.log"
    wait_for(lambda: "127.0.0.7" in hub_log.read_text(), 10, "the client's address in the hub's log")
    again = requests.get(f"http://localhost:{public.plain_port}/hub/login?x=1", allow_redirects=False, timeout=10)
    assert (again.status_code, again.headers["Location"]) == (301, "https://localhost/hub/login?x=1")
