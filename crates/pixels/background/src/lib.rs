//! Sky background: a masked, clipped mesh and its interpolation.
