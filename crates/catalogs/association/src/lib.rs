//! Association of sources over visits into objects and light curves.
