//! VOTable: reading and writing.
