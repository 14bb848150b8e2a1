"""A command line of the user's that starts a server."""

from __future__ import annotations

import pytest

from halospec.knobs.draft_args import DraftArgs
from halospec.knobs.server_command import ServerCommand

LLAMA = "/opt/llama-server -m t.gguf -md d.gguf"
OWN = DraftArgs("--draft {k}", "--no-draft")


def parse(line, **more):
    return ServerCommand.parse(line, **{"environment": {}, **more})


def test_the_draft_arguments_take_their_place():
    command = parse(f"{LLAMA} {{draft_args}} -np 1")
    assert command.expand(4) == (
        *("/opt/llama-server", "-m", "t.gguf", "-md", "d.gguf"),
        *("--spec-type", "draft-simple", "--spec-draft-n-max", "4", "-np", "1"),
    )
    assert command.expand(0)[5:] == ("--spec-type", "none", "-np", "1")


def test_k_and_the_port_may_stand_inside_an_argument():
    command = parse("serve --listen=:{port} --json '{\"k\": {k}}' {draft_args}", draft_args=OWN)
    assert command.expand(3) == ("serve", f"--listen=:{command.port}", "--json", '{"k": 3}', "--draft", "3")
    assert command.url == f"http://127.0.0.1:{command.port}"


def test_the_port_is_chosen_once():
    command = parse(f"{LLAMA} --port {{port}} {{draft_args}}")
    assert command.expand(1)[-5:][0] == command.expand(2)[-5:][0] == str(command.port)
    assert command.port > 0


def test_k_alone_is_a_place_for_the_draft_length():
    assert parse("serve --port 1 --draft {k}").expand(0) == ("serve", "--port", "1", "--draft", "0")


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ("", "http://127.0.0.1:8080"),
        ("--port 9000", "http://127.0.0.1:9000"),
        ("--port=9000", "http://127.0.0.1:9000"),
        ("--port 9000 --host 0.0.0.0", "http://127.0.0.1:9000"),
        ("--port 9000 --host ::", "http://[::1]:9000"),
        ("--port 9000 --host box.lan", "http://box.lan:9000"),
    ],
)
def test_where_it_will_answer_is_read_from_the_command(options, url):
    assert parse(f"{LLAMA} {options} {{draft_args}}").url == url


@pytest.mark.parametrize(
    ("program", "options", "url"),
    [
        ("/opt/llama-server", "", "http://box.lan:9001"),
        ("/opt/llama-server", "--port 9000 --host ::1", "http://[::1]:9000"),
        ("./start.sh", "--port 9000", "http://127.0.0.1:9000"),
    ],
)
def test_llama_server_may_read_it_from_the_environment(program, options, url):
    environment = {"LLAMA_ARG_HOST": "box.lan", "LLAMA_ARG_PORT": "9001"}
    assert parse(f"{program} -md d.gguf {options} {{draft_args}}", environment=environment).url == url


def test_a_url_of_the_users_comes_first():
    command = parse("./start.sh {port} -md d.gguf {draft_args}", url="https://box:8443/v1/")
    assert command.url == "https://box:8443/v1"
    assert command.expand(0)[1] == "8443"


@pytest.mark.parametrize(
    "flag", ["-md", "--model-draft", "--spec-draft-model", "-hfd", "--spec-draft-hf", "--model_draft"]
)
def test_a_draft_model_can_be_named_in_every_way(flag):
    assert parse(f"llama-server {flag} d {{draft_args}}").draft_args == DraftArgs()


def test_a_draft_model_may_come_from_the_environment():
    parse("llama-server {draft_args}", environment={"LLAMA_ARG_SPEC_DRAFT_MODEL": "d.gguf"})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "is empty"),
        (f"{LLAMA} 'open", "nothing that ends it"),
        (LLAMA, r"no \{draft_args\}"),
        (f"{LLAMA} --x={{draft_args}}", r"a word of its own"),
        (
            "llama-server -m t.gguf {draft_args}",
            r"names no draft model.*add -md DRAFT\.gguf.*--draft-args '--spec-type ngram",
        ),
        (f"{LLAMA} --spec-type draft-simple {{draft_args}}", r"holds --spec-type itself"),
        (
            f"{LLAMA} --spec_draft_n_max 4 --spec-type none {{draft_args}}",
            r"holds --spec-draft-n-max, --spec-type itself",
        ),
        ("serve -md d {draft_args}", r"does not say on which port.*--port \{port\}"),
        ("serve -md d --port zero {draft_args}", r"does not say on which port"),
        (f"{LLAMA} --port 1 --host /tmp/x.sock {{draft_args}}", r"cannot be told from --host /tmp/x\.sock"),
    ],
)
def test_a_command_that_cannot_work_is_refused_with_what_to_do(line, problem):
    with pytest.raises(ValueError, match=problem):
        parse(line)


@pytest.mark.parametrize("url", ["box:8080", "ftp://box", "http://", "nonsense"])
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="not of the form http://host:port"):
        parse(f"{LLAMA} {{draft_args}}", url=url)


def test_a_speculation_type_in_the_environment_is_refused_since_llama_server_adds_it():
    with pytest.raises(ValueError, match=r"LLAMA_ARG_SPEC_TYPE is set.*unset it"):
        parse(f"{LLAMA} {{draft_args}}", environment={"LLAMA_ARG_SPEC_TYPE": "ngram-mod"})


def test_draft_arguments_of_the_users_need_no_draft_model():
    ngram = DraftArgs("--spec-type ngram-simple --spec-ngram-simple-size-m {k}")
    assert parse("llama-server -m t.gguf {draft_args}", draft_args=ngram).expand(8)[-1] == "8"


def test_keys_in_it_are_not_shown():
    command = parse(f"{LLAMA} --api-key sesame {{draft_args}}")
    assert "sesame" not in command.shown(1)
    assert command.secrets == ("sesame",)
