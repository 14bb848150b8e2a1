"""Which servers are believed over TLS, and how this client proves who it is."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx


def tls_context(
    *, verify: bool, ca_bundle: Path | None, client_cert: Path | None, client_key: Path | None
) -> ssl.SSLContext:
    """Return what httpx needs to speak TLS.

    Without ``ca_bundle`` the certificates are httpx's own or those that SSL_CERT_FILE or SSL_CERT_DIR names.

    Raises
    ------
    ValueError
        If a file cannot be read or does not hold what it should; it says which and what.
    """
    context = _context_for_servers(ca_bundle) if verify else httpx.create_ssl_context(verify=False)
    if client_cert is not None:
        _add_client(context, client_cert, client_key)
    elif client_key is not None:
        raise ValueError(f"the client key {client_key} is of no use without its certificate; give that too")
    return context


def _context_for_servers(ca_bundle: Path | None) -> ssl.SSLContext:
    if ca_bundle is None:
        try:
            return httpx.create_ssl_context()
        except OSError as problem:
            raise ValueError(
                f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be used ({problem.strerror})"
            ) from problem
    _demand_certificates(ca_bundle, "the CA bundle")
    return ssl.create_default_context(cafile=ca_bundle)


def _add_client(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    _demand_certificates(certificate, "the client certificate")
    _demand_readable(key or certificate, "the client key")
    try:
        # Without a password given here, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as problem:
        if problem.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(
                f"the client certificate {certificate} and the key in {key or certificate} do not belong together"
            ) from problem
        raise ValueError(
            f"{key or certificate} holds no private key in PEM form that needs no passphrase, so the client certificate"
            f" {certificate} cannot be used"
        ) from problem


def _demand_certificates(path: Path, name: str) -> None:
    _demand_readable(path, name)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError as problem:
        raise ValueError(f"{name} {path} holds no certificates in PEM form") from problem


def _demand_readable(path: Path, name: str) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as problem:
        raise ValueError(f"{name} {path} cannot be read ({problem.strerror})") from problem
