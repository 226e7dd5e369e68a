//! Astrometric solution: pattern match and distortion fit against a reference catalogue.
