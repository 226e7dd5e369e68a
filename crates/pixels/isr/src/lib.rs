//! Instrument signature removal: overscan, bias, dark, flat, assembly, saturation, cosmic rays.
