//! The formats of the generated files.

use std::fmt;

use clap::ValueEnum;

/// What the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Delimited text.
    Csv,
    /// JSON Lines.
    Jsonl,
    /// Delimited text in gzip.
    #[value(name = "csv.gz")]
    Gzip,
    /// Delimited text in zstd.
    #[value(name = "csv.zst")]
    Zstd,
    /// Parquet, its pages not compressed.
    Parquet,
    /// A sheet of Excel.
    Xlsx,
}

impl Format {
    /// The value of `format` in a pipeline for such files.
    pub(crate) fn in_pipeline(self) -> &'static str {
        match self {
            Self::Csv | Self::Gzip | Self::Zstd => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Xlsx => "sheet",
        }
    }

    /// The most records of a file: a sheet has no more rows.
    pub(crate) fn most_records(self) -> u64 {
        if self == Self::Xlsx { 1_048_575 } else { u64::MAX }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Gzip => "csv.gz",
            Self::Zstd => "csv.zst",
            Self::Parquet => "parquet",
            Self::Xlsx => "xlsx",
        })
    }
}
