"""MLflow's scoring server: ``POST .../invocations`` with a frame as JSON; as ``mlflow models serve`` speaks it. Only ``http`` uses this."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pyarrow as pa

from assay.errors import PredictionError
from assay.model._httpx import Client
from assay.model.address import Address
from assay.model.answer import Answer
from assay.model.format import Options
from assay.model.predictor import Predictor
from assay.model.reply import foretold, rows, spoken
from assay.model.signature import Signature

__all__ = ["OPTIONS", "load"]

OPTIONS: frozenset[str] = frozenset()
ROWS = 5_000   # in one request


def load(client: Client, address: Address, options: Options) -> Predictor:
    """Return the model of a scoring server, which says nothing of itself but the version of MLflow."""
    signature = foretold(options, why="MLflow's server does not tell")
    parts = urlsplit(client.url)
    client.get(f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/invocations')}/ping")   # whether anybody is there
    return Predictor(options.name, signature, address.digest("mlflow"), _Respond(client, signature), unheard=options.scores is None)


class _Respond:
    def __init__(self, client: Client, signature: Signature):
        self.client, self.signature = client, signature

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        size = self.client.batch or ROWS
        parts = [batch.slice(at, size) for at in range(0, batch.num_rows, size)]
        said = [each for part in self.client.each(self._asked, parts) for each in part]
        return spoken(said, self.signature, batch.num_rows)

    def _asked(self, part: pa.RecordBatch) -> list[object]:
        content = {"dataframe_split": {"columns": part.schema.names, "data": rows(part)}}
        body, _ = self.client.post(json.dumps(content).encode(), {"Content-Type": "application/json"})
        try:
            found = json.loads(body)
            said = found["predictions"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise PredictionError("the server's answer holds no 'predictions'", where=self.client.where,
                                  expected="MLflow's JSON") from error
        if not isinstance(said, list) or len(said) != part.num_rows:
            raise PredictionError(f"the server answered for {len(said) if isinstance(said, list) else 'no'} rows and was asked for "
                                  f"{part.num_rows}", where=self.client.where, expected="one answer a row, in order")
        return said
