//! How a typed dataset becomes bytes and comes back.

use crate::atomic::atomic_write_bytes;
use crate::error::CodecError;
use std::fs;
use std::path::Path;

/// A format of a dataset type: to bytes and back. `decode(encode(x)) == x` is the law.
pub trait Formatter {
    /// The typed dataset.
    type Dataset;

    /// Ending of its files, with the dot (`.fits`).
    fn extension(&self) -> &'static str;

    fn encode(&self, dataset: &Self::Dataset) -> Result<Vec<u8>, CodecError>;

    /// `name` is what an error calls the bytes (a path or a URI).
    fn decode(&self, bytes: &[u8], name: &str) -> Result<Self::Dataset, CodecError>;
}

/// Write a dataset's file, whole or not at all.
pub fn write_dataset<F: Formatter>(
    formatter: &F,
    dataset: &F::Dataset,
    path: &Path,
) -> Result<(), CodecError> {
    atomic_write_bytes(path, &formatter.encode(dataset)?)
}

/// Read a dataset's file.
pub fn read_dataset<F: Formatter>(formatter: &F, path: &Path) -> Result<F::Dataset, CodecError> {
    let bytes = fs::read(path).map_err(|e| CodecError::read(path, e))?;
    formatter.decode(&bytes, &path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text;
    impl Formatter for Text {
        type Dataset = String;
        fn extension(&self) -> &'static str {
            ".txt"
        }
        fn encode(&self, dataset: &String) -> Result<Vec<u8>, CodecError> {
            Ok(dataset.clone().into_bytes())
        }
        fn decode(&self, bytes: &[u8], name: &str) -> Result<String, CodecError> {
            String::from_utf8(bytes.to_vec()).map_err(|e| CodecError::Decode {
                name: name.into(),
                kind: "text",
                reason: e.to_string(),
            })
        }
    }

    #[test]
    fn a_dataset_comes_back_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.txt");
        write_dataset(&Text, &"river".to_string(), &path).unwrap();
        assert_eq!(read_dataset(&Text, &path).unwrap(), "river");
        let missing = read_dataset(&Text, &folder.path().join("none.txt")).unwrap_err();
        assert!(missing.to_string().contains("none.txt`: no such file"), "{missing}");
        atomic_write_bytes(&path, &[0xff, 0xfe]).unwrap();
        let bad = read_dataset(&Text, &path).unwrap_err();
        assert!(bad.to_string().contains("t.txt"), "{bad}");
    }
}
