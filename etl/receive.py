"""Receive dose reports from scanners: a DICOM storage SCP that writes into the inbox."""

import hashlib
import itertools
import json
import os
import re
import signal
import socketserver
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # pyright: ignore[reportAttributeAccessIssue]
from pynetdicom.transport import ThreadedAssociationServer

#: What is taken: the structured reports that carry doses, also those that are then refused by name.
ACCEPTED = tuple(
    f"1.2.840.10008.5.1.4.1.1.88.{last}" for last in ("67", "22", "33", "34", "76", "68", "73")
)
_SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
]
SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000
LARGEST = 256 * 2**20
MAXIMUM_PDU, MOST_ASSOCIATIONS = 65_536, 20
#: Seconds that associations have to end by themselves when the receiver is stopped.
GRACE_S = 30.0
#: A half-written object older than this belongs to no receiver that runs beside this one.
REMAINS_S = 3600
_AE_TITLE = re.compile(r"[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?")


class ReceiverError(Exception):
    """The receiver cannot be started as it was asked."""


@dataclass
class Receiver:
    """A DICOM node that keeps what it is sent."""

    inbox: Path
    ae_title: str
    port: int
    allowed: Sequence[str] = ()
    bind: str = ""
    tell: Callable[..., None] = field(default=lambda step, **facts: None)
    _server: ThreadedAssociationServer | None = field(default=None, init=False)
    _numbers: Any = field(default_factory=itertools.count, init=False)
    _writing: threading.Lock = field(default_factory=threading.Lock, init=False)

    def start(self) -> int:
        """Listen in the background; return the port."""
        for title in (self.ae_title, *self.allowed):
            if not _AE_TITLE.fullmatch(title):
                raise ReceiverError(f"'{title}' is no AE title: 1 to 16 characters, no backslash")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_remains()
        self._ae = AE(self.ae_title)
        self._ae.maximum_pdu_size = MAXIMUM_PDU
        self._ae.maximum_associations = MOST_ASSOCIATIONS
        self._ae.network_timeout = self._ae.dimse_timeout = 60
        self._ae.require_calling_aet = list(self.allowed)
        self._ae.add_supported_context(Verification, _SYNTAXES)
        for sop_class in ACCEPTED:
            self._ae.add_supported_context(sop_class, _SYNTAXES)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_REJECTED, self._rejected)]
        try:
            server = self._ae.start_server(
                (self.bind, self.port), block=False, evt_handlers=handlers
            )
        except OSError as error:
            raise ReceiverError(f"port {self.port} cannot be used: {error.strerror}") from error
        assert server is not None  # it is only when the call blocks
        self._server = server
        self.tell("listening", ae_title=self.ae_title, port=server.server_address[1])
        return server.server_address[1]

    def stop(self) -> None:
        """Take no new association, let those that run end, then close."""
        server = self._server
        if server is None:
            return
        self.tell("stopping", associations=len(self._ae.active_associations))
        socketserver.BaseServer.shutdown(server)
        until = time.monotonic() + GRACE_S
        while self._ae.active_associations and time.monotonic() < until:
            time.sleep(0.05)
        self._ae.shutdown()
        self._server = None
        self.tell("stopped")

    def _remove_remains(self) -> None:
        """Remove what a receiver that was killed had half written; its scanner sends again."""
        for path in self.folder.glob(".*.part"):
            if time.time() - path.stat().st_mtime > REMAINS_S:
                path.unlink(missing_ok=True)

    @property
    def folder(self) -> Path:
        """Where received objects lie."""
        return self.inbox / "received"

    def _store(self, event: evt.Event) -> int:
        """Answer one C-STORE: success only when the bytes are on disk."""
        uid = str(getattr(event.request, "AffectedSOPInstanceUID", None) or "")
        peer = event.assoc.requestor.ae_title
        try:
            data = event.encoded_dataset()
        except (AttributeError, ValueError, TypeError) as error:
            self.tell("refused", peer=peer, sop_instance_uid=uid, why=str(error))
            return CANNOT_UNDERSTAND
        if len(data) > LARGEST:
            self.tell("refused", peer=peer, sop_instance_uid=uid, why="too large", bytes=len(data))
            return CANNOT_UNDERSTAND
        try:
            path = self.keep(uid, data)
        except OSError as error:
            self.tell("not stored", peer=peer, sop_instance_uid=uid, why=error.strerror)
            return OUT_OF_RESOURCES
        self.tell("stored", peer=peer, file=path.name, bytes=len(data))
        return SUCCESS

    def _rejected(self, event: evt.Event) -> None:
        self.tell("rejected", peer=event.assoc.requestor.ae_title)

    def keep(self, uid: str, data: bytes) -> Path:
        """Write an object in one step; the same object again changes nothing."""
        digest = hashlib.sha256(data).hexdigest()
        stem = re.sub(r"[^0-9.]", "", uid)[:64].strip(".") or digest[:32]
        with self._writing:
            path = self.folder / f"{stem}.dcm"
            if path.exists() and path.read_bytes() != data:
                path = self.folder / f"{stem}-{digest[:8]}.dcm"
            if not path.exists():
                self._write(path, data)
        return path

    def _write(self, path: Path, data: bytes) -> None:
        """Write under a hidden name, to the disk itself, then rename; leave nothing half."""
        fresh = path.with_name(f".{path.name}.{os.getpid()}-{next(self._numbers)}.part")
        try:
            with fresh.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
            _sync_folder(path.parent)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise


def _sync_folder(folder: Path) -> None:
    """Bring a new name to the disk, where folders can be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def serve(receiver: Receiver) -> None:
    """Receive until SIGTERM or SIGINT, then stop in an orderly way."""
    told_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_stop.set())
    receiver.start()
    while not told_to_stop.wait(0.5):
        pass
    receiver.stop()


def tell_line(step: str, **facts: Any) -> None:
    """Say what happened as one line of JSON; names and ids of patients never come here."""
    print(json.dumps({"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "step": step} | facts),
          flush=True)  # fmt: skip
