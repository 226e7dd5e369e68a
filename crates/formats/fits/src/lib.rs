//! FITS files: images, raw frames, exposures and tables.
