//! One call for one thing of `FILE` or `FILE[EXT]`.

use crate::error::Result;
use crate::file::FitsFile;
use elqui_image::{Header, Image};
use elqui_schema::Table;

/// The header of the HDU that EXT names; without EXT, the primary's.
pub fn read_header(text: &str) -> Result<Header> {
    let (file, hdu) = FitsFile::open_extension(text)?;
    Ok(file.header(hdu.unwrap_or(0))?.clone())
}

/// Image and header of the HDU that EXT names; without EXT, of the first that holds an image.
pub fn read_image(text: &str) -> Result<(Image<f32>, Header)> {
    let (file, hdu) = FitsFile::open_extension(text)?;
    let hdu = hdu.map_or_else(|| file.first_image(), Ok)?;
    Ok((file.read_image(hdu)?, file.header(hdu)?.clone()))
}

/// The table of the HDU that EXT names; without EXT, the first table.
pub fn read_table(text: &str) -> Result<Table> {
    let (file, hdu) = FitsFile::open_extension(text)?;
    file.read_table(hdu.map_or_else(|| file.first_table(), Ok)?)
}
