"""TLS: whom the client believes, how it proves who it is, and what it says of files that are no use."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from halospec.clock import start_clock
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.connection import ConnectionSettings, open_client
from halospec.endpoints.preflight import PreflightError, check_server
from halospec.endpoints.types import Completion, EndpointError


@dataclass(frozen=True)
class Identity:
    """A certificate that signed itself, its key, and the same key under a passphrase."""

    certificate: Path
    key: Path
    encrypted_key: Path
    both: Path


def make_identity(directory: Path, name: str) -> Identity:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the openssl program to make certificates")
    made = Identity(*(directory / f"{name}.{kind}.pem" for kind in ("certificate", "key", "encrypted", "both")))
    subprocess.run(
        f"{program} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj /CN={name}"
        f" -addext subjectAltName=IP:127.0.0.1 -addext keyUsage=critical,digitalSignature,keyCertSign"
        f" -keyout {made.key} -out {made.certificate}".split(),
        check=True,
        capture_output=True,
    )
    subprocess.run(
        f"{program} ec -aes256 -passout pass:geheim -in {made.key} -out {made.encrypted_key}".split(),
        check=True,
        capture_output=True,
    )
    made.both.write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
    return made


@pytest.fixture(scope="module")
def server_identity(tmp_path_factory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("server"), "server")


@pytest.fixture(scope="module")
def client_identity(tmp_path_factory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("client"), "client")


@pytest.fixture
def server_tls(server_identity) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server_identity.certificate, server_identity.key)
    return context


@pytest.fixture
def ask_with(say_hello):
    async def ask_once(base: str, **settings) -> Completion:
        connection = ConnectionSettings(**settings)
        async with ChatEndpoint(f"{base}/v1", "smol", start_clock(), connection=connection) as endpoint:
            return await endpoint.complete(say_hello, None)

    return ask_once


async def test_a_server_whose_certificate_is_in_the_bundle_is_believed(
    serve_misbehaving, server_tls, server_identity, ask_with, http, hello
):
    async with serve_misbehaving(server_tls) as server:
        server.scripts = [[http(hello)]]
        completion = await ask_with(server.url, ca_bundle=server_identity.certificate)

    assert completion.text == "Hello! I"


async def test_an_unknown_server_is_refused_and_told_so_for_good(serve_misbehaving, server_tls, ask_with):
    async with serve_misbehaving(server_tls) as server:
        with pytest.raises(EndpointError) as caught:
            await ask_with(server.url)

    assert caught.value.reason == (
        f"No server answers at {server.url}/v1/chat/completions: TLS error, self-signed certificate."
    )
    assert not caught.value.retryable
    assert server.requests == []


async def test_before_a_run_an_unknown_server_is_told_with_the_options_that_help(serve_misbehaving, server_tls):
    async with serve_misbehaving(server_tls) as server:
        with pytest.raises(PreflightError, match=r"self-signed certificate; .*--ca-bundle.*--insecure") as caught:
            await check_server(server.url)

    assert "No server answers" not in str(caught.value)


async def test_a_server_of_another_name_is_refused(serve_misbehaving, server_tls, server_identity, ask_with):
    async with serve_misbehaving(server_tls) as server:
        with pytest.raises(EndpointError, match="TLS error, hostname mismatch"):
            await ask_with(server.url.replace("127.0.0.1", "localhost"), ca_bundle=server_identity.certificate)


async def test_without_verification_any_server_is_believed(serve_misbehaving, server_tls, ask_with, http, hello):
    async with serve_misbehaving(server_tls) as server:
        server.scripts = [[http(hello)]]
        completion = await ask_with(server.url, verify=False)

    assert completion.text == "Hello! I"


async def test_certificates_named_in_the_environment_are_believed_on_loopback_too(
    serve_misbehaving, server_tls, server_identity, ask_with, http, hello, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(server_identity.certificate))
    async with serve_misbehaving(server_tls) as server:
        server.scripts = [[http(hello)]]
        completion = await ask_with(server.url)

    assert completion.text == "Hello! I"


@pytest.mark.parametrize("key_is_apart", [True, False])
@pytest.mark.parametrize("verify", [True, False])
async def test_the_clients_certificate_is_shown_to_the_server(
    serve_misbehaving, server_tls, server_identity, client_identity, ask_with, http, hello, key_is_apart, verify
):
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(client_identity.certificate)
    async with serve_misbehaving(server_tls) as server:
        server.scripts = [[http(hello)]]
        completion = await ask_with(
            server.url,
            verify=verify,
            ca_bundle=server_identity.certificate,
            client_cert=client_identity.certificate if key_is_apart else client_identity.both,
            client_key=client_identity.key if key_is_apart else None,
        )

    assert completion.text == "Hello! I"
    assert server.client_certificates == [ssl.PEM_cert_to_DER_cert(client_identity.certificate.read_text())]


async def test_a_server_that_wants_a_certificate_and_gets_none_refuses_for_good(
    server_tls, server_identity, client_identity, ask_with
):
    # In TLS 1.3 the client learns of it only after its first request, and the lost connection may outrun the news.
    server_tls.maximum_version = ssl.TLSVersion.TLSv1_2
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(client_identity.certificate)

    def refuse(listener: socket.socket) -> None:
        with suppress(ssl.SSLError):
            server_tls.wrap_socket(listener.accept()[0], server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        thread = threading.Thread(target=refuse, args=[listener])
        thread.start()
        with pytest.raises(EndpointError, match=r"TLS error, .*handshake failure") as caught:
            await ask_with(f"https://127.0.0.1:{listener.getsockname()[1]}", ca_bundle=server_identity.certificate)
        thread.join()

    assert not caught.value.retryable


async def test_a_connection_lost_under_tls_is_told_as_lost_and_not_as_a_tls_error(
    serve_misbehaving, server_tls, ask_with
):
    async with serve_misbehaving(server_tls) as server:
        server.scripts = [["reset"]]
        with pytest.raises(EndpointError, match="gave no HTTP answer: connection reset by peer") as caught:
            await ask_with(server.url, verify=False)

    assert caught.value.retryable


def refusal(**settings) -> str:
    with pytest.raises(ValueError) as caught:
        open_client("https://127.0.0.1:1/v1", ConnectionSettings(**settings), None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "name"), [({"ca_bundle": 1}, "the CA bundle"), ({"client_cert": 1}, "the client certificate")]
)
def test_a_file_that_is_not_there_or_holds_no_certificates_is_named(tmp_path, settings, name):
    (field,) = settings
    missing, folder, empty, junk = tmp_path / "missing", tmp_path, tmp_path / "empty", tmp_path / "junk"
    empty.write_bytes(b"")
    junk.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    assert refusal(**{field: missing}) == f"{name} {missing} cannot be read (No such file or directory)"
    assert refusal(**{field: folder}) == f"{name} {folder} cannot be read (Is a directory)"
    assert refusal(**{field: empty}) == f"{name} {empty} holds no certificates in PEM form"
    assert refusal(**{field: junk}) == f"{name} {junk} holds no certificates in PEM form"


def test_a_key_that_is_no_use_is_named(tmp_path, client_identity, server_identity):
    certificate, missing = client_identity.certificate, tmp_path / "missing"

    assert refusal(client_cert=certificate, client_key=missing) == (
        f"the client key {missing} cannot be read (No such file or directory)"
    )
    assert refusal(client_cert=certificate, client_key=server_identity.key) == (
        f"the client certificate {certificate} and the key in {server_identity.key} do not belong together"
    )
    assert refusal(client_key=client_identity.key) == (
        f"the client key {client_identity.key} is of no use without its certificate; give that too"
    )
    for without in (client_identity.encrypted_key, certificate):
        assert refusal(client_cert=certificate, client_key=without) == (
            f"{without} holds no private key in PEM form that needs no passphrase, so the client certificate"
            f" {certificate} cannot be used"
        )


def test_certificates_named_in_the_environment_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))

    assert refusal() == (
        "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be used (No such file or directory)"
    )


async def test_over_plain_http_tls_settings_are_of_no_account(misbehaving_server, ask_with, http, hello, tmp_path):
    misbehaving_server.scripts = [[http(hello)]]

    completion = await ask_with(
        misbehaving_server.url, ca_bundle=tmp_path / "missing", client_key=tmp_path / "missing", verify=False
    )

    assert completion.text == "Hello! I"
