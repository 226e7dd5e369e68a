//! The rows of a VOTable one by one: for tables beyond the memory.
//!
//! - read: the first table of a document of any version 1.x, as TABLEDATA, BINARY or BINARY2
//! - source: IVOA Recommendation VOTable 1.4, sections 3 to 6
//! - memory: a row and a piece of the stream; a cell or a row beyond 64 MiB is refused
//! - differs from [`crate::parse_votable`]: a missing value stays missing, and an array of numbers
//!   is a list of them

use crate::VotableError;
use crate::binary_stream::{BinaryRows, Step};
use crate::field::{Field, Kind, Size, Value};
use crate::xml::attribute;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use std::io::{BufRead, Read};

/// Most bytes between two XML events, and of a binary row.
pub(crate) const PIECE_MAX: u64 = 64 << 20;

/// One cell of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Missing,
    Bool(bool),
    Whole(i64),
    Real(f64),
    Text(String),
    /// An array; complex numbers are two elements each.
    List(Vec<Cell>),
}

/// What a FIELD says.
#[derive(Debug, Clone, PartialEq)]
pub struct VotableField {
    pub name: String,
    pub kind: Kind,
    pub size: Size,
    pub unit: String,
    pub ucd: String,
    pub description: String,
    /// The whole number that stands for a missing one.
    pub null: Option<i64>,
}

impl VotableField {
    /// Whether a cell is an array of numbers or booleans.
    pub fn is_array(&self) -> bool {
        !self.kind.is_text() && (self.size != Size::One || self.kind.is_complex())
    }
}

/// Counts what is read between two events.
struct Guard<R> {
    inner: R,
    since: u64,
}

impl<R: BufRead> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Guard<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.since > PIECE_MAX {
            return Err(std::io::Error::other("a piece of text is longer than 64 MiB"));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.since += n as u64;
        self.inner.consume(n);
    }
}

enum Body {
    TableData,
    Binary(BinaryRows),
    End,
}

/// A table whose rows are read one after another.
pub struct VotableStream<R> {
    path: String,
    reader: Reader<Guard<R>>,
    buffer: Vec<u8>,
    name: String,
    fields: Vec<VotableField>,
    body: Body,
    row: usize,
}

/// What was met.
enum Met {
    Start(BytesStart<'static>, bool),
    Text(String),
    End(String),
    Eof,
}

impl<R: BufRead> VotableStream<R> {
    /// Read up to the first row; `path` is for messages.
    pub fn open(input: R, path: &str) -> Result<Self, VotableError> {
        let mut stream = Self {
            path: path.into(),
            reader: Reader::from_reader(Guard { inner: input, since: 0 }),
            buffer: Vec::new(),
            name: String::new(),
            fields: Vec::new(),
            body: Body::End,
            row: 0,
        };
        stream.header()?;
        Ok(stream)
    }

    /// The table's name; empty where it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn fields(&self) -> &[VotableField] {
        &self.fields
    }

    /// The next row, cell by cell into `row`; false after the last one.
    pub fn next_row(&mut self, row: &mut Vec<Cell>) -> Result<bool, VotableError> {
        row.clear();
        let more = match &mut self.body {
            Body::End => return Ok(false),
            Body::TableData => self.text_row(row)?,
            Body::Binary(_) => self.binary_row(row)?,
        };
        if more {
            self.row += 1;
        } else {
            self.body = Body::End;
        }
        Ok(more)
    }

    fn not(&self, reason: &str) -> VotableError {
        VotableError::NotVotable { path: self.path.clone(), reason: reason.into() }
    }

    fn unsupported(&self, reason: String) -> VotableError {
        VotableError::Unsupported { path: self.path.clone(), reason }
    }

    fn value_error(&self, field: usize, reason: String) -> VotableError {
        let field = self.fields.get(field).map(|f| f.name.clone()).unwrap_or_default();
        VotableError::Value { path: self.path.clone(), row: self.row + 1, field, reason }
    }

    fn xml(&self, byte: u64, reason: impl ToString) -> VotableError {
        let reason = reason.to_string();
        VotableError::Xml { path: self.path.clone(), byte, reason }
    }

    fn next(&mut self) -> Result<Met, VotableError> {
        loop {
            self.buffer.clear();
            self.reader.get_mut().since = 0;
            let byte = self.reader.buffer_position();
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(e) => {
                    let reason = e.to_string();
                    return Err(self.xml(byte, reason));
                }
            };
            return Ok(match event {
                Event::Eof => Met::Eof,
                Event::Start(e) => Met::Start(e.into_owned(), false),
                Event::Empty(e) => Met::Start(e.into_owned(), true),
                Event::Text(e) => Met::Text(e.to_string()),
                Event::CData(e) => Met::Text(e.to_string()),
                Event::GeneralRef(e) => {
                    let entity = format!("&{};", &*e);
                    match unescape(&entity) {
                        Ok(plain) => Met::Text(plain.into_owned()),
                        Err(_) => return Err(self.xml(byte, format!("`{entity}` means nothing"))),
                    }
                }
                Event::End(e) => Met::End(e.local_name().as_ref().to_string()),
                _ => continue,
            });
        }
    }

    /// Everything before the first row.
    fn header(&mut self) -> Result<(), VotableError> {
        let (mut root, mut table, mut in_field) = (false, false, false);
        let mut description: Option<String> = None;
        let mut with_nulls = None;
        loop {
            let (e, empty) = match self.next()? {
                Met::Eof if !root => return Err(self.not("it holds no XML element")),
                Met::Eof => return Err(self.not("it holds no whole TABLE (is the file cut off?)")),
                Met::Text(text) => {
                    if let Some(d) = &mut description {
                        d.push_str(&text);
                    }
                    continue;
                }
                Met::End(name) => {
                    match name.as_str() {
                        "TABLE" => return Ok(()),
                        "FIELD" => in_field = false,
                        "DESCRIPTION" => {
                            if let (Some(d), Some(f)) = (description.take(), self.fields.last_mut())
                            {
                                f.description = d.split_whitespace().collect::<Vec<_>>().join(" ");
                            }
                        }
                        _ => {}
                    }
                    continue;
                }
                Met::Start(e, empty) => (e, empty),
            };
            let name = e.local_name().as_ref().to_string();
            if !root {
                if name != "VOTABLE" {
                    return Err(self.not("its root is not VOTABLE"));
                }
                root = true;
                continue;
            }
            match name.as_str() {
                "INFO" if attribute(&e, "name").as_deref() == Some("QUERY_STATUS") => {
                    if attribute(&e, "value").as_deref() == Some("ERROR") {
                        return Err(self.unsupported("it is the error message of a service".into()));
                    }
                }
                "TABLE" => {
                    table = true;
                    self.name =
                        attribute(&e, "name").or_else(|| attribute(&e, "ID")).unwrap_or_default();
                    if empty {
                        return Ok(());
                    }
                }
                "FIELD" if table => {
                    self.field(&e)?;
                    in_field = !empty;
                }
                "VALUES" if in_field => {
                    let null = attribute(&e, "null").and_then(|n| whole(n.trim()));
                    if let Some(field) = self.fields.last_mut() {
                        field.null = null;
                    }
                }
                "DESCRIPTION" if in_field && !empty => description = Some(String::new()),
                "TABLEDATA" if table => {
                    self.body = if empty { Body::End } else { Body::TableData };
                    return Ok(());
                }
                "BINARY" => with_nulls = Some(false),
                "BINARY2" => with_nulls = Some(true),
                "FITS" => return Err(self.unsupported("FITS data inside are not read".into())),
                "STREAM" => {
                    if attribute(&e, "href").is_some() {
                        return Err(self.unsupported("data in another file are not read".into()));
                    }
                    if let Some(other) = attribute(&e, "encoding").filter(|c| c != "base64") {
                        return Err(self.unsupported(format!("the encoding `{other}` is not read")));
                    }
                    if let (Some(with_nulls), false) = (with_nulls, empty) {
                        self.body = Body::Binary(BinaryRows::new(with_nulls));
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }

    fn field(&mut self, e: &BytesStart) -> Result<(), VotableError> {
        let n = self.fields.len() + 1;
        let name = attribute(e, "name")
            .or_else(|| attribute(e, "ID"))
            .ok_or_else(|| self.unsupported(format!("field {n} has no name")))?;
        if self.fields.iter().any(|f| f.name == name) {
            return Err(self.unsupported(format!("two fields are named `{name}`")));
        }
        let datatype = attribute(e, "datatype").unwrap_or_default();
        let kind = Kind::parse(&datatype).ok_or_else(|| {
            self.unsupported(format!("field `{name}` has the datatype `{datatype}`"))
        })?;
        let size = attribute(e, "arraysize");
        let size = Size::parse(size.as_deref())
            .ok_or_else(|| self.unsupported(format!("field `{name}` has a wrong arraysize")))?;
        self.fields.push(VotableField {
            name,
            kind,
            size,
            unit: attribute(e, "unit").unwrap_or_default(),
            ucd: attribute(e, "ucd").unwrap_or_default(),
            description: String::new(),
            null: None,
        });
        Ok(())
    }

    fn text_row(&mut self, row: &mut Vec<Cell>) -> Result<bool, VotableError> {
        let mut text: Option<String> = None;
        loop {
            match self.next()? {
                Met::Eof => return Err(self.not("it ends within its rows (is the file cut off?)")),
                Met::Text(piece) => {
                    if let Some(text) = &mut text {
                        text.push_str(&piece);
                    }
                }
                Met::Start(e, empty) => match e.local_name().as_ref() {
                    "TR" => row.clear(),
                    "TD" => {
                        if attribute(&e, "encoding").is_some() {
                            return Err(self.unsupported("encoded cells are not read".into()));
                        }
                        text = Some(String::new());
                        if empty {
                            self.cell(row, text.take().unwrap_or_default())?;
                        }
                    }
                    _ => {}
                },
                Met::End(name) => match name.as_str() {
                    "TD" => self.cell(row, text.take().unwrap_or_default())?,
                    "TR" if row.len() == self.fields.len() => return Ok(true),
                    "TR" => {
                        let reason =
                            format!("{} cells for {} fields", row.len(), self.fields.len());
                        return Err(self.value_error(usize::MAX, reason));
                    }
                    "TABLEDATA" | "TABLE" => return Ok(false),
                    _ => {}
                },
            }
        }
    }

    fn cell(&self, row: &mut Vec<Cell>, text: String) -> Result<(), VotableError> {
        let k = row.len();
        let Some(field) = self.fields.get(k) else {
            let n = self.fields.len();
            return Err(self.value_error(usize::MAX, format!("more cells than the {n} fields")));
        };
        row.push(parse_cell(field, text).map_err(|e| self.value_error(k, e))?);
        Ok(())
    }

    fn binary_row(&mut self, row: &mut Vec<Cell>) -> Result<bool, VotableError> {
        loop {
            let Body::Binary(rows) = &mut self.body else { return Ok(false) };
            let step = rows.step(&self.fields, row);
            match step {
                Step::Row => return Ok(true),
                Step::End => return Ok(false),
                Step::Bad(field, reason) => return Err(self.value_error(field, reason)),
                Step::More => {
                    self.reader.get_mut().since = 0;
                    let byte = self.reader.buffer_position();
                    let fed = rows.feed(&mut self.reader.stream());
                    fed.map_err(|e| self.xml(byte, e))?;
                }
            }
        }
    }
}

fn whole(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A cell of TABLEDATA.
fn parse_cell(field: &VotableField, text: String) -> Result<Cell, String> {
    if field.kind.is_text() {
        return Ok(if text.is_empty() { Cell::Missing } else { Cell::Text(text) });
    }
    let plain = Field::new(String::new(), field.kind.component(), Size::One);
    let one = |word: &str| {
        Ok(match plain.parse_cell(word)? {
            Value::Whole(v) if field.null == Some(v) => Cell::Missing,
            Value::Missing => Cell::Missing,
            Value::Bool(v) => Cell::Bool(v),
            Value::Whole(v) => Cell::Whole(v),
            Value::Real(v) => Cell::Real(v),
            Value::Text(v) => Cell::Text(v),
        })
    };
    if !field.is_array() {
        return one(&text);
    }
    if text.trim().is_empty() {
        return Ok(Cell::Missing);
    }
    text.split_whitespace().map(one).collect::<Result<Vec<_>, String>>().map(Cell::List)
}
