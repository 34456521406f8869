"""Tables of pandas, polars and pyarrow as Arrow IPC files, where the round trip is exact.

One record batch of combined columns with unified dictionaries: equal tables give equal bytes,
however they were sliced, laid out or appended to, and each column is one run of bytes on reading.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from jupyter_mlpipe.store.encoding import Codec, Encoding, Sink
from jupyter_mlpipe.store.layout import canonical, one_chunk
from jupyter_mlpipe.store.mapping import MAPPED_BYTES

_KEY = b"mlpipe"


def encode(value: Any, namespace: Mapping[str, object]) -> Encoding | None:
    library = str(type(value).__module__).partition(".")[0]
    if library == "pandas":
        return _encode_pandas(value)
    if library == "polars":
        return _encode_polars(value)
    return _encode_table(value)


def _encode_pandas(value: Any) -> Encoding | None:
    # Only where the value itself is of pandas: nothing else may load it.
    from jupyter_mlpipe.store import frames
    from jupyter_mlpipe.store.columns import InexactError

    if not frames.is_frame(value):
        return None
    try:
        spec, names, columns = frames.pack_frame(value)
    except InexactError:
        return None
    schema = pa.schema([pa.field(name, column.type) for name, column in zip(names, columns, strict=True)])
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    return _encoding(batch, schema, spec, frames.shape_of(value))


def _encode_polars(value: Any) -> Encoding | None:
    polars = sys.modules["polars"]
    if type(value) is polars.Series:
        # A table gives a column without a name one of its own.
        spec, table = {"kind": "polars.series", "name": value.name}, value.rename("").to_frame()
        shape = f"{value.dtype}[{len(value):,}]"
    elif type(value) is polars.DataFrame:
        spec, table, shape = {"kind": "polars.frame"}, value, f"{value.height:,} × {value.width:,}"
    else:
        return None
    if not table.width:
        return None
    # The newest layout of strings is views into buffers, which depend on how they came about.
    oldest = polars.CompatLevel.oldest()
    try:
        schema = polars.from_arrow(table.clear().to_arrow(compat_level=oldest)).schema
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException, pa.ArrowException):
        return None
    # Others come back as something else: objects as their addresses.
    if schema != table.schema:
        return None
    return _from_table(table.rechunk().to_arrow(compat_level=oldest), spec, shape)


def _encode_table(value: Any) -> Encoding | None:
    if type(value) is not pa.Table or _KEY in (value.schema.metadata or {}):
        return None
    if not value.num_columns:
        # A batch without columns has no length.
        return _from_table(
            pa.table({"": pa.nulls(value.num_rows)}, metadata=value.schema.metadata),
            {"kind": "table", "empty": True},
            f"{value.num_rows:,} × 0",
        )
    if any(isinstance(field.type, pa.BaseExtensionType) for field in value.schema):
        return None
    return _from_table(value, {"kind": "table"}, f"{value.num_rows:,} × {value.num_columns:,}")


def _from_table(table: Any, spec: dict[str, Any], shape: str) -> Encoding | None:
    try:
        table = table.unify_dictionaries()
        columns = [canonical(one_chunk(column)) for column in table.columns]
    except pa.ArrowException:
        return None
    batch = pa.RecordBatch.from_arrays(columns, schema=table.schema)
    return _encoding(batch, table.schema, spec, shape)


def _encoding(batch: Any, schema: Any, spec: dict[str, Any], shape: str) -> Encoding:
    described = json.dumps(spec, separators=(",", ":")).encode()
    schema = schema.with_metadata({**(schema.metadata or {}), _KEY: described})

    def write(out: Sink) -> None:
        with pa.ipc.new_file(pa.PythonFile(out, mode="w"), schema) as writer:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))

    return Encoding(write, shape, batch.nbytes + len(described))


def decode(view: memoryview, namespace: dict[str, Any] | None) -> Any:
    table = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(view))).read_all()
    metadata = dict(table.schema.metadata)
    spec = json.loads(metadata.pop(_KEY))
    kind = spec["kind"]
    if kind in ("frame", "series"):
        from jupyter_mlpipe.store import frames

        own = view if not view.readonly and view.nbytes >= MAPPED_BYTES else None
        return frames.unpack_frame(spec, [_only_chunk(column) for column in table.columns], own)
    table = table.replace_schema_metadata(metadata or None)
    if kind == "table":
        return table.select([]) if spec.get("empty") else table
    polars = importlib.import_module("polars")
    frame = polars.from_arrow(table)
    return frame.to_series().alias(spec["name"]) if kind == "polars.series" else frame


def _only_chunk(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else pa.array([], type=column.type)


CODEC = Codec("arrow", 1, encode, decode)
