//! The page: sky, sources, light curves and queries.
