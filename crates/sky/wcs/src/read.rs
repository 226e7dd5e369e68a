//! Reading world coordinates from a header's cards.
