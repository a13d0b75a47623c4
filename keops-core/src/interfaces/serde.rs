//! How rows, ranges, partial results and the reports of solvers are written and read by the crate `serde`.
//!
//! | type | written as |
//! |---|---|
//! | [`Rows`] | a sequence of rows, each a tuple of D numbers, as `Vec<[T; D]>` is |
//! | [`Ranges`] | a sequence of blocks `[[first i, end i], [first j, end j]]`, for [`Ranges::new`] |
//! | [`Partial`](crate::call::Partial) | a struct whose fields are those of this version of the crate, with numbers as their bits |
//! | [`Report`](crate::solve::Report), [`Stop`](crate::solve::Stop) | a struct with the names of its fields, the name of the variant |
//!
//! Input is checked: a row of another length is an error, and so are blocks for which [`Ranges::new`] returns an error, and a partial
//! result of another call or of other sizes than it says.
//! Ranges that were written and read may consist of other blocks than before, but of the same pairs.
//!
//! ```
//! use keops::{Ranges, Rows};
//!
//! let near = Ranges::new([(0..3, 0..2), (3..5, 1..4)])?;
//! let text = serde_json::to_string(&near)?;
//! assert_eq!(text, "[[[0,3],[0,2]],[[3,5],[1,4]]]");
//! assert_eq!(serde_json::from_str::<Ranges>(&text)?, near);
//! assert!(serde_json::from_str::<Ranges>("[[[3,0],[0,2]]]").is_err());
//!
//! let rows: Rows<f32, 2> = serde_json::from_str("[[0.0, 1.0], [2.0, 3.0]]")?;
//! assert_eq!(rows[1], [2.0, 3.0]);
//! assert!(serde_json::from_str::<Rows<f32, 3>>("[[0.0, 1.0], [2.0, 3.0]]").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
    ser::SerializeTuple,
};

use crate::data::{Ranges, Rows};

/// One row. serde has no arrays of any length.
struct Row<R>(R);

impl<T: Serialize, const D: usize> Serialize for Row<&[T; D]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_tuple(D)?;
        self.0.iter().try_for_each(|number| row.serialize_element(number))?;
        row.end()
    }
}

impl<'de, T: Deserialize<'de>, const D: usize> Deserialize<'de> for Row<[T; D]> {
    fn deserialize<S: Deserializer<'de>>(deserializer: S) -> Result<Self, S::Error> {
        deserializer.deserialize_tuple(D, RowVisitor(PhantomData))
    }
}

/// Reads a row of `D` numbers.
struct RowVisitor<T, const D: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const D: usize> Visitor<'de> for RowVisitor<T, D> {
    type Value = Row<[T; D]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of {D} numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Self::Value, A::Error> {
        let mut row = Vec::with_capacity(D);
        while row.len() < D {
            match numbers.next_element()? {
                Some(number) => row.push(number),
                None => return Err(A::Error::invalid_length(row.len(), &self)),
            }
        }
        row.try_into().map(Row).map_err(|row: Vec<T>| A::Error::invalid_length(row.len(), &self))
    }
}

impl<T: Serialize, const D: usize> Serialize for Rows<T, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Row))
    }
}

impl<'de, T: Deserialize<'de>, const D: usize> Deserialize<'de> for Rows<T, D> {
    fn deserialize<S: Deserializer<'de>>(deserializer: S) -> Result<Self, S::Error> {
        deserializer.deserialize_seq(RowsVisitor(PhantomData))
    }
}

/// Reads rows into the memory of the result, without a copy.
struct RowsVisitor<T, const D: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const D: usize> Visitor<'de> for RowsVisitor<T, D> {
    type Value = Rows<T, D>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rows of {D} numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
        // No memory is reserved for the length that the input states, because that may be wrong.
        let mut all = Rows::default();
        while let Some(Row(row)) = rows.next_element()? {
            all.push(row);
        }
        Ok(all)
    }
}

impl Serialize for Ranges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pattern = self.by_i();
        let count = pattern.segments().iter().map(|segment| pattern.ranges_of(segment).len()).sum();
        let blocks = pattern.segments().iter().flat_map(|segment| {
            let [first, end] = [segment.rows.first, segment.rows.end];
            pattern.ranges_of(segment).iter().map(move |columns| [[first, end], [columns.first, columns.end]])
        });
        let mut sequence = serializer.serialize_seq(Some(count))?;
        blocks.into_iter().try_for_each(|block| serde::ser::SerializeSeq::serialize_element(&mut sequence, &block))?;
        serde::ser::SerializeSeq::end(sequence)
    }
}

impl<'de> Deserialize<'de> for Ranges {
    fn deserialize<S: Deserializer<'de>>(deserializer: S) -> Result<Self, S::Error> {
        let blocks = Vec::<[[usize; 2]; 2]>::deserialize(deserializer)?;
        let blocks = blocks.into_iter().map(|[[first, end], [first_j, end_j]]| (first..end, first_j..end_j));
        Self::new(blocks).map_err(S::Error::custom)
    }
}
