//! Parquet files, a row group for each chunk.

use super::fit::{Kind, unscaled};
use super::text::push_value;
use crate::column::batch::{Batch, Column, Value};
use crate::column::logical::LogicalType;
use crate::schema::table::TableSchema;
use parquet::basic::{Compression, LogicalType as Annotation, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};
use std::io::{self, Write};
use std::sync::Arc;

/// Digits of a decimal that 64 bits hold.
const SHORT_DECIMAL: u16 = 18;
/// Bytes of a longer one.
const DECIMAL_BYTES: usize = 16;

/// A file that is being written.
pub(super) struct ParquetFile<'w> {
    writer: SerializedFileWriter<&'w mut (dyn Write + Send)>,
    columns: Vec<(Kind, LogicalType)>,
}

impl<'w> ParquetFile<'w> {
    /// Begins a file with columns of these kinds, one for each of the schema. `about` is kept beside the rows.
    pub(super) fn begin(
        to: &'w mut (dyn Write + Send),
        schema: &TableSchema,
        kinds: &[Kind],
        about: &[(&str, String)],
    ) -> io::Result<ParquetFile<'w>> {
        let columns: Vec<(Kind, LogicalType)> = kinds.iter().copied().zip(schema.logical_types()).collect();
        let keys = about.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()));
        let level = ZstdLevel::try_new(3).map_err(io::Error::other)?;
        let properties = WriterProperties::builder()
            .set_created_by(concat!("intervault ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(level))
            .set_key_value_metadata(Some(keys.collect()))
            .build();
        let fields = schema.columns.iter().zip(kinds).map(|(column, kind)| field(&column.name, *kind));
        let fields = fields.collect::<Result<Vec<TypePtr>>>().map_err(failed)?;
        let root = Type::group_type_builder("schema").with_fields(fields).build().map_err(failed)?;
        let writer = SerializedFileWriter::new(to, Arc::new(root), Arc::new(properties)).map_err(failed)?;
        Ok(ParquetFile { writer, columns })
    }

    /// Writes some rows.
    pub(super) fn rows(&mut self, batch: &Batch, numbers: &[u32]) -> io::Result<()> {
        if numbers.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for ((kind, logical), column) in self.columns.iter().zip(&batch.columns) {
            let Some(mut to) = group.next_column().map_err(failed)? else { break };
            write(&mut to, *kind, *logical, column, numbers).map_err(failed)?;
            to.close().map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(self) -> io::Result<()> {
        self.writer.close().map(|_| ()).map_err(failed)
    }
}

/// What the writer met, as what it is where a medium failed or is full.
fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

fn field(name: &str, kind: Kind) -> Result<TypePtr> {
    let (physical, annotation) = match kind {
        Kind::Int32 => (Physical::INT32, None),
        Kind::Int64 => (Physical::INT64, None),
        Kind::Float => (Physical::FLOAT, None),
        Kind::Double => (Physical::DOUBLE, None),
        Kind::Boolean => (Physical::BOOLEAN, None),
        Kind::Date => (Physical::INT32, Some(Annotation::Date)),
        Kind::Time => (Physical::INT64, Some(Annotation::time(false, TimeUnit::MICROS))),
        Kind::Timestamp { utc } => (Physical::INT64, Some(Annotation::timestamp(utc, TimeUnit::MICROS))),
        Kind::Text => (Physical::BYTE_ARRAY, Some(Annotation::String)),
        Kind::Bytes => (Physical::BYTE_ARRAY, None),
        Kind::Decimal { precision, scale } => {
            let physical = if precision <= SHORT_DECIMAL { Physical::INT64 } else { Physical::FIXED_LEN_BYTE_ARRAY };
            (physical, Some(Annotation::decimal(i32::from(scale), i32::from(precision))))
        }
    };
    let mut builder = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(annotation);
    if let Kind::Decimal { precision, scale } = kind {
        builder = builder.with_precision(i32::from(precision)).with_scale(i32::from(scale));
        if precision > SHORT_DECIMAL {
            builder = builder.with_length(DECIMAL_BYTES as i32);
        }
    }
    builder.build().map(Arc::new)
}

fn write(
    to: &mut SerializedColumnWriter<'_>,
    kind: Kind,
    logical: LogicalType,
    column: &Column,
    numbers: &[u32],
) -> Result<()> {
    let integer = |value: Value<'_>| if let Value::Integer(number) = value { Some(number) } else { None };
    let real = |value: Value<'_>| if let Value::Real(real) = value { Some(real) } else { None };
    match kind {
        Kind::Int32 => put::<Int32Type>(to, column, numbers, |value| i32::try_from(integer(value)?).ok()),
        Kind::Int64 => put::<Int64Type>(to, column, numbers, integer),
        Kind::Float => put::<FloatType>(to, column, numbers, |value| real(value).map(|real| real as f32)),
        Kind::Double => put::<DoubleType>(to, column, numbers, real),
        Kind::Boolean => put::<BoolType>(to, column, numbers, |value| integer(value).map(|number| number != 0)),
        Kind::Date => put::<Int32Type>(to, column, numbers, |value| i32::try_from(kind.civil(value)?).ok()),
        Kind::Time | Kind::Timestamp { .. } => put::<Int64Type>(to, column, numbers, |value| kind.civil(value)),
        Kind::Decimal { precision, scale } if precision <= SHORT_DECIMAL => {
            put::<Int64Type>(to, column, numbers, |value| i64::try_from(unscaled(value, precision, scale)?).ok())
        }
        Kind::Decimal { precision, scale } => put::<FixedLenByteArrayType>(to, column, numbers, |value| {
            let number = unscaled(value, precision, scale)?;
            // The format wants the highest byte first.
            Some(FixedLenByteArray::from(number.to_le_bytes().into_iter().rev().collect::<Vec<u8>>()))
        }),
        Kind::Text | Kind::Bytes => put::<ByteArrayType>(to, column, numbers, |value| {
            let mut text = Vec::new();
            match value {
                Value::Null => return None,
                Value::Blob(blob) => text.extend_from_slice(blob),
                other => push_value(other, logical, &mut text),
            }
            Some(ByteArray::from(text))
        }),
    }
}

/// Writes the values of some rows; `of` gives none for null.
fn put<T: DataType>(
    to: &mut SerializedColumnWriter<'_>,
    column: &Column,
    numbers: &[u32],
    of: impl Fn(Value<'_>) -> Option<T::T>,
) -> Result<()> {
    let (mut values, mut defined) = (Vec::with_capacity(numbers.len()), Vec::with_capacity(numbers.len()));
    for number in numbers {
        let value = column.get(*number as usize);
        let written = of(value);
        if written.is_none() && value != Value::Null {
            return Err(ParquetError::General(
                "a value does not fit the type that was found for its column".to_owned(),
            ));
        }
        defined.push(i16::from(written.is_some()));
        values.extend(written);
    }
    to.typed::<T>().write_batch(&values, Some(&defined), None)?;
    Ok(())
}
