//! Dataset ids: unique for all time and in every repository.
//!
//! - UUID version 7 for ordinary datasets: 48 bits of milliseconds, then random bits that count
//!   up within a millisecond, so that ids of one batch rise and an index grows at its end
//! - UUID version 5 where a rerun must agree: SHA-1 of run, type and data id
//! - source: RFC 9562

use crate::dataset::DatasetRef;
use crate::error::ButlerError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::{Builder, Uuid};

/// The name space of deterministic ids. Never to be changed.
const NAMESPACE: [u8; 16] = *b"elqui-dataset-id";
/// Random bits of a version 7 id, of which the highest is left free for counting.
const RANDOM_BITS: u32 = 74;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetId([u8; 16]);

impl DatasetId {
    /// The same for the same run, type and data id, wherever and whenever it is asked for.
    /// `data_id` must hold the required dimensions alone.
    pub fn deterministic(run: &str, dataset: &DatasetRef) -> Self {
        let mut sha1 = sha1_smol::Sha1::new();
        sha1.update(&NAMESPACE);
        let mut part = |text: &str| {
            sha1.update(&(text.len() as u64).to_be_bytes());
            sha1.update(text.as_bytes());
        };
        part(run);
        part(&dataset.dataset_type);
        for (dimension, value) in &dataset.data_id {
            part(dimension);
            part(&value.to_string());
        }
        let digest = sha1.digest().bytes();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(Builder::from_sha1_bytes(bytes).into_uuid().into_bytes())
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub fn parse(text: &str) -> Result<Self, ButlerError> {
        let id = Uuid::try_parse(text)
            .map_err(|_| ButlerError::BadDatasetId { text: text.to_string() })?;
        Ok(Self(id.into_bytes()))
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

impl Serialize for DatasetId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DatasetId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// Gives out version 7 ids that rise.
#[derive(Debug, Default)]
pub struct IdSource {
    last_ms: u64,
    low: u128,
}

impl IdSource {
    pub fn next_id(&mut self) -> DatasetId {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        self.at(now.max(self.last_ms))
    }

    fn at(&mut self, ms: u64) -> DatasetId {
        let full = self.low >> RANDOM_BITS != 0;
        if ms > self.last_ms || self.low == 0 || full {
            let random = u128::from_be_bytes(Uuid::new_v4().into_bytes());
            // The fixed bits of a version 4 id are left out by taking both ends.
            let mixed = (random & ((1 << 60) - 1)) | ((random >> 112) << 60);
            self.low = (mixed & ((1 << (RANDOM_BITS - 1)) - 1)).max(1);
            self.last_ms = ms + u64::from(full);
        } else {
            self.low += 1;
        }
        let high = (self.low >> 62) as u16 & 0x0fff;
        let tail = (self.low as u64) & ((1 << 62) - 1);
        let mut random = [0; 10];
        random[..2].copy_from_slice(&high.to_be_bytes());
        random[2..].copy_from_slice(&tail.to_be_bytes());
        let id = Builder::from_unix_timestamp_millis(self.last_ms, &random).into_uuid();
        DatasetId(id.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_7_rises_and_never_repeats() {
        let mut source = IdSource::default();
        let mut last = source.next_id();
        for _ in 0..10_000 {
            let next = source.next_id();
            assert!(next > last, "{last} {next}");
            last = next;
        }
        assert_eq!(last.to_string().as_bytes()[14], b'7');
        let mut full = IdSource { last_ms: 5, low: 1 << RANDOM_BITS };
        assert!(full.at(5) > IdSource { last_ms: 5, low: (1 << RANDOM_BITS) - 2 }.at(5));
    }

    #[test]
    fn version_5_depends_on_every_part() {
        let name = DatasetRef::new("raw").with("visit", 12).with("detector", 3);
        let id = DatasetId::deterministic("r", &name);
        // Fixed for all time: files of other repositories refer to such ids.
        assert_eq!(id, DatasetId::deterministic("r", &name.clone()));
        assert_eq!(id.to_string().as_bytes()[14], b'5');
        assert_ne!(id, DatasetId::deterministic("r2", &name));
        assert_ne!(id, DatasetId::deterministic("r", &name.clone().with("visit", 13)));
        let other = DatasetRef { dataset_type: "raw2".into(), ..name };
        assert_ne!(id, DatasetId::deterministic("r", &other));
        assert_eq!(DatasetId::parse(&id.to_string()).unwrap(), id);
        assert!(DatasetId::parse("xyz").unwrap_err().to_string().contains("`xyz`"));
    }
}
