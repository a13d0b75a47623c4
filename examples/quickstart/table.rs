//! Reads a table of numbers with a label in the last column.
//!
//! A table is comma-separated text: every line has the same number of columns, all but the last are finite numbers,
//! the last is the label, any text. A first line in which no field is a number is taken for column names. Whatever
//! else is found is an [`Error`] that names the file, the line and the column.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

/// The fewest rows that have ten neighbours each.
pub(crate) const MIN_ROWS: usize = 11;

/// Labelled points.
#[derive(Debug)]
pub(crate) struct Table {
    /// The file they come from.
    pub(crate) path: PathBuf,
    /// Numbers in a row.
    pub(crate) columns: usize,
    /// The numbers, row after row.
    pub(crate) values: Vec<f32>,
    /// The class of each row, an index into `names`.
    pub(crate) classes: Vec<usize>,
    /// The distinct labels, in the order of their value if all are numbers, else alphabetically.
    pub(crate) names: Vec<String>,
}

/// What is wrong with a file. Lines and columns count from 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{}: cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: the file has no rows", path.display())]
    Empty { path: PathBuf },
    #[error(
        "{}, line {line}, column 1: the only column; a row is numbers, then a label, separated by commas",
        path.display()
    )]
    OneColumn { path: PathBuf, line: u64 },
    #[error("{}, line {line}, column {column}: the line ends after {} of {expected} columns", path.display(), column - 1)]
    TooShort { path: PathBuf, line: u64, column: usize, expected: usize },
    #[error("{}, line {line}, column {column}: one column too many, the first row has {expected}", path.display())]
    TooLong { path: PathBuf, line: u64, column: usize, expected: usize },
    #[error("{}, line {line}, column {column}: {text:?} is not a number", path.display())]
    NotANumber { path: PathBuf, line: u64, column: usize, text: String },
    #[error("{}, line {line}, column {column}: {text:?} is not a finite number in single precision", path.display())]
    NotFinite { path: PathBuf, line: u64, column: usize, text: String },
    #[error("{}, line {line}, column {column}: no label in the last column", path.display())]
    NoLabel { path: PathBuf, line: u64, column: usize },
    #[error("{}, line {line}, column {column}: not valid UTF-8", path.display())]
    NotText { path: PathBuf, line: u64, column: usize },
    #[error("{}: {rows} rows, and ten neighbours need at least {MIN_ROWS}", path.display())]
    TooFew { path: PathBuf, rows: usize },
}

impl Table {
    /// How many points there are.
    pub(crate) fn rows(&self) -> usize {
        self.classes.len()
    }

    /// The points with `D` numbers each, the columns beyond the table's own being zero: no distance changes.
    pub(crate) fn points<const D: usize>(&self) -> Vec<[f32; D]> {
        assert!(self.columns <= D, "more columns than components");
        let mut points = vec![[0.0; D]; self.rows()];
        for (point, row) in points.iter_mut().zip(self.values.chunks_exact(self.columns)) {
            point[..self.columns].copy_from_slice(row);
        }
        points
    }

    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
        let mut settings = csv::ReaderBuilder::new();
        let mut reader = settings.has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(&*text);
        let (mut values, mut labels, mut width) = (Vec::new(), Vec::new(), None);
        for (number, record) in reader.records().enumerate() {
            let record = record.map_err(|error| not_text(path, &text, &error))?;
            let line = line_of(&text, record.position());
            let is_header = number == 0 && record.iter().all(|field| field.parse::<f64>().is_err());
            let expected = *width.get_or_insert(record.len());
            if expected < 2 {
                return Err(Error::OneColumn { path: path.into(), line });
            }
            if !is_header {
                let label = read_row(path, line, &record, expected, &mut values)?;
                labels.push(label);
            }
        }
        match (labels.len(), width) {
            (0, _) | (_, None) => Err(Error::Empty { path: path.into() }),
            (rows, _) if rows < MIN_ROWS => Err(Error::TooFew { path: path.into(), rows }),
            (_, Some(width)) => {
                let (classes, names) = number_labels(&labels);
                Ok(Table { path: path.into(), columns: width - 1, values, classes, names })
            }
        }
    }
}

/// Appends the numbers of one line to `values` and returns its label.
fn read_row(
    path: &Path,
    line: u64,
    record: &csv::StringRecord,
    expected: usize,
    values: &mut Vec<f32>,
) -> Result<String, Error> {
    let path = || path.to_path_buf();
    match record.len() {
        found if found < expected => return Err(Error::TooShort { path: path(), line, column: found + 1, expected }),
        found if found > expected => return Err(Error::TooLong { path: path(), line, column: expected + 1, expected }),
        _ => {}
    }
    for (field, column) in record.iter().zip(1..expected) {
        let text = || field.to_owned();
        match field.parse::<f32>() {
            Ok(value) if value.is_finite() => values.push(value),
            Ok(_) => return Err(Error::NotFinite { path: path(), line, column, text: text() }),
            Err(_) => return Err(Error::NotANumber { path: path(), line, column, text: text() }),
        }
    }
    match &record[expected - 1] {
        "" => Err(Error::NoLabel { path: path(), line, column: expected }),
        label => Ok(label.to_owned()),
    }
}

/// The line on which the record at `position` starts: the `csv` crate counts blank lines before a record to it.
fn line_of(text: &[u8], position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 0 };
    let blank = text[position.byte() as usize..].iter().take_while(|&&byte| byte == b'\n' || byte == b'\r');
    position.line() + blank.filter(|&&byte| byte == b'\n').count() as u64
}

/// The only fault that the `csv` crate finds in a file of any column counts: bytes that are no text.
fn not_text(path: &Path, text: &[u8], error: &csv::Error) -> Error {
    let (position, field) = match error.kind() {
        csv::ErrorKind::Utf8 { pos, err } => (pos.as_ref(), err.field()),
        _ => (error.position(), 0),
    };
    Error::NotText { path: path.into(), line: line_of(text, position), column: field + 1 }
}

/// Numbers the distinct labels: the class of each row, and the label of each class.
fn number_labels(labels: &[String]) -> (Vec<usize>, Vec<String>) {
    let mut names: Vec<&String> = labels.iter().collect::<BTreeSet<_>>().into_iter().collect();
    let values: Option<Vec<f64>> = names.iter().map(|name| name.parse().ok()).collect();
    if values.is_some() {
        let value = |name: &String| name.parse().unwrap_or(f64::NAN);
        names.sort_by(|a, b| value(a).total_cmp(&value(b)));
    }
    let class_of: HashMap<&String, usize> = names.iter().zip(0..).map(|(&name, class)| (name, class)).collect();
    (labels.iter().map(|label| class_of[label]).collect(), names.into_iter().cloned().collect())
}
