//! Storage classes: how each noun of the frame's way is kept.

use crate::error::ProcessError;
use crate::files::{PreviewFacts, json_bytes, post_isr_bytes, post_isr_from};
use crate::signature::PostIsr;
use crate::summary::FrameSummary;
use elqui_astrometry::BlindIndex;
use elqui_codec::CodecError;
use elqui_fits::{FitsFile, exposure_from, exposure_to_bytes, image_to_bytes};
use elqui_image::{Exposure, Header, Image};
use elqui_instrument::Instrument;
use elqui_pipeline::StorageClass;
use elqui_schema::Table;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// Of raw frames, as `elqui repo ingest` registers them.
pub const RAW_FRAME: &str = "RawFrame";
/// Of descriptions of cameras (YAML).
pub const CAMERA: &str = "Camera";
/// Of indices of reference catalogues.
pub const REFERENCE_INDEX: &str = "BlindIndex";

fn unreadable(kind: &'static str, why: impl std::fmt::Display) -> CodecError {
    CodecError::Decode { name: "the dataset".into(), kind, reason: why.to_string() }
}

fn unwritable(kind: &'static str, why: impl std::fmt::Display) -> CodecError {
    CodecError::Encode { name: "the dataset".into(), kind, reason: why.to_string() }
}

fn fits(bytes: &[u8]) -> Result<FitsFile, CodecError> {
    FitsFile::from_bytes(bytes.to_vec(), "the dataset").map_err(|e| unreadable("FITS file", e))
}

/// A camera's own file: opened, not yet understood.
pub struct RawFrameFile;
impl StorageClass for RawFrameFile {
    const NAME: &'static str = RAW_FRAME;
    const EXTENSION: &'static str = ".fits";
    type Value = FitsFile;
    fn encode(_: &FitsFile) -> Result<Vec<u8>, CodecError> {
        Err(unwritable("raw frame", "cameras make raw frames, steps do not"))
    }
    fn decode(bytes: &[u8]) -> Result<FitsFile, CodecError> {
        fits(bytes)
    }
}

/// A camera's description.
pub struct CameraYaml;
impl StorageClass for CameraYaml {
    const NAME: &'static str = CAMERA;
    const EXTENSION: &'static str = ".yaml";
    type Value = Instrument;
    fn encode(_: &Instrument) -> Result<Vec<u8>, CodecError> {
        Err(unwritable("camera", "people describe cameras, steps do not"))
    }
    fn decode(bytes: &[u8]) -> Result<Instrument, CodecError> {
        let text = std::str::from_utf8(bytes).map_err(|e| unreadable("camera", e))?;
        Instrument::from_yaml(text, "the camera").map_err(|e| unreadable("camera", e))
    }
}

/// An exposure between the two halves of the frame's way.
pub struct PostIsrImage;
impl StorageClass for PostIsrImage {
    const NAME: &'static str = "Exposure";
    const EXTENSION: &'static str = ".fits";
    type Value = PostIsr;
    fn encode(value: &PostIsr) -> Result<Vec<u8>, CodecError> {
        post_isr_bytes(value).map_err(|e| unwritable("exposure", e))
    }
    fn decode(bytes: &[u8]) -> Result<PostIsr, CodecError> {
        let read = |file: FitsFile| -> Result<PostIsr, ProcessError> { post_isr_from(&file) };
        read(fits(bytes)?).map_err(|e| unreadable("exposure", e))
    }
}

pub struct ExposureImage;
impl StorageClass for ExposureImage {
    const NAME: &'static str = "Exposure";
    const EXTENSION: &'static str = ".fits";
    type Value = Exposure;
    fn encode(value: &Exposure) -> Result<Vec<u8>, CodecError> {
        exposure_to_bytes(value).map_err(|e| unwritable("exposure", e))
    }
    fn decode(bytes: &[u8]) -> Result<Exposure, CodecError> {
        exposure_from(&fits(bytes)?).map_err(|e| unreadable("exposure", e))
    }
}

/// A master calibration.
pub struct MasterImage;
impl StorageClass for MasterImage {
    const NAME: &'static str = "Image";
    const EXTENSION: &'static str = ".fits";
    type Value = Image<f32>;
    fn encode(value: &Image<f32>) -> Result<Vec<u8>, CodecError> {
        Ok(image_to_bytes(value, &Header::default()))
    }
    fn decode(bytes: &[u8]) -> Result<Image<f32>, CodecError> {
        let file = fits(bytes)?;
        let hdu = file.first_image().map_err(|e| unreadable("image", e))?;
        file.read_image(hdu).map_err(|e| unreadable("image", e))
    }
}

/// A catalogue.
pub struct ParquetTable;
impl StorageClass for ParquetTable {
    const NAME: &'static str = "Table";
    const EXTENSION: &'static str = ".parquet";
    type Value = Arc<Table>;
    fn encode(value: &Arc<Table>) -> Result<Vec<u8>, CodecError> {
        elqui_tables::parquet_bytes(value).map_err(|e| unwritable("Parquet file", e))
    }
    fn decode(bytes: &[u8]) -> Result<Arc<Table>, CodecError> {
        let read = |bytes: &[u8]| elqui_tables::parse_parquet(bytes.to_vec(), "the dataset");
        read(bytes).map(Arc::new).map_err(|e| unreadable("Parquet file", e))
    }
}

/// The last value that was decoded, with what it was decoded from. Every frame of a run reads the same
/// reference catalogue: it is decoded once.
struct Last<T>(Mutex<Option<((usize, u64), Arc<T>)>>);

impl<T> Last<T> {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn or(
        &self,
        bytes: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<Arc<T>, CodecError>,
    ) -> Result<Arc<T>, CodecError> {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let key = (bytes.len(), hasher.finish());
        // Held while it is decoded, so that threads that come together do so once.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, value)) if *known == key => Ok(value.clone()),
            _ => {
                let value = decode(bytes)?;
                *last = Some((key, value.clone()));
                Ok(value)
            }
        }
    }
}

/// A reference catalogue: a table of stars, shared by the frames of a run.
pub struct ReferenceTable;
impl StorageClass for ReferenceTable {
    const NAME: &'static str = ParquetTable::NAME;
    const EXTENSION: &'static str = ParquetTable::EXTENSION;
    type Value = Arc<Table>;
    fn encode(value: &Arc<Table>) -> Result<Vec<u8>, CodecError> {
        ParquetTable::encode(value)
    }
    fn decode(bytes: &[u8]) -> Result<Arc<Table>, CodecError> {
        static LAST: Last<Table> = Last::new();
        LAST.or(bytes, ParquetTable::decode)
    }
}

/// The index of a reference catalogue (`elqui index build`).
pub struct ReferenceIndex;
impl StorageClass for ReferenceIndex {
    const NAME: &'static str = REFERENCE_INDEX;
    const EXTENSION: &'static str = ".idx";
    type Value = Arc<BlindIndex>;
    fn encode(value: &Arc<BlindIndex>) -> Result<Vec<u8>, CodecError> {
        Ok(value.to_bytes())
    }
    fn decode(bytes: &[u8]) -> Result<Arc<BlindIndex>, CodecError> {
        static LAST: Last<BlindIndex> = Last::new();
        LAST.or(bytes, |bytes| {
            let index = BlindIndex::from_bytes(bytes);
            index.map(Arc::new).map_err(|e| unreadable("index", e))
        })
    }
}

pub struct SummaryJson;
impl StorageClass for SummaryJson {
    const NAME: &'static str = "FrameSummary";
    const EXTENSION: &'static str = ".json";
    type Value = FrameSummary;
    fn encode(value: &FrameSummary) -> Result<Vec<u8>, CodecError> {
        json_bytes(value).map_err(|e| unwritable("summary", e))
    }
    fn decode(bytes: &[u8]) -> Result<FrameSummary, CodecError> {
        serde_json::from_slice(bytes).map_err(|e| unreadable("summary", e))
    }
}

/// A picture (PNG).
pub struct Picture;
impl StorageClass for Picture {
    const NAME: &'static str = "Picture";
    const EXTENSION: &'static str = ".png";
    type Value = Vec<u8>;
    fn encode(value: &Vec<u8>) -> Result<Vec<u8>, CodecError> {
        Ok(value.clone())
    }
    fn decode(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(bytes.to_vec())
    }
}

/// A FITS image as bytes, for viewers.
pub struct FitsBytes;
impl StorageClass for FitsBytes {
    const NAME: &'static str = MasterImage::NAME;
    const EXTENSION: &'static str = ".fits";
    type Value = Vec<u8>;
    fn encode(value: &Vec<u8>) -> Result<Vec<u8>, CodecError> {
        Ok(value.clone())
    }
    fn decode(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(bytes.to_vec())
    }
}

pub struct PreviewJson;
impl StorageClass for PreviewJson {
    const NAME: &'static str = "PreviewFacts";
    const EXTENSION: &'static str = ".json";
    type Value = PreviewFacts;
    fn encode(value: &PreviewFacts) -> Result<Vec<u8>, CodecError> {
        json_bytes(value).map_err(|e| unwritable("preview", e))
    }
    fn decode(bytes: &[u8]) -> Result<PreviewFacts, CodecError> {
        serde_json::from_slice(bytes).map_err(|e| unreadable("preview", e))
    }
}
