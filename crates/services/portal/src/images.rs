//! Pictures of the exposures.
//!
//! `FolderImages` reads a folder that holds, for each exposure of a detector, `STEM.preview.json`
//! (an [`ImageFacts`]) and the files that it names: a PNG (x as in the frame, y upwards: the frame's
//! first row is the PNG's last) and optionally a FITS image with a WCS.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One exposure of one detector.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageFacts {
    pub visit: i64,
    pub detector: i32,
    pub band: String,
    /// Name to show, such as the file's stem.
    pub name: String,
    /// Middle of the exposure, TAI, days; 0 when unknown.
    pub mid_mjd_tai: f64,
    /// Size of the full image, pixels.
    pub width: u32,
    pub height: u32,
    /// Size of the PNG; it may be binned.
    pub preview_width: u32,
    pub preview_height: u32,
    /// Pixels of the frame in one of the PNG, along a side; 0 for the ratio of the widths.
    pub binning: u32,
    /// File names in the folder; empty for none.
    pub png: String,
    pub fits: String,
}

#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum ImageError {
    #[error("the image of visit {visit}, detector {detector} was not found")]
    NotFound { visit: i64, detector: i32 },
    #[error("image `{path}` cannot be read: {reason}")]
    Read { path: String, reason: String },
}

/// Gives pictures of exposures. Calls may read files; the router makes them off its own threads.
pub trait ImageProvider: Send + Sync {
    /// Sorted by visit and detector.
    fn list(&self) -> Vec<ImageFacts>;
    fn png(&self, visit: i64, detector: i32) -> Result<Vec<u8>, ImageError>;
    /// A FITS image with a WCS, for Aladin.
    fn fits(&self, visit: i64, detector: i32) -> Result<Vec<u8>, ImageError>;
}

/// No pictures at all.
pub struct NoImages;

impl ImageProvider for NoImages {
    fn list(&self) -> Vec<ImageFacts> {
        Vec::new()
    }
    fn png(&self, visit: i64, detector: i32) -> Result<Vec<u8>, ImageError> {
        Err(ImageError::NotFound { visit, detector })
    }
    fn fits(&self, visit: i64, detector: i32) -> Result<Vec<u8>, ImageError> {
        Err(ImageError::NotFound { visit, detector })
    }
}

/// Pictures of a folder.
pub struct FolderImages {
    folder: PathBuf,
    facts: BTreeMap<(i64, i32), ImageFacts>,
}

impl FolderImages {
    /// Read every `*.preview.json` of the folder.
    pub fn open(folder: &Path) -> Result<Self, ImageError> {
        let fail = |path: &Path, reason: String| ImageError::Read {
            path: path.display().to_string(),
            reason,
        };
        let mut facts = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(|e| fail(folder, e.to_string()))? {
            let path = entry.map_err(|e| fail(folder, e.to_string()))?.path();
            if !path.to_string_lossy().ends_with(".preview.json") {
                continue;
            }
            let text = std::fs::read(&path).map_err(|e| fail(&path, e.to_string()))?;
            let one: ImageFacts =
                serde_json::from_slice(&text).map_err(|e| fail(&path, e.to_string()))?;
            facts.insert((one.visit, one.detector), one);
        }
        Ok(Self { folder: folder.to_path_buf(), facts })
    }

    fn read(
        &self,
        visit: i64,
        detector: i32,
        file: fn(&ImageFacts) -> &String,
    ) -> Result<Vec<u8>, ImageError> {
        let name = self.facts.get(&(visit, detector)).map(file).filter(|n| !n.is_empty());
        let name = name.ok_or(ImageError::NotFound { visit, detector })?;
        let path = self.folder.join(name);
        std::fs::read(&path).map_err(|e| ImageError::Read {
            path: path.display().to_string(),
            reason: e.to_string(),
        })
    }
}

impl ImageProvider for FolderImages {
    fn list(&self) -> Vec<ImageFacts> {
        self.facts.values().cloned().collect()
    }
    fn png(&self, visit: i64, detector: i32) -> Result<Vec<u8>, ImageError> {
        self.read(visit, detector, |f| &f.png)
    }
    fn fits(&self, visit: i64, detector: i32) -> Result<Vec<u8>, ImageError> {
        self.read(visit, detector, |f| &f.fits)
    }
}
