//! The sky database: SQL over catalogues, on DataFusion.
