"""Parquet files as pyarrow writes them. Run: python make.py (pyarrow 26)."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

N = 200
rows = range(N)
image = pa.array(
    [{"bytes": None if i % 17 == 5 else f"bytes {i}".encode(), "path": f"{i}.png"} for i in rows],
    pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
)
table = pa.table({
    "text": pa.array([None if i % 9 == 4 else f"sentence {i % 13}" for i in rows]),
    "label": pa.array([i % 4 - 1 for i in rows], pa.int64()),
    "small": pa.array([i * 3 for i in rows], pa.int32()),
    "image": image,
    "list": pa.array([[i] for i in rows]),
    "number": pa.array([float(i) for i in rows]),
})
here = Path(__file__).parent
for name, options in {
    "snappy": {},
    "zstd": {"compression": "zstd", "row_group_size": N},
    "plain": {"compression": "none", "use_dictionary": False},
    "pages-v2": {"data_page_version": "2.0", "data_page_size": 256, "write_page_checksum": True},
    "gzip": {"compression": "gzip"},
    "delta": {"use_dictionary": False, "column_encoding": {"text": "DELTA_LENGTH_BYTE_ARRAY"}},
}.items():
    pq.write_table(table, here / f"{name}.parquet", **{"row_group_size": 70, **options})

premises = ["A man runs.", "Two dogs play\tin snow.", "Une fille lit \u00e0 table.", "A man runs."]
hypotheses = ["Someone moves.", "The cats sleep.", "Elle mange.", "He is late."]
pq.write_table(
    pa.table({"premise": premises, "hypothesis": hypotheses, "label": pa.array([0, 2, -1, 1], pa.int64())}),
    here / "snli.parquet",
)
