//! Decoded values of one column.

use ::parquet::data_type::{ByteArray, FixedLenByteArray, Int96};

use super::value::Raw;

/// Values of one type, in order.
#[derive(Debug, Default)]
pub(super) enum Values {
    #[default]
    None,
    Boolean(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Int96(Vec<Int96>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

macro_rules! each {
    ($values:expr, $vec:ident => $body:expr, $none:expr) => {
        match $values {
            Values::None => $none,
            Values::Boolean($vec) => $body,
            Values::Int32($vec) => $body,
            Values::Int64($vec) => $body,
            Values::Int96($vec) => $body,
            Values::Float($vec) => $body,
            Values::Double($vec) => $body,
            Values::Bytes($vec) => $body,
            Values::Fixed($vec) => $body,
        }
    };
}

impl Values {
    pub(super) fn held_bytes(&self) -> usize {
        each!(self, vec => size_of_val(vec.as_slice()), 0)
    }

    /// The bytes of the values from the one at `start` on, where their length varies.
    pub(super) fn bytes_from(&self, start: usize) -> usize {
        match self {
            Self::Bytes(vec) => vec.iter().skip(start).map(ByteArray::len).sum(),
            Self::Fixed(vec) => vec.iter().skip(start).map(|value| value.len()).sum(),
            _ => 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        each!(self, vec => vec.len(), 0)
    }

    pub(super) fn drain(&mut self, count: usize) {
        each!(self, vec => drop(vec.drain(..count)), ());
    }

    pub(super) fn get(&self, at: usize) -> Option<Raw<'_>> {
        Some(match self {
            Self::None => return None,
            Self::Boolean(vec) => Raw::Boolean(*vec.get(at)?),
            Self::Int32(vec) => Raw::Int32(*vec.get(at)?),
            Self::Int64(vec) => Raw::Int64(*vec.get(at)?),
            Self::Int96(vec) => Raw::Int96(vec.get(at)?),
            Self::Float(vec) => Raw::Float(*vec.get(at)?),
            Self::Double(vec) => Raw::Double(*vec.get(at)?),
            Self::Bytes(vec) => Raw::Bytes(vec.get(at)?),
            Self::Fixed(vec) => Raw::Fixed(vec.get(at)?),
        })
    }
}
