//! Measurement of sources: centroids, moments, fluxes, flags and aperture corrections.
