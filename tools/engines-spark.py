"""Runs the statements of rlmm_sums_sql() in Spark's local mode, on parquet files.

The folder has a folder for each model, with the table as `data.parquet` and the statements as
`1.sql`, `2.sql`, ..; the results go beside them, as `1.parquet`, ..
"""

import sys
from pathlib import Path

from pyspark.sql import SparkSession

session = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.shuffle.partitions", "4")
    .getOrCreate()
)
session.sparkContext.setLogLevel("ERROR")
for model in sorted(Path(sys.argv[1]).iterdir()):
    session.read.parquet(str(model / "data.parquet")).createOrReplaceTempView("rows")
    for statement in sorted(model.glob("*.sql")):
        result = session.sql(statement.read_text())
        result.coalesce(1).write.parquet(str(statement.with_suffix(".parquet")))
session.stop()
