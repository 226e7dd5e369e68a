//! Cameras as data: instrument descriptions and header translation.
