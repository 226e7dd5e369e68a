//! Regions and pixelisations of the sphere: HEALPix, MOC, cones and polygons.
