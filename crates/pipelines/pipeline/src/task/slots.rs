//! Typed slots: a step's inputs and outputs are structs, and the compiler checks their use.
//!
//! `inputs!` and `outputs!` write the struct and its table of slots in one go, so that the two
//! cannot disagree.

use crate::error::StepError;
use crate::task::{Io, Lazy, Number, Role, SlotInfo};
use elqui_butler::DataId;
use elqui_codec::CodecError;
use std::marker::PhantomData;
use std::ops::Deref;

/// A noun that is kept, and its bytes. Implemented on a marker type by who composes the steps, since
/// neither the noun nor its formatter is this room's.
pub trait StorageClass: 'static {
    const NAME: &'static str;
    /// What its files end in, such as `.fits`.
    const EXTENSION: &'static str;
    type Value: Send;
    fn encode(value: &Self::Value) -> Result<Vec<u8>, CodecError>;
    fn decode(bytes: &[u8]) -> Result<Self::Value, CodecError>;
}

/// Exactly one dataset.
pub struct One<C: StorageClass>(pub C::Value);
/// One or none.
pub struct Maybe<C: StorageClass>(pub Option<C::Value>);
/// All that belong to the quantum, with their data ids, in the data ids' order.
pub struct Many<C: StorageClass>(pub Vec<(DataId, C::Value)>);

/// As [`Many`], but each is read when it is asked for: a stack of a hundred images needs the memory of one.
pub struct Each<C: StorageClass> {
    all: Vec<(DataId, Lazy)>,
    slot: String,
    class: PhantomData<fn() -> C>,
}

impl<C: StorageClass> Each<C> {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// In the order of the data ids.
    pub fn data_id(&self, number: usize) -> &DataId {
        &self.all[number].0
    }

    /// Read one, from any thread, as often as it is needed.
    pub fn read(&self, number: usize) -> Result<C::Value, StepError> {
        let (id, read) = &self.all[number];
        let wrong =
            |e: CodecError| StepError::Failed(format!("the input `{}` {id}: {e}", self.slot));
        C::decode(&read()?).map_err(wrong)
    }

    /// One after the other, each read when it is its turn.
    pub fn iter(&self) -> impl Iterator<Item = Result<(&DataId, C::Value), StepError>> {
        (0..self.len()).map(|k| Ok((self.data_id(k), self.read(k)?)))
    }
}

impl<C: StorageClass> Deref for One<C> {
    type Target = C::Value;
    fn deref(&self) -> &C::Value {
        &self.0
    }
}

/// How a slot of a struct is filled.
pub trait Take: Sized {
    const NUMBER: Number;
    fn take(io: &mut Io<'_>, slot: &str) -> Result<Self, StepError>;
}

/// How a slot of a struct is kept.
pub trait Give {
    const NUMBER: Number;
    fn give(&self, io: &mut Io<'_>, slot: &str) -> Result<(), StepError>;
}

fn read<C: StorageClass>(
    io: &mut Io<'_>,
    slot: &str,
) -> Result<Vec<(DataId, C::Value)>, StepError> {
    let wrong = |e: CodecError| StepError::Failed(format!("the input `{slot}`: {e}"));
    let all = io.read(slot)?.into_iter();
    all.map(|(id, bytes)| Ok((id, C::decode(&bytes).map_err(wrong)?))).collect()
}

impl<C: StorageClass> Take for One<C> {
    const NUMBER: Number = Number::One;
    fn take(io: &mut Io<'_>, slot: &str) -> Result<Self, StepError> {
        let first = read::<C>(io, slot)?.into_iter().next();
        let missing = || StepError::Failed(format!("the input `{slot}` is missing"));
        first.map(|(_, value)| Self(value)).ok_or_else(missing)
    }
}

impl<C: StorageClass> Take for Maybe<C> {
    const NUMBER: Number = Number::Maybe;
    fn take(io: &mut Io<'_>, slot: &str) -> Result<Self, StepError> {
        Ok(Self(read::<C>(io, slot)?.into_iter().next().map(|(_, value)| value)))
    }
}

impl<C: StorageClass> Take for Many<C> {
    const NUMBER: Number = Number::Many;
    fn take(io: &mut Io<'_>, slot: &str) -> Result<Self, StepError> {
        read::<C>(io, slot).map(Self)
    }
}

impl<C: StorageClass> Take for Each<C> {
    const NUMBER: Number = Number::Many;
    fn take(io: &mut Io<'_>, slot: &str) -> Result<Self, StepError> {
        Ok(Self { all: io.lazy(slot)?, slot: slot.to_string(), class: PhantomData })
    }
}

impl<C: StorageClass> Give for One<C> {
    const NUMBER: Number = Number::One;
    fn give(&self, io: &mut Io<'_>, slot: &str) -> Result<(), StepError> {
        io.write(slot, &C::encode(&self.0)?)
    }
}

impl<C: StorageClass> Give for Maybe<C> {
    const NUMBER: Number = Number::Maybe;
    fn give(&self, io: &mut Io<'_>, slot: &str) -> Result<(), StepError> {
        self.0.as_ref().map_or(Ok(()), |value| io.write(slot, &C::encode(value)?))
    }
}

/// A slot as `inputs!` and `outputs!` write it.
#[derive(Debug, Clone, Copy)]
pub struct SlotDef {
    pub name: &'static str,
    pub dataset_type: &'static str,
    pub dimensions: &'static [&'static str],
    pub storage_class: &'static str,
    pub extension: &'static str,
    pub number: Number,
    pub role: Role,
}

impl SlotDef {
    pub(crate) fn info(&self) -> SlotInfo {
        SlotInfo {
            name: self.name.to_string(),
            dataset_type: self.dataset_type.to_string(),
            dimensions: self.dimensions.iter().map(|d| (*d).to_string()).collect(),
            storage_class: self.storage_class.to_string(),
            extension: self.extension.to_string(),
            number: self.number,
            role: self.role,
        }
    }
}

/// A struct of inputs; written by `inputs!`.
pub trait Inputs: Sized {
    const SLOTS: &'static [SlotDef];
    fn read(io: &mut Io<'_>) -> Result<Self, StepError>;
}

/// A struct of outputs; written by `outputs!`.
pub trait Outputs: Sized {
    const SLOTS: &'static [SlotDef];
    fn write(&self, io: &mut Io<'_>) -> Result<(), StepError>;
}

/// `inputs! { pub struct IsrIn { raw: One<Raw> = "raw" [exposure, detector], bias: Maybe<Exposure> =
/// "bias" [detector] Calibration } }`: field, how many, storage class, default dataset type, its
/// dimensions, and a [`Role`] where it is not `Regular`.
#[macro_export]
macro_rules! inputs {
    ($(#[$m:meta])* $v:vis struct $name:ident { $(
        $(#[$fm:meta])* $f:ident : $kind:ident<$class:ty> = $of:literal [$($d:ident),* $(,)?] $($role:ident)?
    ),* $(,)? }) => {
        $(#[$m])* $v struct $name { $($(#[$fm])* pub $f: $crate::$kind<$class>),* }
        impl $crate::Inputs for $name {
            const SLOTS: &'static [$crate::SlotDef] = &[$($crate::SlotDef {
                name: stringify!($f),
                dataset_type: $of,
                dimensions: &[$(stringify!($d)),*],
                storage_class: <$class as $crate::StorageClass>::NAME,
                extension: <$class as $crate::StorageClass>::EXTENSION,
                number: <$crate::$kind<$class> as $crate::Take>::NUMBER,
                role: $crate::slot_role!($($role)?),
            }),*];
            #[allow(unused_variables)]
            fn read(io: &mut $crate::Io<'_>) -> Result<Self, $crate::StepError> {
                Ok(Self { $($f: $crate::Take::take(io, stringify!($f))?),* })
            }
        }
    };
}

/// As `inputs!`, for what a step makes: `One` or `Maybe`; `Calibration` says that it can be certified.
#[macro_export]
macro_rules! outputs {
    ($(#[$m:meta])* $v:vis struct $name:ident { $(
        $(#[$fm:meta])* $f:ident : $kind:ident<$class:ty> = $of:literal [$($d:ident),* $(,)?] $($role:ident)?
    ),* $(,)? }) => {
        $(#[$m])* $v struct $name { $($(#[$fm])* pub $f: $crate::$kind<$class>),* }
        impl $crate::Outputs for $name {
            const SLOTS: &'static [$crate::SlotDef] = &[$($crate::SlotDef {
                name: stringify!($f),
                dataset_type: $of,
                dimensions: &[$(stringify!($d)),*],
                storage_class: <$class as $crate::StorageClass>::NAME,
                extension: <$class as $crate::StorageClass>::EXTENSION,
                number: <$crate::$kind<$class> as $crate::Give>::NUMBER,
                role: $crate::slot_role!($($role)?),
            }),*];
            fn write(&self, io: &mut $crate::Io<'_>) -> Result<(), $crate::StepError> {
                $($crate::Give::give(&self.$f, io, stringify!($f))?;)*
                Ok(())
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! slot_role {
    () => {
        $crate::Role::Regular
    };
    ($role:ident) => {
        $crate::Role::$role
    };
}
