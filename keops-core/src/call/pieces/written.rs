//! How a partial result is written and read by the crate `serde`.
//!
//! Numbers are written as their bits, since states have NaN and infinite ones, which text formats do not have. What is read is checked: it
//! must be a partial result of the plan and the element type that it is read for, with states of the sizes that it says.

use core::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    call::{
        Element, InPieces,
        pieces::{
            Partial,
            partial::ShapeOf,
            sweep::{Known, OfPass},
        },
    },
    problem::States,
};

/// The version of this format.
const VERSION: u32 = 1;

/// Numbers as bits, which say their element type.
#[derive(Serialize, Deserialize)]
enum Bits {
    F32(Vec<u32>),
    F64(Vec<u64>),
}

impl Bits {
    fn of<T: Element>(numbers: impl Iterator<Item = T>) -> Self {
        if size_of::<T>() == 4 {
            Self::F32(numbers.map(|number| (Element::to_f64(number) as f32).to_bits()).collect())
        } else {
            Self::F64(numbers.map(|number| Element::to_f64(number).to_bits()).collect())
        }
    }

    fn numbers<T: Element, E: serde::de::Error>(self) -> Result<Vec<T>, E> {
        match self {
            Self::F32(bits) if size_of::<T>() == 4 => {
                Ok(bits.into_iter().map(|bits| T::from_f64(f32::from_bits(bits).into())).collect())
            }
            Self::F64(bits) if size_of::<T>() == 8 => {
                Ok(bits.into_iter().map(|bits| T::from_f64(f64::from_bits(bits))).collect())
            }
            _ => Err(E::custom(format_args!("the partial result is not one of `{}`", T::NAME))),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    known: Vec<WrittenRows>,
    passes: Vec<WrittenPass>,
    shapes: Vec<ShapeOf>,
    seen: u64,
    expected: Option<u64>,
    end: u64,
    ended: bool,
}

#[derive(Serialize, Deserialize)]
struct WrittenRows {
    name: String,
    dim: usize,
    batch: Vec<usize>,
    rows: Bits,
}

#[derive(Serialize, Deserialize)]
struct WrittenPass {
    name: String,
    fingerprint: u64,
    appended: bool,
    seen: Vec<(u64, u64)>,
    states: Vec<(u64, WrittenStates)>,
}

#[derive(Serialize, Deserialize)]
struct WrittenStates {
    rows: usize,
    width: usize,
    numbers: Bits,
    row_numbers: Vec<u64>,
    counts: Vec<u64>,
    listed: Vec<u64>,
    values: Bits,
}

impl WrittenStates {
    fn of<T: Element>(states: &States<T>) -> Self {
        Self {
            rows: states.rows,
            width: states.width,
            numbers: Bits::of(states.numbers.iter().copied()),
            row_numbers: states.row_numbers.clone(),
            counts: states.counts.clone(),
            listed: states.lists.iter().map(|&(number, _)| number).collect(),
            values: Bits::of(states.lists.iter().map(|&(_, value)| value)),
        }
    }

    fn read<T: Element, E: serde::de::Error>(self) -> Result<States<T>, E> {
        let Self { rows, width, numbers, row_numbers, counts, listed, values } = self;
        let values: Vec<T> = values.numbers()?;
        if values.len() != listed.len() {
            return Err(E::custom("lists with another number of values than of row numbers"));
        }
        let lists = listed.into_iter().zip(values).collect();
        Ok(States { rows, width, numbers: numbers.numbers()?, row_numbers, counts, lists })
    }
}

impl<K, T: Element> Serialize for Partial<K, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = self.known.iter().map(|known| {
            let Known { name, dim, batch, rows } = known.clone();
            WrittenRows { name, dim, batch, rows: Bits::of(rows.iter().copied()) }
        });
        let passes = self.passes.iter().map(|pass| WrittenPass {
            name: pass.name.clone(),
            fingerprint: pass.fingerprint,
            appended: pass.appended,
            seen: pass.seen.clone(),
            states: pass.states.iter().map(|(start, states)| (*start, WrittenStates::of(states))).collect(),
        });
        let written = Written {
            version: VERSION,
            known: known.collect(),
            passes: passes.collect(),
            shapes: self.shapes.clone(),
            seen: self.seen,
            expected: self.expected,
            end: self.end,
            ended: self.ended,
        };
        written.serialize(serializer)
    }
}

impl<'de, K: InPieces, T: Element> Deserialize<'de> for Partial<K, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { version, known, passes, shapes, seen, expected, end, ended } =
            Written::deserialize(deserializer)?;
        if version != VERSION {
            return Err(D::Error::custom(format_args!("version {version} of partial results, and not {VERSION}")));
        }
        let known = known.into_iter().map(|WrittenRows { name, dim, batch, rows }| {
            let rows: Vec<T> = rows.numbers()?;
            Ok(Known { name, dim, batch, rows: rows.into() })
        });
        let passes = passes.into_iter().map(|WrittenPass { name, fingerprint, appended, seen, states }| {
            let states = states.into_iter().map(|(start, states)| Ok((start, states.read()?)));
            Ok(OfPass { name, fingerprint, appended, seen, states: states.collect::<Result<_, _>>()? })
        });
        let partial = Self {
            known: known.collect::<Result<_, _>>()?,
            passes: passes.collect::<Result<_, _>>()?,
            shapes,
            seen,
            expected,
            end,
            ended,
            kind: PhantomData,
        };
        partial.checked().map_err(D::Error::custom)
    }
}
