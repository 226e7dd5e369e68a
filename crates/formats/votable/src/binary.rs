//! The rows of BINARY and BINARY2: big-endian values one after another.
//!
//! BINARY2 begins each row with one bit a field, from the highest, which is set where the value is
//! missing (VOTable 1.4, section 5.4).

use crate::field::{Field, Kind, Size, Value};

/// Bytes that are read from the front; every length is checked against what is left.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        if n > self.0.len() {
            return Err(format!("the data end early: {n} bytes wanted, {} left", self.0.len()));
        }
        let (head, tail) = self.0.split_at(n);
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }
}

/// Read all rows into the fields. An error gives row, field and reason.
pub fn read_rows(
    data: &[u8],
    fields: &mut [Field],
    with_nulls: bool,
) -> Result<(), (usize, String, String)> {
    let mut bytes = Bytes(data);
    let mut row = 0;
    if fields.is_empty() {
        return Ok(());
    }
    while !bytes.0.is_empty() {
        let nulls = if with_nulls {
            let n = fields.len().div_ceil(8);
            bytes.take(n).map_err(|e| (row, fields[0].column.name.clone(), e))?
        } else {
            &[]
        };
        let before = bytes.0.len();
        for (k, field) in fields.iter_mut().enumerate() {
            let missing = nulls.get(k / 8).is_some_and(|b| b & (0x80 >> (k % 8)) != 0);
            let result = cell(&mut bytes, field)
                .and_then(|v| field.push(if missing { Value::Missing } else { v }));
            result.map_err(|e| (row, field.column.name.clone(), e))?;
        }
        if before == bytes.0.len() && !with_nulls {
            return Err((row, fields[0].column.name.clone(), "the fields have no bytes".into()));
        }
        row += 1;
    }
    Ok(())
}

fn cell(bytes: &mut Bytes, field: &Field) -> Result<Value, String> {
    let n = match field.size {
        Size::One => 1,
        Size::Fixed(n) => n,
        Size::Variable => u32::from_be_bytes(bytes.array()?) as usize,
    };
    let length = n.checked_mul(field.kind.bytes()).ok_or("a length is absurd")?;
    let part = Bytes(bytes.take(length)?);
    if field.kind.is_text() {
        return Ok(Value::Text(text(part.0, field.kind)));
    }
    if field.is_scalar() {
        return element(part.0, field.kind);
    }
    let mut out: Vec<String> = Vec::with_capacity(n.min(1 << 16));
    let component = field.kind.component();
    for piece in part.0.chunks_exact(component.bytes()) {
        out.push(match element(piece, component)? {
            Value::Missing => "NaN".into(),
            Value::Bool(v) => if v { "T" } else { "F" }.into(),
            Value::Whole(v) => v.to_string(),
            Value::Real(v) => v.to_string(),
            Value::Text(v) => v,
        });
    }
    Ok(Value::Text(out.join(" ")))
}

/// One value from the front of its bytes.
pub(crate) fn element(bytes: &[u8], kind: Kind) -> Result<Value, String> {
    let mut part = Bytes(bytes);
    Ok(match kind {
        Kind::Boolean => match part.array::<1>()?[0] {
            b'T' | b't' | b'1' => Value::Bool(true),
            b'F' | b'f' | b'0' => Value::Bool(false),
            _ => Value::Missing,
        },
        Kind::UnsignedByte | Kind::Char => Value::Whole(i64::from(part.array::<1>()?[0])),
        Kind::Short | Kind::UnicodeChar => Value::Whole(i16::from_be_bytes(part.array()?).into()),
        Kind::Int => Value::Whole(i32::from_be_bytes(part.array()?).into()),
        Kind::Long => Value::Whole(i64::from_be_bytes(part.array()?)),
        Kind::Float | Kind::FloatComplex => Value::Real(f32::from_be_bytes(part.array()?).into()),
        Kind::Double | Kind::DoubleComplex => Value::Real(f64::from_be_bytes(part.array()?)),
    })
}

/// Text ends at the first NUL; fixed lengths are filled with them or with spaces.
pub(crate) fn text(bytes: &[u8], kind: Kind) -> String {
    let whole = if kind == Kind::Char {
        String::from_utf8_lossy(bytes).into_owned()
    } else {
        let units: Vec<u16> =
            bytes.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    whole.split('\0').next().unwrap_or_default().trim_end().to_string()
}
