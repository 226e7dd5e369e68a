//! The composition of steps: from a raw frame to a catalogue.
