//! Source detection: matched filter, threshold, footprints and peaks.
