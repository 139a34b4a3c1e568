"""The process that workers are forked from. It has loaded the models and stays as it is: one thread, no
forward ever computed, nothing that a fork could catch half done. So its children share its memory, page
by page until they write, and a fork is safe at any time, which it is not in a server full of threads.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence

from app.pipelines import Pipelines
from app.settings import Settings
from app.workers.process import Worker

log = logging.getLogger(__name__)

MESSAGE = 4096  # bytes, of the longest request


class Zygote:
    """The server's side of it."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    @classmethod
    def start(
        cls, settings: Settings, pipelines: Pipelines, inherited: Sequence[socket.socket] = ()
    ) -> Zygote:
        """Call it before there is any other thread, with the pipelines constructed. ``settings``: of one
        worker; ``inherited``: open sockets that are not for the children."""
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        gc.freeze()  # a collection would touch every page and so copy it
        if os.fork() == 0:
            try:
                for one in (ours, *inherited):
                    one.close()
                _serve(theirs, settings, pipelines)
            finally:
                os._exit(0)
        gc.unfreeze()
        theirs.close()
        return cls(ours)

    def fork(self, channel: socket.socket, ids: Sequence[str]) -> int:
        """A new worker for the pipelines ``ids`` that speaks through ``channel``. -> its process id.
        Raises OSError when the zygote is gone."""
        socket.send_fds(self._channel, [json.dumps(list(ids)).encode()], [channel.fileno()])
        answer = self._channel.recv(MESSAGE)
        if not answer:
            raise ConnectionError("the process that workers come from has ended")
        return int(answer)

    def close(self) -> None:
        """Lets it end."""
        self._channel.close()


def _serve(channel: socket.socket, settings: Settings, pipelines: Pipelines) -> None:
    """Forks until the server has gone. Signals are for the server: whoever stops it stops this too."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, _bury)
    while True:
        request, fds, _, _ = socket.recv_fds(channel, MESSAGE, 1)
        if not request:
            return
        pid = os.fork()
        if pid == 0:
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                channel.close()
                _work(socket.socket(fileno=fds[0]), settings, pipelines, json.loads(request))
            finally:
                os._exit(0)
        os.close(fds[0])
        channel.send(str(pid).encode())


def _work(
    channel: socket.socket, settings: Settings, pipelines: Pipelines, ids: Sequence[str]
) -> None:
    with contextlib.suppress(ConnectionError):  # the server has gone
        try:
            Worker(channel, settings, pipelines, ids).serve()
        except ConnectionError:
            raise
        except Exception:
            log.exception("a worker failed")


def _bury(*_: object) -> None:
    """Says how a worker ended. Its successor is the server's affair."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if code < 0:
                log.error("worker %d was ended by %s", pid, signal.Signals(-code).name)
