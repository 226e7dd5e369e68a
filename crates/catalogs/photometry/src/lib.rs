//! Photometric zero points and differential photometry.
