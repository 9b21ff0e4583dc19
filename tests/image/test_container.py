"""A container that runs: who it is, what it may do, what it listens on, what it answers."""

import http.client
import json

from .conftest import IMAGE, TOKEN, Containers, UserContainer, wait_until


def get(container: UserContainer, path: str, *, token: str = TOKEN) -> tuple[int, dict[str, str], str]:
    """GET a path of the Jupyter server through the published port."""
    container.docker.reload()
    port = int(container.docker.ports["8888/tcp"][0]["HostPort"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={"Authorization": f"token {token}"} if token else {})
    response = connection.getresponse()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode("utf-8", "replace")


def test_every_process_is_the_users_and_has_no_capability(container: UserContainer) -> None:
    script = "grep -h -E '^(Uid|CapEff|CapPrm|CapBnd|NoNewPrivs):' /proc/[0-9]*/status | sort -u"
    lines = [line.split() for line in container.output("sh", "-c", script).splitlines()]
    assert {tuple(line[1:]) for line in lines if line[0] == "Uid:"} == {("1000",) * 4}
    assert {line[1] for line in lines if line[0].startswith("Cap")} == {"0" * 16}
    assert {line[1] for line in lines if line[0] == "NoNewPrivs:"} == {"1"}


def test_only_jupyter_and_blenders_loopback_socket_listen(container: UserContainer) -> None:
    listening = set()
    for line in container.output("cat", "/proc/net/tcp", "/proc/net/tcp6").splitlines():
        fields = line.split()
        if fields[3] == "0A":
            address, port = fields[1].rsplit(":", 1)
            if address != "0B00007F":  # the engine's own name server, 127.0.0.11
                listening.add((address, int(port, 16)))
    assert listening == {("00000000", 8888), ("0100007F", 9876)}


def test_sockets_are_the_users_alone(container: UserContainer) -> None:
    assert container.output("stat", "-c", "%a", "/run/p2m") == "700"
    for name in ("vnc.sock", "blender.sock", "mcp.sock"):
        assert container.output("stat", "-c", "%F %a", f"/run/p2m/{name}").startswith("socket")


def test_blender_and_mcp_server_do_not_get_the_hubs_token(container: UserContainer) -> None:
    names = container.output(
        "sh", "-c", f"tr '\\0' '\\n' </proc/{container.pid('blender')}/environ | cut -d= -f1"
    ).split()
    assert "P2M_RUNTIME_DIR" in names
    assert not {"JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN", "JUPYTER_TOKEN"} & set(names)


def test_desktop_page_is_served_before_the_websocket_proxy(container: UserContainer) -> None:
    status, headers, body = get(container, "/blender/")
    assert status == 200
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "<title>Blender" in body
    script = next(part for part in body.split('"') if part.endswith("/desktop.js"))
    status, headers, _ = get(container, script)
    assert status == 200
    assert "immutable" in headers["cache-control"]
    assert get(container, script.replace("desktop.js", "novnc/core/rfb.js"))[0] == 200
    assert get(container, script.replace("desktop.js", "novnc/../../../bin/python"))[0] in {403, 404}


def test_desktop_page_needs_a_login(container: UserContainer) -> None:
    assert get(container, "/blender/", token="")[0] in {302, 403}


def test_launcher_has_one_tile_that_opens_the_desktop_in_a_tab(container: UserContainer) -> None:
    entries = json.loads(get(container, "/server-proxy/servers-info")[2])["server_processes"]
    tiles = {entry["name"]: entry for entry in entries if entry["launcher_entry"]["enabled"]}
    assert list(tiles) == ["blender"]
    assert tiles["blender"]["new_browser_tab"]
    assert tiles["blender"]["launcher_entry"]["title"] == "Blender"
    assert tiles["blender"]["launcher_entry"]["path_info"] == "blender/"
    assert get(container, "/server-proxy/icon/blender")[0] == 200


def test_status_becomes_ready(container: UserContainer) -> None:
    def ready() -> bool:
        return bool(json.loads(get(container, "/p2m/status")[2])["ready"])

    wait_until("/p2m/status is ready", ready)


def test_only_the_needed_server_extensions_run(container: UserContainer) -> None:
    log = container.docker.logs().decode()
    loaded = {line.split()[-6] for line in log.splitlines() if line.endswith("| extension was successfully loaded.")}
    assert loaded == {"jupyter_server_proxy", "jupyter_server_terminals", "jupyterlab", "p2m_singleuser"}


def test_docker_reports_it_healthy(container: UserContainer) -> None:
    def healthy() -> bool:
        container.docker.reload()
        return bool(container.docker.attrs["State"]["Health"]["Status"] == "healthy")

    wait_until("docker reports healthy", healthy)


def test_runs_without_options_too(containers: Containers) -> None:
    container = containers.start(locked_down=False, command=[])
    container.wait_for_all()


def test_image_says_what_it_is(containers: Containers) -> None:
    config = containers.client.images.get(IMAGE).attrs["Config"]
    assert config["User"] == "1000:1000"
    assert config["Cmd"] == ["start-p2m"]
    assert not config["Entrypoint"]
    assert list(config["ExposedPorts"]) == ["8888/tcp"]
    assert config["Healthcheck"]["Test"] == ["CMD", "p2m-healthcheck"]
    assert config["Labels"]["org.opencontainers.image.title"] == "p2m/blender-singleuser"


def test_no_ca_bundle_of_the_builder_is_in_the_image(container: UserContainer) -> None:
    assert container.run("test", "-e", "/build")[0] != 0
    found = container.output("sh", "-c", "find / -xdev -name ca-bundle.crt 2>/dev/null; true")
    assert not found
    # The only bundle is Debian's, made of exactly Debian's certificates.
    count = (
        "cat /usr/share/ca-certificates/mozilla/*.crt | grep -c BEGIN; grep -c BEGIN /etc/ssl/certs/ca-certificates.crt"
    )
    debian, bundle = container.output("sh", "-c", count).split()
    assert debian == bundle


def test_image_has_no_build_tools_of_its_own(container: UserContainer) -> None:
    for name in ("node", "npm", "gcc"):
        assert container.run("which", name)[0] != 0
