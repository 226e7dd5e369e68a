//! Steps, the graph and the local executor.
