//! Tables on disk: Parquet, CSV and Arrow.
