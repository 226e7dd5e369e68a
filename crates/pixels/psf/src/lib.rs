//! Point-spread function: star selection and a pixel model that varies over the detector.
