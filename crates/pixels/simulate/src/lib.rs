//! A simulated sky and camera: raw frames with their truth.
