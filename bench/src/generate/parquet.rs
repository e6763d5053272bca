//! Orders as Parquet, in row groups, with the types that a program would give them.

use std::{io::Write, mem, sync::Arc};

use ::parquet::{
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};
use anyhow::Context;
use jiff::civil::{Date, date};

use crate::order::Order;

/// How many records a row group has.
const GROUP_RECORDS: usize = 100_000;

const SCHEMA: &str = "message orders {
    required int64 order_id;
    required binary customer (utf8);
    required binary email (utf8);
    required binary country (utf8);
    required int32 ordered_on (date);
    required int64 shipped_at (timestamp(millis, true));
    required int32 quantity;
    required int64 amount (decimal(12, 2));
    required boolean paid;
    required binary note (utf8);
}";

/// A file that grows by records.
pub(super) struct Parquet<W: Write + Send> {
    out: SerializedFileWriter<W>,
    group: Group,
}

/// The columns of a row group.
#[derive(Default)]
struct Group {
    ids: Vec<i64>,
    customers: Vec<ByteArray>,
    emails: Vec<ByteArray>,
    countries: Vec<ByteArray>,
    days: Vec<i32>,
    moments: Vec<i64>,
    quantities: Vec<i32>,
    amounts: Vec<i64>,
    paid: Vec<bool>,
    notes: Vec<ByteArray>,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(out: W) -> anyhow::Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let out = SerializedFileWriter::new(out, schema, Arc::new(WriterProperties::builder().build()))?;
        Ok(Self { out, group: Group::default() })
    }

    pub(super) fn add(&mut self, order: &Order) -> anyhow::Result<()> {
        let group = &mut self.group;
        let day = date(2026, order.month.cast_signed(), order.day.cast_signed());
        let days = days_since_1970(day)?;
        let (whole, cents) = order.amount;
        group.ids.push(order.id.cast_signed());
        group.customers.push(order.customer().into_bytes().into());
        group.emails.push(order.email().into_bytes().into());
        group.countries.push(order.country.into());
        group.days.push(days);
        let minutes = i64::from(days) * 24 * 60 + i64::from(order.hour) * 60 + i64::from(order.minute);
        group.moments.push(minutes * 60_000);
        group.quantities.push(order.quantity.into());
        group.amounts.push(i64::from(whole) * 100 + i64::from(cents));
        group.paid.push(order.paid);
        group.notes.push(order.note.into());
        if group.ids.len() == GROUP_RECORDS { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> anyhow::Result<()> {
        let group = mem::take(&mut self.group);
        let mut out = self.out.next_row_group()?;
        column::<Int64Type>(&mut out, &group.ids)?;
        column::<ByteArrayType>(&mut out, &group.customers)?;
        column::<ByteArrayType>(&mut out, &group.emails)?;
        column::<ByteArrayType>(&mut out, &group.countries)?;
        column::<Int32Type>(&mut out, &group.days)?;
        column::<Int64Type>(&mut out, &group.moments)?;
        column::<Int32Type>(&mut out, &group.quantities)?;
        column::<Int64Type>(&mut out, &group.amounts)?;
        column::<BoolType>(&mut out, &group.paid)?;
        column::<ByteArrayType>(&mut out, &group.notes)?;
        out.close()?;
        Ok(())
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        if !self.group.ids.is_empty() {
            self.end_group()?;
        }
        self.out.close()?;
        Ok(())
    }
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: &[T::T],
) -> anyhow::Result<()> {
    let mut column = group.next_column()?.context("the schema has no further column")?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()?;
    Ok(())
}

fn days_since_1970(day: Date) -> anyhow::Result<i32> {
    let hours = day.duration_since(date(1970, 1, 1)).as_hours();
    Ok(i32::try_from(hours / 24)?)
}
