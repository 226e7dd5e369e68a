//! A FIELD, and the column that its values gather in.

use elqui_schema::{Column, ColumnData};

/// The primitive types of VOTable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    UnsignedByte,
    Short,
    Int,
    Long,
    Char,
    UnicodeChar,
    Float,
    Double,
    FloatComplex,
    DoubleComplex,
}

impl Kind {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "unsignedByte" => Self::UnsignedByte,
            "short" => Self::Short,
            "int" => Self::Int,
            "long" => Self::Long,
            "char" => Self::Char,
            "unicodeChar" => Self::UnicodeChar,
            "float" => Self::Float,
            "double" => Self::Double,
            "floatComplex" => Self::FloatComplex,
            "doubleComplex" => Self::DoubleComplex,
            _ => return None,
        })
    }

    /// Bytes of one element in the binary forms.
    pub fn bytes(self) -> usize {
        match self {
            Self::Boolean | Self::UnsignedByte | Self::Char => 1,
            Self::Short | Self::UnicodeChar => 2,
            Self::Int | Self::Float => 4,
            Self::Long | Self::Double | Self::FloatComplex => 8,
            Self::DoubleComplex => 16,
        }
    }

    pub fn is_complex(self) -> bool {
        matches!(self, Self::FloatComplex | Self::DoubleComplex)
    }

    /// The type of a complex number's two parts; any other type itself.
    pub fn component(self) -> Self {
        match self {
            Self::FloatComplex => Self::Float,
            Self::DoubleComplex => Self::Double,
            other => other,
        }
    }

    pub fn is_text(self) -> bool {
        matches!(self, Self::Char | Self::UnicodeChar)
    }
}

/// How many elements a cell has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    One,
    Fixed(usize),
    Variable,
}

impl Size {
    /// `arraysize`: absent, `8`, `*`, `8*`, `3x4`, `3x*`.
    pub fn parse(text: Option<&str>) -> Option<Self> {
        let Some(text) = text.map(str::trim) else { return Some(Self::One) };
        if text.ends_with('*') {
            return Some(Self::Variable);
        }
        let product = text
            .split('x')
            .map(|n| n.parse::<usize>().ok())
            .try_fold(1usize, |product, n| product.checked_mul(n?));
        // An array of one is still an array, except that everyone writes it for a plain value.
        product.map(|n| if text == "1" { Self::One } else { Self::Fixed(n) })
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Missing,
    Bool(bool),
    Whole(i64),
    Real(f64),
    Text(String),
}

/// A FIELD and its values so far.
#[derive(Debug)]
pub struct Field {
    pub kind: Kind,
    pub size: Size,
    /// The value that stands for a missing integer.
    pub null: Option<i64>,
    pub column: Column,
}

impl Field {
    pub fn new(name: String, kind: Kind, size: Size) -> Self {
        let data = match (kind, size) {
            (k, _) if k.is_text() => ColumnData::Str(Vec::new()),
            (_, Size::Fixed(_) | Size::Variable) => ColumnData::Str(Vec::new()),
            (Kind::Boolean, _) => ColumnData::Bool(Vec::new()),
            (Kind::UnsignedByte | Kind::Short | Kind::Int, _) => ColumnData::I32(Vec::new()),
            (Kind::Long, _) => ColumnData::I64(Vec::new()),
            (Kind::Float, _) => ColumnData::F32(Vec::new()),
            (Kind::Double, _) => ColumnData::F64(Vec::new()),
            _ => ColumnData::Str(Vec::new()),
        };
        Self { kind, size, null: None, column: Column::new(name, data) }
    }

    /// Whether a cell is one plain value.
    pub fn is_scalar(&self) -> bool {
        !matches!(self.column.data, ColumnData::Str(_))
    }

    pub fn push(&mut self, value: Value) -> Result<(), String> {
        let value = match (&value, self.null) {
            (Value::Whole(v), Some(null)) if *v == null => Value::Missing,
            _ => value,
        };
        let wrong = |v: &Value| Err(format!("{v:?} does not fit the field"));
        match &mut self.column.data {
            ColumnData::F64(d) => match value {
                Value::Real(v) => d.push(v),
                Value::Missing => d.push(f64::NAN),
                v => return wrong(&v),
            },
            ColumnData::F32(d) => match value {
                Value::Real(v) => d.push(v as f32),
                Value::Missing => d.push(f32::NAN),
                v => return wrong(&v),
            },
            ColumnData::I64(d) => match value {
                Value::Whole(v) => d.push(v),
                Value::Missing => d.push(0),
                v => return wrong(&v),
            },
            ColumnData::I32(d) => match value {
                Value::Whole(v) => {
                    d.push(i32::try_from(v).map_err(|_| format!("{v} is too great for an int"))?);
                }
                Value::Missing => d.push(0),
                v => return wrong(&v),
            },
            ColumnData::Bool(d) => match value {
                Value::Bool(v) => d.push(v),
                Value::Missing => d.push(false),
                v => return wrong(&v),
            },
            ColumnData::Str(d) => match value {
                Value::Text(v) => d.push(v),
                Value::Missing => d.push(String::new()),
                v => return wrong(&v),
            },
        }
        Ok(())
    }

    /// A cell of TABLEDATA.
    pub fn parse_cell(&self, text: &str) -> Result<Value, String> {
        if !self.is_scalar() {
            return Ok(Value::Text(text.to_string()));
        }
        let text = text.trim();
        if text.is_empty() {
            return Ok(Value::Missing);
        }
        match self.kind {
            Kind::Boolean => match text.to_ascii_lowercase().as_str() {
                "t" | "true" | "1" => Ok(Value::Bool(true)),
                "f" | "false" | "0" => Ok(Value::Bool(false)),
                "?" | "null" => Ok(Value::Missing),
                _ => Err(format!("`{text}` is not a boolean")),
            },
            Kind::Float | Kind::Double => {
                text.parse().map(Value::Real).map_err(|_| format!("`{text}` is not a number"))
            }
            _ => {
                let whole = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                    Some(hex) => i64::from_str_radix(hex, 16),
                    None => text.parse(),
                };
                whole.map(Value::Whole).map_err(|_| format!("`{text}` is not a whole number"))
            }
        }
    }
}
