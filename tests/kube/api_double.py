"""An API server for tests, over HTTP on the loopback: what `blender-kube` asks, answered as the real one does.

It keeps pods, events, services, secrets and claims with uids and resource versions, refuses with Status objects, checks
what is created against the official schemas and, where a namespace says so, against *restricted*; serves list and
watch with selectors, timeouts, bookmarks and "too old resource version"; deletes with grace and preconditions, and
collects what a deleted pod owned. Semantics: kubernetes.io/docs/reference/using-api/api-concepts/.
"""

import asyncio
import copy
import itertools
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from jsonschema import ValidationError

from .restricted import violations
from .schemas import check

Thing = dict[str, Any]

TOKEN = "token-of-the-hubs-service-account"

KINDS = {
    "pods": "Pod",
    "events": "Event",
    "services": "Service",
    "secrets": "Secret",
    "persistentvolumeclaims": "PersistentVolumeClaim",
}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class RefusedError(Exception):
    """An answer that is no success: a Status object."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }

    @property
    def response(self) -> web.Response:
        return web.json_response(self.status, status=self.status["code"])


def matches(thing: Thing, labels: str, fields: str) -> bool:
    """Whether selectors of the form ``a=b,c=d`` choose a thing."""
    has = thing["metadata"].get("labels") or {}
    for key, value in (pair.split("=", 1) for pair in labels.split(",") if pair):
        if has.get(key) != value:
            return False
    for path, value in (pair.split("=", 1) for pair in fields.split(",") if pair):
        found: Any = thing
        for step in path.split("."):
            found = found.get(step, {})
        if found != value:
            return False
    return True


class ApiDouble:
    """The server, and what it keeps."""

    def __init__(self) -> None:
        self.namespaces = {"studio": "restricted", "other": ""}
        self.things: dict[tuple[str, str, str], Thing] = {}
        self.changes: dict[str, list[tuple[int, str, Thing]]] = {kind: [] for kind in KINDS}
        self.oldest = 0  # changes before it are forgotten
        self.version = 100
        self.changed = asyncio.Condition()
        self.requests: list[tuple[str, str]] = []
        self.logs: dict[str, bytes] = {}
        self.silent = False
        self.refusals: dict[tuple[str, str], RefusedError] = {}
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._numbers = itertools.count()
        self._watchers: list[web.Request] = []

    # The server

    async def start(self) -> None:
        app = web.Application(middlewares=[self._answer])
        of_namespace = "/api/v1/namespaces/{namespace}/{kind}"
        app.router.add_get("/api/v1/{kind}", self._list_or_watch)
        app.router.add_get(of_namespace, self._list_or_watch)
        app.router.add_post(of_namespace, self._create)
        app.router.add_get(of_namespace + "/{name}", self._read)
        app.router.add_delete(of_namespace + "/{name}", self._delete)
        app.router.add_get(of_namespace + "/{name}/log", self._log)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._runner
        await self._runner.cleanup()

    def fall_silent(self) -> None:
        """Be as a server that went away: streams end, and no request is answered."""
        self.silent = True
        for request in list(self._watchers):
            if request.transport:
                request.transport.abort()

    @web.middleware
    async def _answer(self, request: web.Request, handler: Any) -> web.StreamResponse:
        kind = request.match_info.get("kind", "")
        self.requests.append((request.method, request.path))
        if self.silent:
            assert request.transport
            request.transport.abort()
            raise ConnectionResetError
        try:
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise RefusedError(401, "Unauthorized", "Unauthorized")
            verb = "log" if request.path.endswith("/log") else request.method
            if refusal := self.refusals.get((verb, kind)):
                raise refusal
            if kind not in KINDS:
                raise RefusedError(404, "NotFound", "the server could not find the requested resource")
            answer: web.StreamResponse = await handler(request)
            return answer
        except RefusedError as refused:
            return refused.response

    # What it keeps

    async def put(self, kind: str, thing: Thing, change: str = "MODIFIED") -> Thing:
        """Keep a new state of a thing, and tell those who watch."""
        metadata = thing["metadata"]
        key = kind, metadata["namespace"], metadata["name"]
        self.version += 1
        metadata["resourceVersion"] = str(self.version)
        kept = copy.deepcopy(thing)
        if change == "DELETED":
            self.things.pop(key, None)
        else:
            self.things[key] = kept
        async with self.changed:
            self.changes[kind].append((self.version, change, kept))
            self.changed.notify_all()
        return copy.deepcopy(kept)

    async def create(self, kind: str, namespace: str, thing: Thing) -> Thing:
        """Check a manifest as the API server does, and keep it."""
        if namespace not in self.namespaces:
            raise RefusedError(404, "NotFound", f'namespaces "{namespace}" not found')
        thing = {"apiVersion": "v1", "kind": KINDS[kind], **copy.deepcopy(thing)}
        try:
            check(thing)
        except ValidationError as error:
            raise RefusedError(
                400, "BadRequest", f"{KINDS[kind]} in version v1 cannot be handled: {error.message}"
            ) from None
        metadata = thing["metadata"]
        name = metadata["name"]
        if kind == "pods" and self.namespaces[namespace] == "restricted" and (broken := violations(thing)):
            message = f'pods "{name}" is forbidden: violates PodSecurity "restricted:latest": {", ".join(broken)}'
            raise RefusedError(403, "Forbidden", message)
        if (kind, namespace, name) in self.things:
            raise RefusedError(409, "AlreadyExists", f'{kind} "{name}" already exists')
        metadata.update(namespace=namespace, uid=str(uuid.uuid4()), creationTimestamp=now())
        if kind == "pods":
            thing.setdefault("status", {"phase": "Pending", "qosClass": "Burstable"})
        if kind == "persistentvolumeclaims":
            thing["status"] = {"phase": "Pending"}
        return await self.put(kind, thing, "ADDED")

    def get(self, kind: str, name: str, namespace: str = "studio") -> Thing:
        """A copy of a thing.

        Raises:
            RefusedError: There is none.
        """
        try:
            return copy.deepcopy(self.things[kind, namespace, name])
        except KeyError:
            raise RefusedError(404, "NotFound", f'{kind} "{name}" not found') from None

    def names(self, kind: str) -> list[str]:
        return [name for of_kind, _, name in self.things if of_kind == kind]

    async def remove(self, thing: Thing, kind: str) -> None:
        """Remove a thing, and what it owned."""
        await self.put(kind, thing, "DELETED")
        for (of_kind, _, _), other in list(self.things.items()):
            owners = other["metadata"].get("ownerReferences") or []
            if any(owner["uid"] == thing["metadata"]["uid"] for owner in owners):
                await self.remove(copy.deepcopy(other), of_kind)

    async def event(self, pod: Thing, reason: str, message: str, type_: str = "Normal") -> None:
        """Report an event of a pod, as scheduler and kubelet do."""
        metadata = pod["metadata"]
        name, uid = f"{metadata['name']}.{next(self._numbers):x}", str(uuid.uuid4())
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"], "uid": uid, "creationTimestamp": now()},
            "involvedObject": {"kind": "Pod", **{key: metadata[key] for key in ("name", "namespace", "uid")}},
            "reason": reason,
            "message": message,
            "type": type_,
            "count": 1,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
        }
        check(event)
        await self.put("events", event, "ADDED")

    def forget_changes(self) -> None:
        """As after a compaction: watches from before now are refused."""
        self.oldest = self.version

    # Requests

    async def _create(self, request: web.Request) -> web.Response:
        namespace, kind = request.match_info["namespace"], request.match_info["kind"]
        return web.json_response(await self.create(kind, namespace, await request.json()), status=201)

    async def _read(self, request: web.Request) -> web.Response:
        info = request.match_info
        return web.json_response(self.get(info["kind"], info["name"], info["namespace"]))

    async def _log(self, request: web.Request) -> web.Response:
        info = request.match_info
        self.get("pods", info["name"], info["namespace"])
        lines = self.logs.get(info["name"], b"").splitlines(keepends=True)
        return web.Response(body=b"".join(lines[-int(request.query.get("tailLines", "1000000")) :]))

    async def _delete(self, request: web.Request) -> web.Response:
        info, kind = request.match_info, request.match_info["kind"]
        thing = self.get(kind, info["name"], info["namespace"])
        options = json.loads(await request.text() or "{}")
        wanted = (options.get("preconditions") or {}).get("uid")
        if wanted and wanted != thing["metadata"]["uid"]:
            raise RefusedError(
                409, "Conflict", f"the UID in the precondition ({wanted}) does not match the UID in record"
            )
        grace = options.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
        if kind != "pods" or (grace is not None and int(grace) == 0) or "nodeName" not in thing["spec"]:
            await self.remove(thing, kind)
        elif "deletionTimestamp" not in thing["metadata"]:
            grace = int(grace) if grace is not None else thing["spec"].get("terminationGracePeriodSeconds", 30)
            thing["metadata"].update(deletionTimestamp=now(), deletionGracePeriodSeconds=grace)
            thing = await self.put(kind, thing)
        return web.json_response(thing)

    async def _list_or_watch(self, request: web.Request) -> web.StreamResponse:
        kind, namespace = request.match_info["kind"], request.match_info.get("namespace")
        labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")

        def chosen(thing: Thing) -> bool:
            return namespace in (None, thing["metadata"]["namespace"]) and matches(thing, labels, fields)

        if request.query.get("watch") in ("true", "True"):
            return await self._watch(request, kind, chosen)
        if request.query.get("resourceVersionMatch") and not request.query.get("resourceVersion"):
            raise RefusedError(400, "Invalid", "resourceVersionMatch is forbidden unless resourceVersion is provided")
        items = [thing for (of_kind, _, _), thing in self.things.items() if of_kind == kind and chosen(thing)]
        return web.json_response(
            {
                "kind": f"{KINDS[kind]}List",
                "apiVersion": "v1",
                "metadata": {"resourceVersion": str(self.version)},
                "items": items,
            }
        )

    async def _watch(self, request: web.Request, kind: str, chosen: Any) -> web.StreamResponse:
        """Stream changes after a version; from the present state on when none, or 0, is given."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)

        async def send(change: str, thing: Mapping[str, Any]) -> None:
            await response.write(json.dumps({"type": change, "object": thing}).encode() + b"\n")

        self._watchers.append(request)
        seen = int(request.query.get("resourceVersion") or 0)
        bookmarks = request.query.get("allowWatchBookmarks") in ("true", "True")
        try:
            async with asyncio.timeout(float(request.query.get("timeoutSeconds", 1800))):
                if seen == 0:
                    seen = self.version
                    for (of_kind, _, _), thing in list(self.things.items()):
                        if of_kind == kind and chosen(thing):
                            await send("ADDED", thing)
                elif seen < self.oldest:
                    await send("ERROR", RefusedError(410, "Expired", f"too old resource version: {seen}").status)
                    return response
                while True:
                    news = [each for each in self.changes[kind] if each[0] > seen]
                    for _, change, thing in news:
                        if chosen(thing):
                            await send(change, thing)
                    seen = max([seen, *(version for version, _, _ in news)])
                    async with self.changed:
                        while not self.changes[kind] or self.changes[kind][-1][0] <= seen:
                            await self.changed.wait()
        except TimeoutError:
            if bookmarks:
                empty = {"kind": KINDS[kind], "apiVersion": "v1", "metadata": {"resourceVersion": str(self.version)}}
                await send("BOOKMARK", empty)
            await response.write_eof()
        except ConnectionResetError:
            pass
        finally:
            self._watchers.remove(request)
        return response
