//! Master calibration frames: bias, dark and flat from many exposures.
