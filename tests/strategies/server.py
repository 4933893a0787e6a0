"""A small server of models on this machine, which speaks the protocols of real ones and has a real model behind it.

``serving(model, classes) -> Served``: ``url``; ``asked`` (method, path, headers, body of each request); ``faults``, replies that come first.
"""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Served", "serving"]

LENGTH = "Inference-Header-Content-Length"


class Served:
    def __init__(self, model: Any, columns: list[str], *, binary: bool, tensors: str):
        self.model, self.columns, self.binary, self.tensors = model, columns, binary, tensors
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.faults: list[tuple[int, dict[str, str], bytes] | float] = []
        self.url, self.extra = "", {}
        self.said: Any = None   # what the chat says to a text

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        if path == "/v2":
            return self.json({"name": "test", "extensions": ["binary_tensor_data"] if self.binary else []})
        if path.startswith("/v2/models/flights") and method == "GET":
            return self.json({"name": "flights", "versions": ["3"], "inputs": self.inputs(), "outputs": [
                {"name": "label", "datatype": "BYTES", "shape": [-1]}, {"name": "score", "datatype": "FP64", "shape": [-1, 2]}]})
        if path.endswith("/infer"):
            return self.inferred(headers, body)
        if path == "/ping":
            return 200, {}, b"\n"
        if path == "/invocations":
            said = json.loads(body)["dataframe_split"]
            frame = pd.DataFrame(said["data"], columns=said["columns"])
            return self.json({"predictions": self.model.predict(frame[self.columns]).tolist()})
        if path == "/v1/chat/completions":
            messages = json.loads(body)["messages"]
            return self.json({"choices": [{"message": {"role": "assistant", "content": self.said(messages[-1]["content"])}}]})
        return self.json({"error": "no such model"}, 404)

    def json(self, value: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
        return status, {"Content-Type": "application/json"}, json.dumps(value).encode()

    def inputs(self) -> list[dict[str, Any]]:
        if self.tensors == "matrix":
            return [{"name": "x", "datatype": "FP64", "shape": [-1, len(self.columns)]}]
        return [{"name": name, "datatype": "BYTES" if name == "carrier" else "FP64", "shape": [-1, 1]} for name in self.columns]

    def inferred(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        size = int(headers.get(LENGTH, len(body)))
        head, tail = json.loads(body[:size]), body[size:]
        columns: dict[str, Any] = {}
        for each in head["inputs"]:
            count = each.get("parameters", {}).get("binary_data_size")
            if count is None:
                array = np.array(each["data"], dtype=object if each["datatype"] == "BYTES" else float)
            elif each["datatype"] == "BYTES":
                array = np.array(unpacked(tail[:count]), dtype=object)
            else:
                array = np.frombuffer(tail[:count], np.float64)
            tail = tail[count or 0:]
            columns[each["name"]] = array.reshape(each["shape"])
        frame = (pd.DataFrame(columns["x"], columns=self.columns) if self.tensors == "matrix" else
                 pd.DataFrame({name: each[:, 0] for name, each in columns.items()}))
        score, label = self.model.predict_proba(frame[self.columns]), self.model.predict(frame[self.columns])
        wanted = {each["name"] for each in head.get("outputs", [{"name": "label"}, {"name": "score"}])}
        outputs: list[dict[str, Any]] = []
        data = b""
        if "label" in wanted:
            outputs.append({"name": "label", "datatype": "BYTES", "shape": [len(label)], "data": label.tolist()})
        if "score" in wanted:
            outputs.append({"name": "score", "datatype": "FP64", "shape": list(score.shape)})
            if head.get("parameters", {}).get("binary_data_output"):
                data = np.ascontiguousarray(score).tobytes()
                outputs[-1]["parameters"] = {"binary_data_size": len(data)}
            else:
                outputs[-1]["data"] = score.reshape(-1).tolist()
        text = json.dumps({"model_name": "flights", "outputs": outputs}).encode()
        return 200, {LENGTH: str(len(text))} if data else {}, text + data


def unpacked(data: bytes) -> list[str]:
    found, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        found.append(data[at + 4:at + 4 + size].decode())
        at += 4 + size
    return found


@contextmanager
def serving(model: Any = None, columns: list[str] | None = None, *, binary: bool = False, tensors: str = "matrix") -> Iterator[Served]:
    """Serve until the block ends."""
    served = Served(model, columns or [], binary=binary, tensors=tensors)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            served.asked.append((self.command, self.path, dict(self.headers), body))
            fault = served.faults.pop(0) if served.faults else None
            if isinstance(fault, float):
                time.sleep(fault)
                fault = None
            status, headers, said = fault or served.reply(self.command, self.path.split("?")[0], dict(self.headers), body)
            try:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(said)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)
            except (BrokenPipeError, ConnectionResetError):   # the client has gone
                self.close_connection = True

        do_GET = do_POST = handle_any  # noqa: N815 (names that the standard library calls)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
