"""A made GitHub: a repository over HTTP, by git's own server, and as much API as `gh` asks for."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

REPOSITORY = "owner/name"
TOKEN = "of-the-tests"


class GitHub(ThreadingHTTPServer):
    """The server; `requests` holds what the API was asked to make: pull requests and issues.

    repository: the bare repository that it serves as REPOSITORY.
    """

    def __init__(self, repository: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repository = repository
        self.requests: list[dict[str, Any]] = []

    @property
    def proxy(self) -> str:
        """What HTTP_PROXY must be, so that github.localhost is this server."""
        return f"http://127.0.0.1:{self.server_port}"

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Answer the queries of `gh auth status`, `gh pr list`, `gh pr create` and `gh issue`."""
        if "mutation" in query:
            self.requests.append(variables["input"])
            made = {"id": "made", "url": f"http://github.localhost/{REPOSITORY}/pull/1"}
            return {
                "createPullRequest": {"pullRequest": made},
                "createIssue": {"issue": made},
            }
        owner, name = REPOSITORY.split("/")
        found = {"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": False}}
        repository = {
            "id": "R",
            "name": name,
            "owner": {"login": owner},
            "hasIssuesEnabled": True,
            "viewerPermission": "WRITE",
            "defaultBranchRef": {"name": "main"},
            "pullRequests": found,
            "issues": found,
        }
        # gh refuses an answer that holds more than it asked for.
        repositories = "repo_000" if "repo_000" in query else "repository"
        known = {"viewer": {"login": "ci"}, repositories: repository}
        return {name: answer for name, answer in known.items() if name in query}


class Handler(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def _answer(self) -> None:
        path, _, query = self.path.removeprefix("http://").partition("/")[2].partition("?")
        body = self._body()
        if path.startswith(f"{REPOSITORY}.git/"):
            self._git(path.removeprefix(f"{REPOSITORY}.git"), query, body)
        elif TOKEN not in self.headers.get("Authorization", ""):
            self._send(401, {}, b"{}")
        else:
            asked = json.loads(body or "{}")
            data = self.server.graphql(asked.get("query", ""), asked.get("variables") or {})
            self._send(
                200, {"Content-Type": "application/json"}, json.dumps({"data": data}).encode()
            )

    def _body(self) -> bytes:
        """Read what is sent: git sends more than a megabyte in chunks, each after its size."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _git(self, path: str, query: str, body: bytes) -> None:
        """Pass a request to `git http-backend`; all may push, as gh has tokens for HTTPS alone."""
        variables = {
            "GIT_PROJECT_ROOT": str(self.server.repository),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "ci",
        }
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            env=os.environ | variables,
            capture_output=True,
            check=True,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self._send(int(headers.pop("Status", "200").split()[0]), headers, content)

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(repository: Path) -> Iterator[GitHub]:
    """Serve a bare repository while the block runs."""
    with GitHub(repository) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
