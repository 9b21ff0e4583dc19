"""Each line about a server says whose it is, whatever the names are."""

import io
import json
import logging
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets.config import Application, Config

from hub_config import logs
from hub_config.settings import Settings
from p2m_spawner.docker_spawner import BlenderDockerSpawner
from p2m_spawner.server_log import ServerLog, plain


@pytest.fixture
def lines():
    """A logger whose lines can be read."""
    logger, written = logging.Logger("test"), io.StringIO()
    logger.addHandler(logging.StreamHandler(written))
    return logger, written


def test_a_line_begins_with_user_server_and_container(lines):
    logger, written = lines
    facts = {"user": "ada", "server": "", "container": "0123456789ab"}
    ServerLog(logger, lambda: facts).warning("%d tries left", 3)
    assert written.getvalue() == "[user=ada server=- container=0123456789ab] 3 tries left\n"


def test_the_facts_are_those_of_the_moment(lines):
    logger, written = lines
    facts = {"container": ""}
    log = ServerLog(logger, lambda: facts)
    log.warning("before")
    facts["container"] = "abc"
    log.warning("after")
    assert written.getvalue() == "[container=-] before\n[container=abc] after\n"


@given(st.text())
def test_a_name_neither_ends_the_line_nor_formats_it(name):
    logger, written = logging.Logger("test"), io.StringIO()
    logger.addHandler(logging.StreamHandler(written))
    ServerLog(logger, lambda: {"user": name}).warning("%s is here", "Ada")
    assert written.getvalue() == f"[user={plain(name)}] Ada is here\n"
    assert not set(plain(name)) & set("\n\r% []=")


class Hub(Application):
    """As much of the hub as writes lines."""


def test_json_lines_have_the_exact_names_as_fields(tmp_path, capsys):
    c = Config()
    logs.configure(c, Settings(state_dir=tmp_path, log_format="json"))
    hub = Hub(logging_config=c.JupyterHub.logging_config)
    ServerLog(hub.log, lambda: {"user": "ada lovelace", "server": "", "container": "abc"}).error("no %s", "GPU")
    line = json.loads(capsys.readouterr().err)
    assert (line["user"], line["server"], line["container"]) == ("ada lovelace", "", "abc")
    assert (line["level"], line["logger"]) == ("ERROR", "Hub")
    assert line["message"].endswith("no GPU")


def test_the_spawners_own_lines_have_them(caplog):
    spawner = BlenderDockerSpawner(user=SimpleNamespace(name="ada", id=1, url="/user/ada/"))
    spawner.object_id = "0123456789abcdef"
    with caplog.at_level(logging.INFO):
        spawner.log.warning("hello")
    assert caplog.records[-1].user == "ada"
    assert caplog.messages[-1] == "[user=ada server=- container=0123456789ab] hello"
