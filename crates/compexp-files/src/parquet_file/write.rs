//! The writer: a table of typed columns, in one row group, compressed by snappy.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::Values;
use crate::{AtomicFile, Error, Result};

/// Writes a file with these columns, whole or not at all. Columns `a.b` and `a.c` that follow each other become one column `a`
/// of records.
///
/// # Errors
/// [`Error::Io`]; [`Error::Mismatch`] if the columns are of unequal lengths.
pub fn write_parquet(path: &Path, columns: &[(String, Values)]) -> Result<()> {
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    if let Some((name, values)) = columns.iter().find(|(_, values)| values.len() != rows) {
        return Err(Error::mismatch(format!("values of the column `{name}`"), values.len(), rows));
    }
    let mut file = AtomicFile::create(path)?;
    write(&mut file, columns).map_err(|e| Error::io("write", path)(std::io::Error::other(e)))?;
    file.commit()
}

fn write(file: &mut AtomicFile, columns: &[(String, Values)]) -> Result<(), ParquetError> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(file, schema(columns)?, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (_, values) in columns {
        let Some(column) = group.next_column()? else { break };
        match values {
            Values::Text(values) => append::<ByteArrayType, _>(column, values, |text| text.as_str().into())?,
            Values::Bytes(values) => append::<ByteArrayType, _>(column, values, |v| ByteArray::from(v.clone()))?,
            Values::Int(values) => append::<Int64Type, _>(column, values, |v| *v)?,
            Values::Float(values) => append::<DoubleType, _>(column, values, |v| *v)?,
        }
    }
    group.close()?;
    writer.close()?;
    Ok(())
}

fn append<T: DataType, V>(
    mut column: SerializedColumnWriter<'_>,
    values: &[Option<V>],
    to: impl Fn(&V) -> T::T,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.iter().flatten().map(to).collect();
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()
}

/// The types of the columns.
fn schema(columns: &[(String, Values)]) -> Result<TypePtr, ParquetError> {
    let mut fields: Vec<TypePtr> = Vec::new();
    let mut record: Option<(&str, Vec<TypePtr>)> = None;
    for (name, values) in columns {
        let (outer, name) = name.split_once('.').map_or((None, name.as_str()), |(outer, name)| (Some(outer), name));
        let field = leaf(name, values)?;
        if record.as_ref().map(|(outer, _)| *outer) != outer {
            fields.extend(record.take().map(group).transpose()?);
            record = outer.map(|outer| (outer, Vec::new()));
        }
        match &mut record {
            Some((_, within)) => within.push(field),
            None => fields.push(field),
        }
    }
    fields.extend(record.map(group).transpose()?);
    Ok(Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?))
}

/// A record that is always there.
fn group((name, fields): (&str, Vec<TypePtr>)) -> Result<TypePtr, ParquetError> {
    let group = Type::group_type_builder(name).with_repetition(Repetition::REQUIRED).with_fields(fields);
    Ok(Arc::new(group.build()?))
}

fn leaf(name: &str, values: &Values) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match values {
        Values::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Values::Bytes(_) => (Physical::BYTE_ARRAY, None),
        Values::Int(_) => (Physical::INT64, None),
        Values::Float(_) => (Physical::DOUBLE, None),
    };
    let leaf = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    Ok(Arc::new(leaf.with_logical_type(logical).build()?))
}
