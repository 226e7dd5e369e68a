//! A graph as one file, written and read as a stream.
//!
//! gzip around: the magic `ELQG`, a version, the header as JSON with its length, then tables and
//! edges as LEB128 numbers. Rows differ little from the row before, so differences are written, mostly
//! a byte each; gzip (already in the house, for FITS) halves what repeats and its CRC finds damage. serde
//! formats were rejected: they would build the whole text or copy all tables first.

use crate::error::PipelineError;
use crate::graph::table::{Edges, NONE, RowTable};
use crate::graph::{Found, GraphHeader, QuantumGraph, TaskNodes, Texts, TypeNodes};
use elqui_codec::CodecError;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

const MAGIC: &[u8; 4] = b"ELQG";
const VERSION: u64 = 1;
/// A header is pipelines and configurations: more than this is not one of ours.
const HEADER_BYTES_MAX: u64 = 64 << 20;
const TEXT_BYTES_MAX: u64 = 1 << 16;
/// No list is believed to be longer before its items were read.
const RESERVE_MAX: usize = 1 << 16;

impl QuantumGraph {
    /// Write the graph; the file is whole or not there.
    pub fn save(&self, path: &Path) -> Result<(), PipelineError> {
        let fail = |e: io::Error| PipelineError::Codec(CodecError::write(path, e));
        elqui_codec::atomic_write(path, |to| {
            let packed = GzEncoder::new(to, Compression::fast());
            let mut to = BufWriter::with_capacity(1 << 16, packed);
            write_graph(self, &mut to).map_err(fail)?;
            let packed = to.into_inner().map_err(|e| fail(e.into_error()))?;
            packed.finish().map_err(fail)?;
            Ok(())
        })
    }

    /// Read a graph back; one that is damaged is an error that says so.
    pub fn load(path: &Path) -> Result<Self, PipelineError> {
        let name = path.display().to_string();
        let file = std::fs::File::open(path)
            .map_err(|source| PipelineError::Read { path: name.clone(), source })?;
        let mut from = BufReader::with_capacity(1 << 16, GzDecoder::new(BufReader::new(file)));
        let wrong = |e: io::Error| PipelineError::SavedGraph {
            path: name.clone(),
            why: format!("{e}; make it again with `elqui pipeline plan`"),
        };
        read_graph(&mut from).map_err(wrong)
    }
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn put(to: &mut dyn Write, mut n: u64) -> io::Result<()> {
    let mut bytes = [0; 10];
    let mut count = 0;
    loop {
        bytes[count] = (n & 0x7f) as u8 | if n > 0x7f { 0x80 } else { 0 };
        count += 1;
        n >>= 7;
        if n == 0 {
            return to.write_all(&bytes[..count]);
        }
    }
}

fn get(from: &mut dyn Read) -> io::Result<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        n |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(n);
        }
    }
    Err(bad("a number has no end"))
}

fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

fn unzigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}

fn put_all(to: &mut dyn Write, all: impl ExactSizeIterator<Item = i64>) -> io::Result<()> {
    put(to, all.len() as u64)?;
    let mut last = 0_i64;
    for v in all {
        put(to, zigzag(v.wrapping_sub(last)))?;
        last = v;
    }
    Ok(())
}

/// Row numbers below `limit`; `NONE` where `hole` allows it.
fn get_rows(from: &mut dyn Read, limit: usize, hole: bool) -> io::Result<Vec<u32>> {
    let count = get(from)? as usize;
    let mut all = Vec::with_capacity(count.min(RESERVE_MAX));
    let mut last = 0_i64;
    for _ in 0..count {
        last = last.wrapping_add(unzigzag(get(from)?));
        let row = u32::try_from(last).map_err(|_| bad("a row number is out of range"))?;
        if row as usize >= limit && !(hole && row == NONE) {
            return Err(bad("a row number is out of range"));
        }
        all.push(row);
    }
    Ok(all)
}

fn put_table(to: &mut dyn Write, table: &RowTable, width: usize) -> io::Result<()> {
    put(to, table.len() as u64)?;
    let mut last = vec![0_i64; width];
    for k in 0..table.len() {
        for (v, last) in table.row(k as u32).iter().zip(&mut last) {
            put(to, zigzag(v.wrapping_sub(*last)))?;
            *last = *v;
        }
    }
    Ok(())
}

fn get_table(from: &mut dyn Read, width: usize, key: usize) -> io::Result<RowTable> {
    let count = get(from)?;
    let mut table = RowTable::new(width, key);
    let mut row = vec![0_i64; width];
    for k in 0..count {
        for v in &mut row {
            *v = v.wrapping_add(unzigzag(get(from)?));
        }
        if u64::from(table.intern(&row)) != k {
            return Err(bad("a row is there twice"));
        }
    }
    Ok(table)
}

fn put_text(to: &mut dyn Write, text: &[u8]) -> io::Result<()> {
    put(to, text.len() as u64)?;
    to.write_all(text)
}

fn get_text(from: &mut dyn Read, most: u64) -> io::Result<Vec<u8>> {
    let length = get(from)?;
    if length > most {
        return Err(bad("a text is too long"));
    }
    let mut text = Vec::new();
    from.take(length).read_to_end(&mut text)?;
    if text.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text)
}

fn extra(header: &GraphHeader, name: &str) -> usize {
    usize::from(super::build::is_calibration(header, name))
}

fn write_graph(graph: &QuantumGraph, to: &mut dyn Write) -> io::Result<()> {
    to.write_all(MAGIC)?;
    put(to, VERSION)?;
    put_text(to, &serde_json::to_vec(&graph.header)?)?;
    put(to, graph.texts.all.len() as u64)?;
    for text in &graph.texts.all {
        put_text(to, text.as_bytes())?;
    }
    put(to, graph.found.len() as u64)?;
    for found in &graph.found {
        to.write_all(&found.id)?;
        put(to, zigzag(found.run))?;
    }
    for (head, nodes) in graph.header.types.iter().zip(&graph.types) {
        let width = head.of.dimensions.len() + extra(&graph.header, &head.of.name);
        put_table(to, &nodes.ids, width)?;
        put_all(to, nodes.makers.iter().map(|m| i64::from(*m)))?;
        put_all(to, nodes.found.iter().map(|m| i64::from(*m)))?;
    }
    for (head, nodes) in graph.header.tasks.iter().zip(&graph.tasks) {
        put_table(to, &nodes.ids, head.columns.len())?;
        for edges in &nodes.inputs {
            put_all(to, edges.ends.iter().map(|m| i64::from(*m)))?;
            put_all(to, edges.rows.iter().map(|m| i64::from(*m)))?;
        }
        for rows in &nodes.outputs {
            put_all(to, rows.iter().map(|m| i64::from(*m)))?;
        }
    }
    Ok(())
}

fn read_graph(from: &mut dyn Read) -> io::Result<QuantumGraph> {
    let mut magic = [0; 4];
    from.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(bad("it does not begin as one"));
    }
    let version = get(from)?;
    if version != VERSION {
        return Err(bad(&format!("its version is {version}, this program knows {VERSION}")));
    }
    let header: GraphHeader = serde_json::from_slice(&get_text(from, HEADER_BYTES_MAX)?)?;
    let mut texts = Texts::default();
    for k in 0..get(from)? {
        let text = String::from_utf8(get_text(from, TEXT_BYTES_MAX)?).map_err(|_| bad("a text"))?;
        if texts.intern(&text) != k as i64 {
            return Err(bad("a text is there twice"));
        }
    }
    let mut found = Vec::new();
    for _ in 0..get(from)? {
        let mut id = [0; 16];
        from.read_exact(&mut id)?;
        found.push(Found { id, run: unzigzag(get(from)?) });
    }
    check_header(&header)?;
    let mut types = Vec::new();
    for head in &header.types {
        let width = head.of.dimensions.len() + extra(&header, &head.of.name);
        let ids = get_table(from, width, width)?;
        // Who makes them is checked when the steps are known.
        let makers = get_rows(from, NONE as usize, true)?;
        let places = get_rows(from, found.len(), true)?;
        if makers.len() != ids.len() || places.len() != ids.len() {
            return Err(bad("the datasets of a type are not complete"));
        }
        types.push(TypeNodes { ids, makers, found: places });
    }
    let mut graph = QuantumGraph { header, texts, tasks: Vec::new(), types, found };
    for task in 0..graph.header.tasks.len() {
        let nodes = read_task(from, &graph, task)?;
        graph.tasks.push(nodes);
    }
    for (head, nodes) in graph.header.types.iter().zip(&graph.types) {
        let quanta = head.maker.map_or(0, |m| graph.tasks[m].ids.len());
        if nodes.makers.iter().any(|m| *m != NONE && *m as usize >= quanta) {
            return Err(bad("a dataset is made by no quantum"));
        }
    }
    // The checksum is at the end: reading on makes it be compared.
    if from.read(&mut [0])? != 0 {
        return Err(bad("something follows its end"));
    }
    Ok(graph)
}

fn check_header(header: &GraphHeader) -> io::Result<()> {
    let known = |name: &str| header.types.iter().any(|t| t.of.name == name);
    let good = header.tasks.iter().all(|t| {
        t.required <= t.columns.len()
            && t.info.inputs.iter().chain(&t.info.outputs).all(|s| known(&s.dataset_type))
    });
    let makers = header.types.iter().all(|t| t.maker.is_none_or(|m| m < header.tasks.len()));
    if good && makers { Ok(()) } else { Err(bad("its header contradicts itself")) }
}

fn read_task(from: &mut dyn Read, graph: &QuantumGraph, task: usize) -> io::Result<TaskNodes> {
    let head = &graph.header.tasks[task];
    let ids = get_table(from, head.columns.len(), head.required)?;
    let rows_of = |name: &str| graph.types[graph.type_of(name)].ids.len();
    let mut inputs = Vec::new();
    for slot in &head.info.inputs {
        let ends = get_rows(from, NONE as usize, false)?;
        let rows = get_rows(from, rows_of(&slot.dataset_type), false)?;
        let last = ends.last().copied().unwrap_or(0) as usize;
        if ends.len() != ids.len() || last != rows.len() || !ends.is_sorted() {
            return Err(bad("the inputs of a step are not complete"));
        }
        inputs.push(Edges { ends, rows });
    }
    let mut outputs = Vec::new();
    for slot in &head.info.outputs {
        let rows = get_rows(from, rows_of(&slot.dataset_type), false)?;
        if rows.len() != ids.len() {
            return Err(bad("the outputs of a step are not complete"));
        }
        outputs.push(rows);
    }
    Ok(TaskNodes { ids, inputs, outputs })
}
