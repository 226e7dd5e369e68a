//! Writing world coordinates as a header's cards.
