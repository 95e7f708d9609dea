//! Arguments of `export`.

use super::{jobs, request};
use crate::cli::failure::Failure;
use crate::cli::parse::{self, DevicePath};
use crate::schema::range::Request;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// What files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Comma-separated values
    Csv,
    /// Apache Parquet
    #[cfg(feature = "parquet")]
    Parquet,
}

/// Arguments of `export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  All tables of a set into a folder, a file of comma-separated values for each:
    intervault export /backup/monday --to /tmp/monday
  One day of one table, of one ACD, to look at:
    intervault export /backup/monday --tables hsplit --acd 1 \\
        --start 2003-10-23 --stop 2003-10-23 --to - | less -S
  A file that a spreadsheet may open, without formulas in it:
    intervault export /backup/monday --tables synonyms --to synonyms.csv \\
        --spreadsheet

Rows are those of the one set, of an incremental set those that it wrote; a range means rows that stand for any of its time.
Each chunk is proved before its rows go out. Where no catalog of the set can be read, so that nobody knows whether there were
more tables or rows, nothing is written without --partial.

In CSV null is nothing between two commas (in a table of one column an empty line, which some readers pass over), an empty text
is \"\", bytes are \\x and hexadecimal digits, reals may be Infinity, -Infinity and NaN; a text that is spelt so is not told apart
from them. On a terminal control characters are shown as \\u{..}. Built with the feature `parquet`, FILE.parquet or --format
parquet writes Parquet, each column in its declared type if all of its values fit that, else in a wider one, which is said.")]
pub struct ExportArgs {
    /// Where the volumes are: folders, single volumes, tape:PATH, or - for standard input
    #[arg(value_name = "DEVICE", value_parser = parse::device, required = true)]
    pub devices: Vec<DevicePath>,
    /// Where the rows go: a folder, a file whose name ends in .csv or .parquet (one table), or - for standard output
    #[arg(long, value_name = "PATH")]
    pub to: PathBuf,
    /// Format [default: by the ending of the file, else csv]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<ExportFormat>,
    /// Tables [default: all that have rows and no files]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse::table)]
    pub tables: Vec<String>,
    /// One ACD only
    #[arg(long, value_name = "N", value_parser = parse::acd, allow_negative_numbers = true)]
    pub acd: Option<i64>,
    /// First minute of the range, or a day
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// Last minute of the range, or a day
    #[arg(long, value_name = "TIME")]
    pub stop: Option<String>,
    /// The set: its label, its id or the beginning of it, or `newest` [default: the newest, if there is one chain only]
    #[arg(long, value_name = "SET", value_parser = parse::set)]
    pub set: Option<String>,
    /// Put an apostrophe before texts that a spreadsheet would compute (CSV)
    #[arg(long)]
    pub spreadsheet: bool,
    /// Take the rest where parts of the set are missing or damaged
    #[arg(long)]
    pub partial: bool,
    /// Replace files that are there
    #[arg(long)]
    pub overwrite: bool,
    /// Worker threads [default: as the machine has, at most 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
}

/// Where an export goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportTo {
    /// A file for each table in this folder, which is made if it is not there.
    Folder(PathBuf),
    /// The one table in this file.
    File(PathBuf),
    /// The one table to standard output.
    Output,
}

/// What `export` is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOptions {
    /// Where the volumes are.
    pub devices: Vec<DevicePath>,
    /// Where the rows go.
    pub to: ExportTo,
    /// What files are written.
    pub format: ExportFormat,
    /// Tables; all if none is named.
    pub tables: Vec<String>,
    /// One ACD only.
    pub acd: Option<i64>,
    /// The range.
    pub request: Request,
    /// The set's label, or 4 to 32 hexadecimal digits of its id, small letters; or `newest`.
    pub set: Option<String>,
    /// Whether formulas are made harmless.
    pub spreadsheet: bool,
    /// Whether to go on without what cannot be read.
    pub partial: bool,
    /// Whether files are replaced.
    pub overwrite: bool,
    /// Worker threads, from 1.
    pub jobs: usize,
}

impl ExportArgs {
    /// Whether the rows go to standard output.
    #[must_use]
    pub fn is_to_output(&self) -> bool {
        self.to.as_os_str() == "-"
    }

    /// The options.
    ///
    /// # Errors
    /// The stop lies before the start; several tables for one file; a format that this program was not built with.
    pub fn options(&self) -> Result<ExportOptions, Failure> {
        let by_name = of_name(&self.to)?;
        let to = match by_name {
            _ if self.is_to_output() => ExportTo::Output,
            Some(_) if !self.to.is_dir() => ExportTo::File(self.to.clone()),
            _ => ExportTo::Folder(self.to.clone()),
        };
        if !matches!(to, ExportTo::Folder(_)) && self.tables.len() != 1 {
            return Err(
                Failure::usage("one file is for one table").hint("name it with --tables, or a folder with --to")
            );
        }
        let format = self.format.or(by_name).unwrap_or(ExportFormat::Csv);
        if self.spreadsheet && format != ExportFormat::Csv {
            return Err(Failure::usage("--spreadsheet is for CSV"));
        }
        Ok(ExportOptions {
            devices: self.devices.clone(),
            to,
            format,
            tables: self.tables.clone(),
            acd: self.acd,
            request: request(self.start.as_deref(), self.stop.as_deref())?,
            set: self.set.clone(),
            spreadsheet: self.spreadsheet,
            partial: self.partial,
            overwrite: self.overwrite,
            jobs: jobs(self.jobs),
        })
    }
}

/// The format that a file's name ends in.
fn of_name(path: &Path) -> Result<Option<ExportFormat>, Failure> {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    match ending.as_deref() {
        Some("csv") => Ok(Some(ExportFormat::Csv)),
        #[cfg(feature = "parquet")]
        Some("parquet") => Ok(Some(ExportFormat::Parquet)),
        #[cfg(not(feature = "parquet"))]
        Some("parquet") => Err(Failure::usage("this program was built without the feature `parquet`")
            .hint("write .csv, or build it anew: cargo install --path . --features parquet")),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser as _;

    fn read(line: &str) -> Result<ExportOptions, String> {
        let line = ["intervault", "export"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(line) {
            Ok(Cli { command: Command::Export(args), .. }) => args.options().map_err(|failure| failure.message),
            Ok(_) => Err("another command".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn where_rows_go_says_the_form_of_the_path() {
        let to = |line: &str| read(line).map(|options| (options.to, options.format));
        assert_eq!(to("/b --to out"), Ok((ExportTo::Folder("out".into()), ExportFormat::Csv)));
        let file = ExportTo::File("a.CSV".into());
        assert_eq!(to("/b --to a.CSV --tables hsplit"), Ok((file, ExportFormat::Csv)));
        assert_eq!(to("/b --to - --tables hsplit"), Ok((ExportTo::Output, ExportFormat::Csv)));
        #[cfg(feature = "parquet")]
        {
            let file = ExportTo::File("a.parquet".into());
            assert_eq!(to("/b --to a.parquet --tables hsplit"), Ok((file, ExportFormat::Parquet)));
            assert!(read("/b --to a.parquet --tables hsplit --spreadsheet").unwrap_err().contains("is for CSV"));
        }
        assert!(to("/b --to -").unwrap_err().contains("one table"));
        assert!(to("/b --to a.csv --tables hsplit,hagent").unwrap_err().contains("one table"));
        assert!(read("/b").unwrap_err().contains("--to"));
        assert!(read("/b --to x --start 2024-03-02 --stop 2024-03-01").unwrap_err().contains("exchange"));
    }
}
