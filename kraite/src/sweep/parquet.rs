//! The rows of a sweep as Apache Parquet, for pandas, polars and DuckDB: what is counted as whole numbers, what is paid as
//! floating ones, and a setting as numbers where all its values are some.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use super::table::Rows;
use crate::exit::{Exit, Failed};

/// Rows that are written in one piece.
const AT_A_TIME: usize = 100_000;

/// Of what kind the values of a column are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Count,
    Number,
    Text,
}

impl Kind {
    fn of(name: &str, is_setting: bool, cells: &[String]) -> Self {
        match name {
            "grid" | "note" => Self::Text,
            "run" | "positions" | "targets" | "stops" | "other_closes" | "rungs" | "refused" => Self::Count,
            _ if !is_setting || cells.iter().all(|cell| cell.parse::<f64>().is_ok()) => Self::Number,
            _ => Self::Text,
        }
    }

    /// Its column in the language of schemas.
    fn column(self, name: &str) -> String {
        match self {
            Self::Count => format!("required int64 {name};"),
            Self::Number => format!("required double {name};"),
            Self::Text => format!("required binary {name} (UTF8);"),
        }
    }
}

/// Writes all rows; what had this name before is gone.
pub(super) fn write(path: &Path, rows: &Rows) -> Result<(), Failed> {
    let fail = |error: ParquetError| Failed::new(Exit::Failure, format!("{}: {error}", path.display()));
    crate::write_whole(path, encoded(rows).map_err(fail)?)
}

fn encoded(rows: &Rows) -> Result<Vec<u8>, ParquetError> {
    let header = rows.header();
    let names: Vec<&str> = header.trim_end().split(',').collect();
    let mut columns = vec![Vec::new(); names.len()];
    for row in rows.rows.values() {
        let line = row.line(&rows.grid);
        for (column, cell) in columns.iter_mut().zip(line.trim_end_matches('\n').split(',')) {
            column.push(cell.to_owned());
        }
    }
    let kinds: Vec<Kind> = names
        .iter()
        .zip(&columns)
        .map(|(name, cells)| Kind::of(name, rows.keys.iter().any(|key| key == name), cells))
        .collect();
    let fields: String = kinds.iter().zip(&names).map(|(kind, name)| kind.column(name)).collect();
    let schema = Arc::new(parse_message_type(&format!("message sweep {{ {fields} }}"))?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    for from in (0..rows.rows.len()).step_by(AT_A_TIME) {
        let mut group = file.next_row_group()?;
        for (kind, cells) in kinds.iter().zip(&columns) {
            let Some(mut column) = group.next_column()? else { break };
            let cells: Vec<&String> = cells.iter().skip(from).take(AT_A_TIME).collect();
            match kind {
                Kind::Count => put::<Int64Type>(&mut column, &cells, |cell| cell.parse().ok())?,
                Kind::Number => put::<DoubleType>(&mut column, &cells, |cell| cell.parse().ok())?,
                Kind::Text => put::<ByteArrayType>(&mut column, &cells, |cell| Some(ByteArray::from(cell)))?,
            }
            column.close()?;
        }
        group.close()?;
    }
    file.into_inner()
}

fn put<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: &[&String],
    value: impl Fn(&str) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let values = cells.iter().map(|cell| value(cell)).collect::<Option<Vec<_>>>();
    let values = values.ok_or_else(|| ParquetError::General("a number cannot be read".into()))?;
    column.typed::<T>().write_batch(&values, None, None).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    use super::super::table::Row;
    use super::*;

    #[test]
    fn a_sweep_as_parquet_has_every_cell_of_its_rows() {
        let keys = vec!["direction".to_owned(), "gap".to_owned()];
        let mut rows = Rows::new("0123-3".into(), keys, 2);
        for (run, gap) in ["1.5", "3", "8.50"].into_iter().enumerate() {
            let row = Row::refused(run, vec!["long".into(), gap.into()], "no margin opens this ladder", 2);
            rows.rows.insert(run, row);
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&encoded(&rows).unwrap()).unwrap();
        let read = SerializedFileReader::new(file).unwrap();
        let told: Vec<String> = read.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(told.len(), 3);
        let begins = r#"{grid: "0123-3", run: 2, direction: "long", gap: 8.5, pnl: 0E0, max_drawdown: 0E0, fees: 0E0"#;
        let ends = r#"refused: 0, note: "no margin opens this ladder", pnl_1: 0E0, pnl_2: 0E0}"#;
        assert!(told[2].starts_with(begins) && told[2].ends_with(ends), "{}", told[2]);
    }
}
