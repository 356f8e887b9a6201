//! Klines from Apache Parquet, as pandas, polars and DuckDB write them: columns with the names of the archive's own.

use std::fs::File;
use std::io::Read as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use parquet::basic::{LogicalType, TimeUnit, TimestampType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

use super::DataError;

/// In the order of a line.
const NAMES: [&str; 7] = ["open_time", "open", "high", "low", "close", "volume", "close_time"];
const MAGIC: [u8; 4] = *b"PAR1";

/// Rows of a file, each made a line of text.
pub(super) struct Table {
    path: PathBuf,
    rows: RowIter<'static>,
    /// Where in a row each column is, and how many of its units a millisecond has.
    columns: [(usize, i64); NAMES.len()],
    number: u64,
}

impl Table {
    /// `None` for a file of another kind.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, DataError> {
        let unreadable = |reason: String| DataError::Unreadable { path: path.to_owned(), reason };
        // What is no file is told by whoever reads text.
        let Some(mut file) = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|kind| kind.is_file()))
        else {
            return Ok(None);
        };
        let mut magic = [0; MAGIC.len()];
        if file.read_exact(&mut magic).is_err() || magic != MAGIC {
            return Ok(None);
        }
        let file = SerializedFileReader::new(file)
            .map_err(|error| unreadable(format!("is no whole Parquet file: {error} (a download that was cut off?)")))?;
        let schema = file.metadata().file_metadata().schema_descr();
        let place = |name: &str| schema.columns().iter().position(|column| column.path().parts() == [name]);
        let missing: Vec<&str> = NAMES.into_iter().filter(|name| place(name).is_none()).collect();
        if !missing.is_empty() {
            return Err(unreadable(format!("has no column {}", missing.join(", "))));
        }
        // In a projection columns keep the order of the file.
        let mut places = NAMES.map(|name| place(name).unwrap_or_default());
        let fields = schema.root_schema().get_fields();
        let wanted = fields.iter().filter(|field| NAMES.contains(&field.name())).cloned().collect::<Vec<_>>();
        let wanted = Type::group_type_builder(schema.root_schema().name()).with_fields(wanted).build();
        let wanted = wanted.map_err(|error| unreadable(error.to_string()))?;
        let units = places.map(|place| per_milli(schema.column(place).logical_type_ref()));
        let mut sorted = places;
        sorted.sort_unstable();
        for place in &mut places {
            *place = sorted.iter().position(|other| other == place).unwrap_or_default();
        }
        let mut columns = [(0, 1); NAMES.len()];
        for (column, pair) in columns.iter_mut().zip(places.into_iter().zip(units)) {
            *column = pair;
        }
        let rows = RowIter::from_file_into(Box::new(file)).project(Some(wanted));
        let rows = rows.map_err(|error| unreadable(format!("cannot be read: {error}")))?;
        Ok(Some(Self { path: path.to_owned(), rows, columns, number: 0 }))
    }

    /// The next row, as a line of the archive would say it; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<String>, DataError> {
        self.number += 1;
        // On some damage the reader panics where it should err.
        let row = match std::panic::catch_unwind(AssertUnwindSafe(|| self.rows.next())) {
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(self.error(format!("cannot be read: {error}"))),
            Ok(Some(Ok(row))) => row,
            Err(_) => return Err(self.error("cannot be read: the file is damaged")),
        };
        let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        let mut line = String::new();
        for (name, (place, unit)) in NAMES.into_iter().zip(self.columns) {
            let text = fields.get(place).and_then(|field| text(field, unit));
            let text = text.ok_or_else(|| self.error(format!("{name} is no number")))?;
            if !line.is_empty() {
                line.push(',');
            }
            line += &text;
        }
        Ok(Some(line))
    }

    pub(super) fn error(&self, reason: impl ToString) -> DataError {
        DataError::Row { path: self.path.clone(), row: self.number, reason: reason.to_string() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }
}

/// How many units of a column a millisecond has.
const fn per_milli(kind: Option<&LogicalType>) -> i64 {
    match kind {
        Some(LogicalType::Timestamp(TimestampType { unit: TimeUnit::MICROS, .. })) => 1_000,
        Some(LogicalType::Timestamp(TimestampType { unit: TimeUnit::NANOS, .. })) => 1_000_000,
        _ => 1,
    }
}

/// A number as it would be written: of a floating one, the shortest that is it.
fn text(field: &Field, unit: i64) -> Option<String> {
    Some(match field {
        Field::Int(value) => value.to_string(),
        Field::UInt(value) => value.to_string(),
        Field::ULong(value) => value.to_string(),
        Field::Long(value) | Field::TimestampMillis(value) | Field::TimestampMicros(value) => {
            value.div_euclid(unit).to_string()
        }
        Field::Float(value) => value.to_string(),
        Field::Double(value) => value.to_string(),
        Field::Decimal(value) => decimal(value.data(), value.scale())?,
        Field::Str(value) => value.clone(),
        _ => return None,
    })
}

/// A number in two's complement, the highest byte first, so many of its digits behind the point.
fn decimal(bytes: &[u8], scale: i32) -> Option<String> {
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    let from = wide.len().checked_sub(bytes.len())?;
    wide.get_mut(from..)?.copy_from_slice(bytes);
    let units = i128::from_be_bytes(wide);
    let scale = usize::try_from(scale).ok()?;
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, behind) = digits.split_at_checked(digits.len() - scale)?;
    let sign = if units < 0 { "-" } else { "" };
    Some(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{behind}") })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::basic::{Compression, ZstdLevel};
    use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::super::{Bar, Gaps, Span, read_klines};
    use super::*;

    const BARS: i64 = 3_000;

    /// Writes one column after the other, in groups of 1,000 rows.
    struct Columns<'a> {
        path: &'a Path,
        schema: &'a str,
        compression: Compression,
    }

    /// The values of a column by the number of the row.
    enum Values {
        Long(fn(i64) -> i64),
        Double(fn(i64) -> f64),
        Text(fn(i64) -> String),
        Fixed(fn(i64) -> i64),
    }

    impl Columns<'_> {
        fn write(&self, columns: &[Values]) {
            let schema = Arc::new(parse_message_type(self.schema).unwrap());
            let properties = WriterProperties::builder().set_compression(self.compression).build();
            let file = File::create(self.path).unwrap();
            let mut file = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
            for from in (0..BARS).step_by(1_000) {
                let mut group = file.next_row_group().unwrap();
                for values in columns {
                    let mut column = group.next_column().unwrap().unwrap();
                    let rows = from..(from + 1_000).min(BARS);
                    fn put<T: DataType>(
                        column: &mut parquet::file::writer::SerializedColumnWriter<'_>,
                        values: Vec<T::T>,
                    ) {
                        column.typed::<T>().write_batch(&values, None, None).unwrap();
                    }
                    match values {
                        Values::Long(of) => put::<Int64Type>(&mut column, rows.map(of).collect()),
                        Values::Double(of) => put::<DoubleType>(&mut column, rows.map(of).collect()),
                        Values::Text(of) => {
                            put::<ByteArrayType>(&mut column, rows.map(|n| ByteArray::from(of(n).as_str())).collect());
                        }
                        Values::Fixed(of) => {
                            let bytes = |n| ByteArray::from(of(n).to_be_bytes().to_vec()).into();
                            put::<FixedLenByteArrayType>(&mut column, rows.map(bytes).collect());
                        }
                    }
                    column.close().unwrap();
                }
                group.close().unwrap();
            }
            file.close().unwrap();
        }
    }

    const BEGIN: i64 = 1_740_000_000_000;

    fn opened(n: i64) -> i64 {
        BEGIN + n * 60_000
    }

    fn cents(n: i64) -> i64 {
        15_000 + (n * 7) % 300
    }

    fn close(n: i64) -> f64 {
        f64::from(i32::try_from(cents(n)).unwrap()) / 100.0
    }

    fn written(n: i64) -> String {
        format!("{}.{:02}", cents(n) / 100, cents(n) % 100)
    }

    fn expected() -> Vec<Bar> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bars.csv");
        let line = |n| {
            let price = written(n);
            format!("{},{price},{},{price},{price},1.5,{}\n", opened(n), 160, opened(n) + 59_999)
        };
        std::fs::write(&path, (0..BARS).map(line).collect::<String>()).unwrap();
        read_klines(&[path], Gaps::Refuse, Span::default(), None).unwrap().0
    }

    #[test]
    fn klines_of_a_parquet_file_are_those_of_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        let read =
            |path: &Path| read_klines(&[path.to_owned()], Gaps::Refuse, Span::default(), None).map(|(bars, _)| bars);
        let floating = folder.path().join("floating.parquet");
        // As pandas writes it, with more columns, and others in between.
        let schema = "message schema { required int64 open_time; required int64 count; required double open;
            required double high; required double low; required double close; required double volume;
            required int64 close_time (TIMESTAMP(MILLIS, true)); required binary note (UTF8); }";
        Columns { path: &floating, schema, compression: Compression::SNAPPY }.write(&[
            Values::Long(opened),
            Values::Long(|n| n),
            Values::Double(close),
            Values::Double(|_| 160.0),
            Values::Double(close),
            Values::Double(close),
            Values::Double(|_| 1.5),
            Values::Long(|n| opened(n) + 59_999),
            Values::Text(|n| n.to_string()),
        ]);
        assert_eq!(read(&floating).unwrap(), expected());

        let exact = folder.path().join("exact.parquet");
        let schema = "message schema { required int64 close_time (TIMESTAMP(NANOS, true)); required binary low (UTF8);
            required fixed_len_byte_array(8) open (DECIMAL(18, 2)); required int64 high (DECIMAL(18, 4));
            required binary close (UTF8); required binary volume (UTF8);
            required int64 open_time (TIMESTAMP(MICROS, false)); }";
        Columns { path: &exact, schema, compression: Compression::ZSTD(ZstdLevel::default()) }.write(&[
            Values::Long(|n| (opened(n) + 59_999) * 1_000_000 + 999_999),
            Values::Text(written),
            Values::Fixed(cents),
            Values::Long(|_| 1_600_000),
            Values::Text(written),
            Values::Text(|_| "1.50".into()),
            Values::Long(|n| opened(n) * 1_000),
        ]);
        assert_eq!(read(&exact).unwrap(), expected());

        let whole = std::fs::read(&floating).unwrap();
        let cut = folder.path().join("cut.parquet");
        std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
        let refusal = read(&cut).unwrap_err().to_string();
        assert!(refusal.contains("cut.parquet: is no whole Parquet file"), "{refusal}");
        // What is inside is damaged: it is said where, or it is no bar.
        let mut damaged = whole;
        for byte in &mut damaged[400..3_000] {
            *byte = !*byte;
        }
        let broken = folder.path().join("broken.parquet");
        std::fs::write(&broken, damaged).unwrap();
        let refusal = read(&broken).unwrap_err().to_string();
        assert!(refusal.contains("broken.parquet, row "), "{refusal}");

        // Wherever one byte is another one, nothing panics; one of these in the footer panics in the reader itself.
        let sound = std::fs::read(&exact).unwrap();
        let footer = sound.len() - 1_500..sound.len();
        for place in (4..footer.start).step_by(97).chain(footer.step_by(11)) {
            let mut bytes = sound.clone();
            bytes[place] = !bytes[place];
            std::fs::write(&broken, bytes).unwrap();
            let _ = read(&broken);
        }

        let short = folder.path().join("short.parquet");
        let schema = "message schema { required int64 open_time; required double open; }";
        Columns { path: &short, schema, compression: Compression::UNCOMPRESSED }
            .write(&[Values::Long(opened), Values::Double(close)]);
        let refusal = read(&short).unwrap_err().to_string();
        assert!(refusal.ends_with("has no column high, low, close, volume, close_time"), "{refusal}");

        let empty = folder.path().join("gap.parquet");
        let schema = "message schema { required int64 open_time; required double open; required double high;
            required double low; required double close; optional double volume; required int64 close_time; }";
        let file = File::create(&empty).unwrap();
        let schema = Arc::new(parse_message_type(schema).unwrap());
        SerializedFileWriter::new(file, schema, Arc::default()).unwrap().close().unwrap();
        let refusal = read(&empty).unwrap_err().to_string();
        assert!(refusal.contains("gap.parquet: is empty"), "{refusal}");
    }
}
