//! Deblending: parents split into children that conserve flux.
