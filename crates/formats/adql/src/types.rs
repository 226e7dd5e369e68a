//! Types of values (ADQL 2.1, section 3).

use elqui_schema::felis::DataType;
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Type {
    /// Not yet known, or of a function that the catalogue does not describe: goes anywhere.
    #[default]
    Any,
    Boolean,
    Smallint,
    Integer,
    Bigint,
    Real,
    Double,
    Char,
    Varchar,
    Timestamp,
    Point,
    Circle,
    Polygon,
    Region,
}

impl Type {
    pub fn is_number(self) -> bool {
        use Type::*;
        matches!(self, Any | Boolean | Smallint | Integer | Bigint | Real | Double)
    }

    pub fn is_integer(self) -> bool {
        matches!(self, Self::Any | Self::Smallint | Self::Integer | Self::Bigint)
    }

    pub fn is_text(self) -> bool {
        matches!(self, Self::Any | Self::Char | Self::Varchar)
    }

    pub fn is_geometry(self) -> bool {
        use Type::*;
        matches!(self, Any | Point | Circle | Polygon | Region)
    }

    /// Type of a sum, a product or a choice of both.
    pub fn wider(self, other: Self) -> Self {
        use Type::*;
        let rank =
            |t| [Boolean, Smallint, Integer, Bigint, Real, Double].iter().position(|x| *x == t);
        match (rank(self), rank(other)) {
            // A 32-bit float holds no 64-bit integer.
            (Some(a), Some(b)) if a.max(b) == 4 && a.min(b) == 3 => Double,
            (Some(a), Some(b)) => {
                if a >= b {
                    self
                } else {
                    other
                }
            }
            _ if self == Any => other,
            _ if self == Char && other == Varchar => Varchar,
            _ => self,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Boolean => "BOOLEAN",
            Self::Smallint => "SMALLINT",
            Self::Integer => "INTEGER",
            Self::Bigint => "BIGINT",
            Self::Real => "REAL",
            Self::Double => "DOUBLE PRECISION",
            Self::Char => "CHAR",
            Self::Varchar => "VARCHAR",
            Self::Timestamp => "TIMESTAMP",
            Self::Point => "POINT",
            Self::Circle => "CIRCLE",
            Self::Polygon => "POLYGON",
            Self::Region => "REGION",
        })
    }
}

impl From<DataType> for Type {
    fn from(t: DataType) -> Self {
        match t {
            DataType::Boolean => Self::Boolean,
            DataType::Byte | DataType::Short => Self::Smallint,
            DataType::Int => Self::Integer,
            DataType::Long => Self::Bigint,
            DataType::Float => Self::Real,
            DataType::Double => Self::Double,
            DataType::Char => Self::Char,
            DataType::String | DataType::Unicode | DataType::Text => Self::Varchar,
            DataType::Timestamp => Self::Timestamp,
            DataType::Binary => Self::Any,
        }
    }
}
