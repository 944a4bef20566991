"""`python -m qcp_sdk.demo.portal`: starts the portal, on this machine only, and a worker beside it."""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import threading
from datetime import timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

HERE = "127.0.0.1"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: addresses may hold tokens."""


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m qcp_sdk.demo.portal", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="8000 by default; 0: any that is free")
    parser.add_argument("--patience", type=float, default=8.0, help="seconds that a verdict takes; 8 by default")
    asked = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "qcp_sdk.demo.portal.settings"
    logging.getLogger("qcp_sdk").setLevel(logging.ERROR)
    import django

    django.setup()
    from django.core.wsgi import get_wsgi_application

    from qcp_sdk.demo.portal.world import begin
    from qcp_sdk.worker import work

    server = make_server(HERE, asked.port, get_wsgi_application(), _Server, _Quiet)
    address, stop = f"http://{HERE}:{server.server_port}", threading.Event()
    with tempfile.TemporaryDirectory(prefix="qcp-portal-") as folder:
        world = begin(Path(folder) / "qcp", address, patience=timedelta(seconds=asked.patience))
        worker = threading.Thread(target=work, args=(world.qcp,), kwargs={"stop": stop})
        worker.start()
        print(f"{address}/  (Ctrl-C ends it, and forgets everything)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            stop.set()
            worker.join()
            server.server_close()


if __name__ == "__main__":
    main()
