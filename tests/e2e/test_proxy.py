"""The documented nginx in front of Kerma: TLS, the websocket, limits, on loopback."""

import http.client
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import ROOT, Server, free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None, reason="nginx or openssl is not installed"
)


@pytest.fixture(scope="module")
def proxy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Run nginx with the shipped configuration and a certificate of our own; return its ports."""
    folder = tmp_path_factory.mktemp("nginx")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    plain, tls = free_port(), free_port()
    shipped = (ROOT / "deploy" / "nginx" / "kerma.conf").read_text("utf-8")
    changes = {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl": f"listen 127.0.0.1:{tls} ssl",
        "kerma.example.org": "localhost",
        "/etc/ssl/kerma": str(folder),
        "http://127.0.0.1:8501": server.url,
    }
    for old, new in changes.items():
        assert old in shipped
        shipped = shipped.replace(old, new)
    (folder / "kerma.conf").write_text(shipped)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\n{temporary}include {folder}/kerma.conf;\n}}\n"
    )
    command = [
        str(NGINX),
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        str(folder / "e"),
    ]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr
    process = subprocess.Popen(command)
    try:
        for _ in range(50):
            try:
                get(tls, "/_stcore/health")
                break
            except OSError:
                time.sleep(0.1)
        yield plain, tls
    finally:
        process.terminate()
        process.wait(timeout=10)


def get(port: int, path: str, method: str = "GET", body: bytes = b"") -> http.client.HTTPResponse:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    con = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    con.request(method, path, body=body, headers={"Host": f"localhost:{port}"})
    answer = con.getresponse()
    answer.read()
    con.close()
    return answer


def test_every_answer_by_tls_has_the_headers(proxy: tuple[int, int]) -> None:
    plain, tls = proxy
    for path in ("/", "/healthz", "/no-such-file.js", "/media/none.csv"):
        head = get(tls, path).headers
        assert head["Strict-Transport-Security"] == "max-age=31536000", path
        assert "default-src 'self'" in head["Content-Security-Policy"]
        assert (head["X-Content-Type-Options"], head["X-Frame-Options"]) == ("nosniff", "DENY")
        assert "nginx/" not in head.get("Server", "")
    con = http.client.HTTPConnection("127.0.0.1", plain, timeout=20)
    con.request("GET", "/overview?from=1", headers={"Host": "localhost"})
    answer = con.getresponse()
    assert (
        answer.status == 308 and answer.headers["Location"] == "https://localhost/overview?from=1"
    )


def test_old_protocols_are_refused(proxy: tuple[int, int]) -> None:
    """OpenSSL's own client asks, since Python no longer offers TLS 1.1 without a warning."""
    asked = [
        "openssl",
        "s_client",
        "-connect",
        f"127.0.0.1:{proxy[1]}",
        "-cipher",
        "ALL:@SECLEVEL=0",
    ]
    for version, works in (("-tls1_1", False), ("-tls1_2", True)):
        done = subprocess.run([*asked, version], input=b"", capture_output=True)
        assert (b"BEGIN CERTIFICATE" in done.stdout) is works


def test_a_page_comes_by_the_websocket_and_not_without_sign_in(
    proxy: tuple[int, int], browser: Browser
) -> None:
    """Without a provider the server says so through a proxy, and shows nobody anything."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(f"https://localhost:{proxy[1]}/overview")
    expect(page.get_by_role("heading", name="Not without sign-in")).to_be_visible(timeout=60_000)
    assert sockets and sockets[0].startswith("wss://localhost")
    context.close()


@pytest.mark.parametrize(
    ("path", "allowed"), [("/auth/login", 6), ("/oauth2callback?code=x", 6), ("/media/x.csv", 16)]
)
def test_sign_in_and_downloads_are_limited(proxy: tuple[int, int], path: str, allowed: int) -> None:
    answers = [get(proxy[1], path).status for _ in range(allowed + 12)]
    assert 429 in answers and answers[-1] == 429
    if path == "/media/x.csv":
        assert answers.count(429) <= 14, "a person's downloads pass"


def test_large_uploads_end_at_the_proxy(proxy: tuple[int, int]) -> None:
    try:
        status = get(proxy[1], "/_stcore/other", "PUT", bytes(7 * 2**20)).status
    except (BrokenPipeError, ConnectionResetError):  # it answers before all has come
        return
    assert status == 413
