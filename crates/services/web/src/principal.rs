//! Who asks.

/// The person or program behind a request. Sign-in makes other kinds; without it all are anonymous.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Principal {
    #[default]
    Anonymous,
    User {
        name: String,
    },
}

impl Principal {
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User { name } => name,
        }
    }
}
