//! Reading the first table of a VOTable.

use crate::VotableError;
use crate::binary::read_rows;
use crate::field::{Field, Kind, Size};
use crate::xml::attribute;
use base64::Engine;
use elqui_schema::Table;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use std::path::Path;

/// Read a VOTable file.
pub fn read_votable(path: &Path) -> Result<Table, VotableError> {
    let name = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|source| VotableError::Read { path: name.clone(), source })?;
    let mut table = parse_votable(&bytes, &name)?;
    if table.name == name {
        table.name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    }
    Ok(table)
}

/// What the text inside the present element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    FieldDescription,
    Cell,
    Stream { with_nulls: bool },
}

struct State<'a> {
    path: &'a str,
    table: Table,
    fields: Vec<Field>,
    inside: Inside,
    text: String,
    in_table: bool,
    in_field: bool,
    with_nulls: Option<bool>,
    cell: usize,
    row: usize,
    found: bool,
}

/// Read a VOTable's bytes; `name` is for messages, and the table's own where it has none.
pub fn parse_votable(bytes: &[u8], name: &str) -> Result<Table, VotableError> {
    let not = |reason: String| VotableError::NotVotable { path: name.into(), reason };
    let text = std::str::from_utf8(bytes).map_err(|_| not("it is not UTF-8 text".into()))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = Reader::from_str(text);
    let mut state = State {
        path: name,
        table: Table::new(name),
        fields: Vec::new(),
        inside: Inside::Nothing,
        text: String::new(),
        in_table: false,
        in_field: false,
        with_nulls: None,
        cell: 0,
        row: 0,
        found: false,
    };
    let mut root_seen = false;
    loop {
        let byte = reader.buffer_position();
        let event = reader.read_event().map_err(|e| VotableError::Xml {
            path: name.into(),
            byte,
            reason: e.to_string(),
        })?;
        match event {
            Event::Eof => break,
            Event::Start(e) | Event::Empty(e) if !root_seen => {
                if e.local_name().as_ref() != "VOTABLE" {
                    return Err(not("its root is not VOTABLE".into()));
                }
                root_seen = true;
            }
            Event::Start(e) => state.start(&e, false)?,
            Event::Empty(e) => state.start(&e, true)?,
            Event::Text(e) => state.append(&e),
            Event::CData(e) => state.append(&e),
            Event::GeneralRef(e) => {
                let entity = format!("&{};", &*e);
                let plain = unescape(&entity).map_err(|_| VotableError::Xml {
                    path: name.into(),
                    byte,
                    reason: format!("`{entity}` means nothing"),
                })?;
                state.append(&plain);
            }
            Event::End(e) => {
                if state.end(e.local_name().as_ref())? {
                    state.found = true;
                    break;
                }
            }
            _ => {}
        }
    }
    if !root_seen {
        return Err(not("it holds no XML element".into()));
    }
    if !state.found {
        return Err(not("it holds no whole TABLE (is the file cut off?)".into()));
    }
    let mut table = state.table;
    table.columns = state.fields.into_iter().map(|f| f.column).collect();
    Ok(table)
}

impl State<'_> {
    fn unsupported(&self, reason: String) -> VotableError {
        VotableError::Unsupported { path: self.path.into(), reason }
    }

    fn value_error(&self, row: usize, field: &str, reason: String) -> VotableError {
        VotableError::Value { path: self.path.into(), row: row + 1, field: field.into(), reason }
    }

    fn append(&mut self, text: &str) {
        if self.inside != Inside::Nothing {
            self.text.push_str(text);
        }
    }

    fn begin(&mut self, inside: Inside) {
        self.inside = inside;
        self.text.clear();
    }

    fn start(&mut self, e: &BytesStart, empty: bool) -> Result<(), VotableError> {
        match e.local_name().as_ref() {
            "TABLE" => {
                self.in_table = true;
                if let Some(name) = attribute(e, "name").or_else(|| attribute(e, "ID")) {
                    self.table.name = name;
                }
            }
            "INFO" | "PARAM" => {
                if let (Some(k), Some(v)) = (attribute(e, "name"), attribute(e, "value")) {
                    self.table.metadata.push((k, v));
                }
            }
            "FIELD" if self.in_table => {
                self.field(e)?;
                self.in_field = !empty;
            }
            "VALUES" if self.in_field => {
                let null = attribute(e, "null").and_then(|n| n.trim().parse().ok());
                if let Some(field) = self.fields.last_mut() {
                    field.null = null;
                }
            }
            "DESCRIPTION" if self.in_field && !empty => self.begin(Inside::FieldDescription),
            "TR" => self.cell = 0,
            "TD" => {
                if attribute(e, "encoding").is_some() {
                    return Err(self.unsupported("encoded cells are not read".into()));
                }
                self.begin(Inside::Cell);
                if empty {
                    self.end_cell()?;
                }
            }
            "BINARY" => self.with_nulls = Some(false),
            "BINARY2" => self.with_nulls = Some(true),
            "FITS" => return Err(self.unsupported("FITS data inside are not read".into())),
            "STREAM" if !empty || attribute(e, "href").is_some() => {
                if attribute(e, "href").is_some() {
                    return Err(self.unsupported("data in another file are not read".into()));
                }
                if let Some(other) = attribute(e, "encoding").filter(|c| c != "base64") {
                    return Err(self.unsupported(format!("the encoding `{other}` is not read")));
                }
                if let Some(with_nulls) = self.with_nulls {
                    self.begin(Inside::Stream { with_nulls });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn field(&mut self, e: &BytesStart) -> Result<(), VotableError> {
        let n = self.fields.len() + 1;
        let name = attribute(e, "name")
            .or_else(|| attribute(e, "ID"))
            .ok_or_else(|| self.unsupported(format!("field {n} has no name")))?;
        if self.fields.iter().any(|f| f.column.name == name) {
            return Err(self.unsupported(format!("two fields are named `{name}`")));
        }
        let datatype = attribute(e, "datatype").unwrap_or_default();
        let kind = Kind::parse(&datatype).ok_or_else(|| {
            self.unsupported(format!("field `{name}` has the datatype `{datatype}`"))
        })?;
        let size = attribute(e, "arraysize");
        let size = Size::parse(size.as_deref())
            .ok_or_else(|| self.unsupported(format!("field `{name}` has a wrong arraysize")))?;
        let mut field = Field::new(name, kind, size);
        field.column.unit = attribute(e, "unit").unwrap_or_default();
        field.column.ucd = attribute(e, "ucd").unwrap_or_default();
        self.fields.push(field);
        Ok(())
    }

    fn end_cell(&mut self) -> Result<(), VotableError> {
        self.inside = Inside::Nothing;
        let Some(field) = self.fields.get_mut(self.cell) else {
            let n = self.fields.len();
            return Err(self.value_error(self.row, "", format!("more cells than the {n} fields")));
        };
        let result = field.parse_cell(&self.text).and_then(|v| field.push(v));
        let name = field.column.name.clone();
        self.cell += 1;
        result.map_err(|reason| self.value_error(self.row, &name, reason))
    }

    /// Whether the table is complete.
    fn end(&mut self, name: &str) -> Result<bool, VotableError> {
        match name {
            "TABLE" => return Ok(true),
            "FIELD" => self.in_field = false,
            "DESCRIPTION" if self.inside == Inside::FieldDescription => {
                let words: Vec<&str> = self.text.split_whitespace().collect();
                if let Some(field) = self.fields.last_mut() {
                    field.column.description = words.join(" ");
                }
                self.inside = Inside::Nothing;
            }
            "TD" if self.inside == Inside::Cell => self.end_cell()?,
            "TR" => {
                if self.cell != self.fields.len() {
                    let reason = format!("{} cells for {} fields", self.cell, self.fields.len());
                    return Err(self.value_error(self.row, "", reason));
                }
                self.row += 1;
            }
            "STREAM" => {
                if let Inside::Stream { with_nulls } = self.inside {
                    let text: String = self.text.split_whitespace().collect();
                    let data =
                        base64::engine::general_purpose::STANDARD.decode(text).map_err(|e| {
                            self.unsupported(format!("the base64 data are damaged: {e}"))
                        })?;
                    let result = read_rows(&data, &mut self.fields, with_nulls);
                    result.map_err(|(row, field, why)| self.value_error(row, &field, why))?;
                    self.inside = Inside::Nothing;
                }
            }
            _ => {}
        }
        Ok(false)
    }
}
