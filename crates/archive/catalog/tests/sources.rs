//! Inputs of every format: values, nulls, units, and input that is damaged.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use elqui_catalog::CatalogError;
use elqui_catalog::source::{InDegrees, InputOptions, Inputs, RowSource, key_columns};
use flate2::write::GzEncoder;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn put(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn open(path: &Path) -> Result<Inputs, CatalogError> {
    Inputs::open(&[path.display().to_string()], &InputOptions::default())
}

fn all(source: &dyn RowSource) -> Result<RecordBatch, CatalogError> {
    let mut batches = Vec::new();
    for k in 0..source.parts() {
        for batch in source.part(k, None)? {
            batches.push(batch?);
        }
    }
    Ok(concat_batches(&source.schema(), &batches).unwrap())
}

fn read(path: &Path) -> Result<RecordBatch, CatalogError> {
    all(&open(path)?)
}

fn refusal(path: &Path) -> String {
    let text = read(path).unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text}");
    assert!(text.contains(path.file_name().unwrap().to_str().unwrap()), "{text}");
    text
}

fn f64s(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter().collect()
}

fn i64s(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().iter().collect()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let array = batch.column_by_name(name).unwrap().as_string::<i32>();
    array.iter().map(|v| v.map(str::to_string)).collect()
}

const PLAIN: &str = "id,ra,name,ok\n9223372036854775807,1.5,\"a, \"\"b\"\"\",true\n,nan,,false\n-3,-2e-3,αβ\u{1f30c},\n";

#[test]
fn csv_in_its_many_dresses() {
    let folder = TempDir::new().unwrap();
    let crlf = PLAIN.replace('\n', "\r\n");
    let mixed = PLAIN.replacen('\n', "\r\n", 2);
    let tabs = "id\tra\tname\tok\n9223372036854775807\t1.5\t\"a, \"\"b\"\"\"\ttrue\n\tnan\t\tfalse\n-3\t-2e-3\tαβ\u{1f30c}\t\n";
    let files = [
        put(&folder, "plain.csv", PLAIN),
        put(&folder, "crlf.csv", crlf),
        put(&folder, "mixed.csv", mixed),
        put(&folder, "cr.csv", PLAIN.replace('\n', "\r")),
        put(&folder, "bom.csv", format!("\u{feff}{PLAIN}")),
        put(&folder, "comment.csv", format!("# \"of\" gaia\n\n{PLAIN}# the end\n")),
        put(&folder, "tabs.tsv", tabs),
        put(
            &folder,
            "semi.csv",
            PLAIN.replace("a, ", "a; ").replace(',', ";").replace("a; ", "a, "),
        ),
        put(&folder, "noend.csv", PLAIN.trim_end()),
        put(&folder, "packed.csv.gz", gzip(PLAIN.as_bytes())),
        put(&folder, "packed_but_named.csv", gzip(PLAIN.as_bytes())),
    ];
    for file in files {
        let batch = read(&file).unwrap_or_else(|e| panic!("{file:?}: {e}"));
        assert_eq!(i64s(&batch, "id"), [Some(i64::MAX), None, Some(-3)], "{file:?}");
        assert_eq!(f64s(&batch, "ra"), [Some(1.5), None, Some(-2e-3)], "{file:?}");
        let name = texts(&batch, "name");
        assert_eq!(name[0].as_deref(), Some("a, \"b\""), "{file:?}");
        assert_eq!((name[1].as_deref(), name[2].as_deref()), (None, Some("αβ\u{1f30c}")));
        let ok = batch.column_by_name("ok").unwrap().as_boolean();
        assert_eq!(ok.iter().collect::<Vec<_>>(), [Some(true), Some(false), None], "{file:?}");
    }
}

#[test]
fn csv_that_is_no_table_is_refused_in_one_line() {
    let folder = TempDir::new().unwrap();
    let cases: &[(&str, &[u8], &str)] = &[
        ("empty.csv", b"", "empty"),
        ("blank.csv", b"\n\n", "no header"),
        ("twice.csv", b"ra,dec,ra\n1,2,3\n", "two columns are named `ra`"),
        ("unnamed.csv", b"ra,,dec\n1,2,3\n", "column 2 has no name"),
        ("numbers.csv", b"1.5,2.5\n2.5,3.5\n", "first line holds numbers"),
        ("short.csv", b"ra,dec\n1,2\n3\n", "row 2: 1 fields where the header has 2"),
        ("long.csv", b"ra,dec\n1,2,3\n", "row 1: 3 fields"),
        ("latin.csv", b"ra,name\n1,caf\xe9\n", "not UTF-8"),
        ("binary.csv", b"ra,dec\n1,\0\0\n", "none of Parquet"),
        ("utf16.csv", b"\xff\xfer\0a\0", "iconv"),
        ("cut.csv.gz", &gzip(&PLAIN.repeat(2000).into_bytes())[..1000], "cut.csv.gz"),
    ];
    for (name, bytes, wanted) in cases {
        let path = put(&folder, name, bytes);
        let text = refusal(&path);
        assert!(text.contains(wanted), "{name}: {text}");
    }
    let huge = [b"ra,name\n1,\"".as_slice(), &vec![b'x'; 20 << 20]].concat();
    let text = refusal(&put(&folder, "quote.csv", huge));
    assert!(text.contains("quote"), "{text}");
}

#[test]
fn csv_header_only_case_twins_and_late_surprises() {
    let folder = TempDir::new().unwrap();
    let source = open(&put(&folder, "head.csv", "ra,dec\n")).unwrap();
    assert_eq!(all(&source).unwrap().num_rows(), 0);
    assert_eq!(source.schema().field(0).data_type(), &DataType::Float64);
    let twins = read(&put(&folder, "twins.csv", "RA,ra\n1,2\n")).unwrap();
    assert_eq!((i64s(&twins, "RA")[0], i64s(&twins, "ra")[0]), (Some(1), Some(2)));
    let late = put(&folder, "late.csv", "n\n1\n2\nx\n");
    let options = InputOptions { infer_rows: 2, ..Default::default() };
    let source = Inputs::open(&[late.display().to_string()], &options).unwrap();
    let text = all(&source).unwrap_err().to_string();
    assert!(text.contains("row 3, column `n`: `x` is not a whole number"), "{text}");
    assert!(text.contains("--infer-rows"), "{text}");
}

#[test]
fn a_projection_reads_the_same_values() {
    let folder = TempDir::new().unwrap();
    let source = open(&put(&folder, "p.csv", PLAIN)).unwrap();
    let batch = source.part(0, Some(&[2, 0])).unwrap().next().unwrap().unwrap();
    assert_eq!(batch.schema().field(0).name(), "name");
    assert_eq!(i64s(&batch, "id")[2], Some(-3));
}

#[test]
fn ecsv_brings_types_units_and_words() {
    let folder = TempDir::new().unwrap();
    let text = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: ra, unit: deg, datatype: float64, description: place}\n# - {name: n, datatype: int32}\n# - {name: t, datatype: string}\n# meta: !!omap\n# - {author: x}\n# schema: astropy-2.0\nra n t\n1.5 7 \"a b\"\n\"\" \"\" c\n";
    let batch = read(&put(&folder, "t.ecsv", text)).unwrap();
    assert_eq!(batch.schema().field(0).metadata()["unit"], "deg");
    assert_eq!(batch.schema().field(0).metadata()["description"], "place");
    assert_eq!(f64s(&batch, "ra"), [Some(1.5), None]);
    let n = batch.column_by_name("n").unwrap().as_primitive::<Int32Type>();
    assert_eq!(n.iter().collect::<Vec<_>>(), [Some(7), None]);
    assert_eq!(texts(&batch, "t")[0].as_deref(), Some("a b"));
}

/// A binary table of given columns: TTYPE, TFORM and further cards.
fn fits(columns: &[(&str, &str, &str)], row_bytes: usize, rows: usize, data: &[u8]) -> Vec<u8> {
    fn block(cards: &[String]) -> Vec<u8> {
        let mut out: Vec<u8> = cards.iter().flat_map(|c| format!("{c:<80}").into_bytes()).collect();
        out.extend(format!("{:<80}", "END").bytes());
        out.resize(out.len().div_ceil(2880) * 2880, b' ');
        out
    }
    let mut out = block(&["SIMPLE  = T".into(), "BITPIX  = 8".into(), "NAXIS   = 0".into()]);
    let mut cards =
        vec!["XTENSION= 'BINTABLE'".to_string(), "BITPIX  = 8".into(), "NAXIS   = 2".into()];
    cards.push(format!("NAXIS1  = {row_bytes}"));
    cards.push(format!("NAXIS2  = {rows}"));
    cards.extend(["PCOUNT  = 0".to_string(), "GCOUNT  = 1".into()]);
    cards.push(format!("TFIELDS = {}", columns.len()));
    for (k, (name, form, more)) in (1..).zip(columns) {
        cards.push(format!("{:<8}= '{name}'", format!("TTYPE{k}")));
        cards.push(format!("{:<8}= '{form}'", format!("TFORM{k}")));
        for card in more.split(';').filter(|c| !c.is_empty()) {
            let (key, value) = card.split_once('=').unwrap();
            cards.push(format!("{:<8}= {value}", format!("{key}{k}")));
        }
    }
    out.extend(block(&cards));
    out.extend(data);
    out.resize(out.len().div_ceil(2880) * 2880, 0);
    out
}

fn sample_fits() -> Vec<u8> {
    let columns = [
        ("ra", "D", "TUNIT='deg';TUCD='pos.eq.ra'"),
        ("n", "J", "TNULL=-99"),
        ("u", "I", "TZERO=32768"),
        ("mag", "2E", ""),
        ("ok", "L", ""),
        ("name", "5A", ""),
        ("bits", "3X", ""),
        ("scaled", "I", "TSCAL=0.5;TZERO=10"),
    ];
    let mut data = Vec::new();
    for (ra, n, u, mag, ok, name, bits, scaled) in [
        (1.5f64, 7i32, i16::MAX, [1f32, f32::NAN], b'T', b"ab   ", 0b1010_0000u8, 4i16),
        (f64::NAN, -99, i16::MIN, [2.0, 3.0], 0, b"\0\0\0\0\0", 0, -20),
    ] {
        data.extend(ra.to_be_bytes());
        data.extend(n.to_be_bytes());
        data.extend(u.to_be_bytes());
        mag.iter().for_each(|m| data.extend(m.to_be_bytes()));
        data.push(ok);
        data.extend(name);
        data.push(bits);
        data.extend(scaled.to_be_bytes());
    }
    fits(&columns, 31, 2, &data)
}

#[test]
fn fits_tables_keep_units_nulls_vectors_and_bits() {
    let folder = TempDir::new().unwrap();
    let bytes = sample_fits();
    for path in [put(&folder, "t.fits", &bytes), put(&folder, "t.fits.gz", gzip(&bytes))] {
        let batch = read(&path).unwrap();
        assert_eq!(batch.schema().field(0).metadata()["unit"], "deg");
        assert_eq!(batch.schema().field(0).metadata()["ucd"], "pos.eq.ra");
        assert_eq!(f64s(&batch, "ra"), [Some(1.5), None]);
        let n = batch.column_by_name("n").unwrap().as_primitive::<Int32Type>();
        assert_eq!(n.iter().collect::<Vec<_>>(), [Some(7), None]);
        let u = batch.column_by_name("u").unwrap().as_primitive::<Int32Type>();
        assert_eq!(u.iter().collect::<Vec<_>>(), [Some(65535), Some(0)]);
        let mag = batch.column_by_name("mag").unwrap().as_fixed_size_list();
        assert_eq!(mag.value_length(), 2);
        let values = mag.values().as_primitive::<Float32Type>();
        assert_eq!(values.iter().collect::<Vec<_>>(), [Some(1.0), None, Some(2.0), Some(3.0)]);
        let ok = batch.column_by_name("ok").unwrap().as_boolean();
        assert_eq!(ok.iter().collect::<Vec<_>>(), [Some(true), None]);
        assert_eq!(texts(&batch, "name"), [Some("ab".to_string()), None]);
        let bits = batch.column_by_name("bits").unwrap().as_fixed_size_list();
        let bits: Vec<_> = bits.values().as_boolean().iter().map(Option::unwrap).collect();
        assert_eq!(bits, [true, false, true, false, false, false]);
        assert_eq!(f64s(&batch, "scaled"), [Some(12.0), Some(0.0)]);
    }
}

#[test]
fn damaged_fits_is_refused() {
    let folder = TempDir::new().unwrap();
    let bytes = sample_fits();
    let text = refusal(&put(&folder, "cut.fits", &bytes[..bytes.len() - 2880]));
    assert!(text.contains("cut short"), "{text}");
    let wrong = fits(&[("ra", "D", "")], 8, 1 << 40, &[0; 8]);
    refusal(&put(&folder, "many.fits", wrong));
    let variable = fits(&[("v", "1PE(3)", ""), ("ra", "D", "")], 16, 1, &[0; 16]);
    let path = put(&folder, "var.fits", variable);
    let text = refusal(&path);
    assert!(text.contains("`v`") && text.contains("--without"), "{text}");
    let options = InputOptions { without: vec!["V".into()], ..Default::default() };
    let source = Inputs::open(&[path.display().to_string()], &options).unwrap();
    assert_eq!(all(&source).unwrap().num_columns(), 1);
    // What is missing after the last row is padding only.
    for cut in (0..2 * 2880 + 62).step_by(333) {
        let path = put(&folder, "c.fits", &bytes[..cut]);
        assert!(read(&path).is_err(), "cut at {cut}");
    }
    refusal(&put(&folder, "image.fits", &bytes[..2880]));
}

fn votable(fields: &str, data: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<VOTABLE version=\"1.4\"><RESOURCE><TABLE name=\"t\">{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>"
    )
}

const FIELDS: &str = "<FIELD name=\"ra\" datatype=\"double\" unit=\"deg\" ucd=\"pos.eq.ra;meta.main\"><DESCRIPTION>Where\n it is</DESCRIPTION></FIELD>\
    <FIELD name=\"n\" datatype=\"int\"><VALUES null=\"-1\"/></FIELD>\
    <FIELD name=\"s\" datatype=\"char\" arraysize=\"*\"/>\
    <FIELD name=\"v\" datatype=\"short\" arraysize=\"2\"/>";

#[test]
fn votable_in_its_three_serialisations() {
    let folder = TempDir::new().unwrap();
    let text = "<TABLEDATA><TR><TD>1.5</TD><TD>7</TD><TD>a &lt; b</TD><TD>1 2</TD></TR>\
        <TR><TD>NaN</TD><TD>-1</TD><TD/><TD/></TR></TABLEDATA>";
    let row = |ra: f64, n: i32, s: &str, v: [i16; 2]| {
        let mut out = Vec::new();
        out.extend(ra.to_be_bytes());
        out.extend(n.to_be_bytes());
        out.extend((s.len() as u32).to_be_bytes());
        out.extend(s.as_bytes());
        v.iter().for_each(|x| out.extend(x.to_be_bytes()));
        out
    };
    let rows = [row(1.5, 7, "a < b", [1, 2]), row(f64::NAN, -1, "", [0, 0])];
    let binary = base64(&rows.concat());
    let binary2 = base64(&[&[0u8][..], &rows[0], &[0b1101_0000], &rows[1]].concat());
    let binary = format!("<BINARY><STREAM encoding=\"base64\">\n{binary}\n</STREAM></BINARY>");
    let binary2 = format!("<BINARY2><STREAM encoding=\"base64\">{binary2}</STREAM></BINARY2>");
    for (k, data) in [text, binary.as_str(), binary2.as_str()].into_iter().enumerate() {
        let whole = votable(FIELDS, data);
        for path in [
            put(&folder, &format!("{k}.vot"), &whole),
            put(&folder, &format!("{k}.vot.gz"), gzip(whole.as_bytes())),
        ] {
            let batch = read(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            let facts = batch.schema().field(0).metadata().clone();
            assert_eq!(
                (facts["unit"].as_str(), facts["ucd"].as_str()),
                ("deg", "pos.eq.ra;meta.main")
            );
            assert_eq!(facts["description"], "Where it is");
            assert_eq!(f64s(&batch, "ra"), [Some(1.5), None]);
            let n = batch.column_by_name("n").unwrap().as_primitive::<Int32Type>();
            assert_eq!(n.iter().collect::<Vec<_>>(), [Some(7), None]);
            assert_eq!(texts(&batch, "s"), [Some("a < b".to_string()), None]);
            let v = batch.column_by_name("v").unwrap().as_fixed_size_list();
            assert_eq!(v.value(0).as_primitive::<Int16Type>().values(), &[1, 2]);
            assert!(k == 1 || v.is_null(1));
        }
        for cut in (0..whole.len()).step_by(7) {
            // Cut after the last row it is complete, for all that is read.
            if cut < whole.find("</DATA>").unwrap() - 30 {
                assert!(read(&put(&folder, "cut.vot", &whole[..cut])).is_err(), "{k} at {cut}");
            }
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let v = group.iter().enumerate().fold(0u32, |v, (k, b)| v | u32::from(*b) << (16 - 8 * k));
        for k in 0..4 {
            let letter = char::from(LETTERS[(v >> (18 - 6 * k) & 63) as usize]);
            out.push(if k <= group.len() { letter } else { '=' });
        }
    }
    out
}

#[test]
fn votable_that_is_wrong_is_refused() {
    let folder = TempDir::new().unwrap();
    let cases = [
        ("html.vot", "<html><body>404</body></html>".to_string(), "not VOTABLE"),
        ("twice.vot", votable("<FIELD name=\"a\" datatype=\"int\"/><FIELD name=\"a\" datatype=\"int\"/>", ""), "two fields"),
        ("type.vot", votable("<FIELD name=\"a\" datatype=\"blob\"/>", ""), "blob"),
        ("cells.vot", votable(FIELDS, "<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>"), "1 cells for 4 fields"),
        ("text.vot", votable(FIELDS, "<TABLEDATA><TR><TD>x</TD><TD/><TD/><TD/></TR></TABLEDATA>"), "`x` is not a number"),
        ("base.vot", votable(FIELDS, "<BINARY><STREAM encoding=\"base64\">!!!!</STREAM></BINARY>"), "base64"),
        ("short.vot", votable(FIELDS, "<BINARY><STREAM encoding=\"base64\">AAAA</STREAM></BINARY>"), "end early"),
        ("none.vot", votable("", "<TABLEDATA/>"), "no table with fields"),
        ("error.vot", "<VOTABLE><RESOURCE><INFO name=\"QUERY_STATUS\" value=\"ERROR\">no</INFO></RESOURCE></VOTABLE>".into(), "error message"),
    ];
    for (name, text, wanted) in cases {
        let said = refusal(&put(&folder, name, text));
        assert!(said.contains(wanted), "{name}: {said}");
    }
    let header = votable(FIELDS, "<TABLEDATA/>");
    assert_eq!(read(&put(&folder, "head.vot", header)).unwrap().num_rows(), 0);
}

#[test]
fn several_inputs_are_one_table_or_told_apart_by_column() {
    let folder = TempDir::new().unwrap();
    let a = put(&folder, "a.csv", "ra,n,e\n1,2,\n");
    let b = put(&folder, "b.csv", "n,e,ra\n2.5,x,7\n");
    let names = |paths: &[&PathBuf]| -> Vec<String> {
        paths.iter().map(|p| p.display().to_string()).collect()
    };
    let both = Inputs::open(&names(&[&a, &b]), &InputOptions::default()).unwrap();
    let batch = all(&both).unwrap();
    assert_eq!(f64s(&batch, "n"), [Some(2.0), Some(2.5)]);
    assert_eq!(i64s(&batch, "ra"), [Some(1), Some(7)]);
    assert_eq!(texts(&batch, "e"), [None, Some("x".to_string())]);
    let more = put(&folder, "more.csv", "ra,n,e,z\n1,2,3,4\n");
    let less = put(&folder, "less.csv", "ra,n\n1,2\n");
    let other = put(&folder, "other.csv", "ra,n,e\n1,word,\n");
    for (path, wanted) in
        [(&more, "`z` is too much"), (&less, "`e` is missing"), (&other, "`n` is Utf8")]
    {
        let text = Inputs::open(&names(&[&a, path]), &InputOptions::default()).err().unwrap();
        assert!(text.to_string().contains(wanted), "{text}");
    }
    let nothing = Inputs::open(
        &[folder.path().join("no.csv").display().to_string()],
        &InputOptions::default(),
    );
    assert!(nothing.err().unwrap().to_string().contains("no such file"));
}

#[test]
fn positions_and_ids_are_found_and_radians_are_turned() {
    let folder = TempDir::new().unwrap();
    let keys = |head: &str| {
        let source = open(&put(&folder, "k.csv", format!("{head}\n1,2,3,4\n"))).unwrap();
        let keys = key_columns(&source.schema(), None, None, None);
        keys.map(|k| (k.ra, k.dec, k.id.unwrap_or_default())).map_err(|e| e.to_string())
    };
    let three = |a: &str, b: &str, c: &str| Ok((a.to_string(), b.to_string(), c.to_string()));
    assert_eq!(keys("objectId,ra,dec,raErr"), three("ra", "dec", "objectId"));
    assert_eq!(keys("RAJ2000,DEJ2000,x,source_id"), three("RAJ2000", "DEJ2000", "source_id"));
    assert_eq!(keys("RA_ICRS,DE_ICRS,x,y"), three("RA_ICRS", "DE_ICRS", ""));
    assert!(keys("x,y,z,dec").unwrap_err().contains("--ra"));
    let columns = [("coord_ra", "D", "TUNIT='rad'"), ("coord_dec", "D", "TUNIT='rad'")];
    let mut data = std::f64::consts::FRAC_PI_2.to_be_bytes().to_vec();
    data.extend((-std::f64::consts::FRAC_PI_4).to_be_bytes());
    let source = open(&put(&folder, "rad.fits", fits(&columns, 16, 1, &data))).unwrap();
    let keys = key_columns(&source.schema(), None, None, None).unwrap();
    let source = InDegrees::new(source, &keys).unwrap();
    assert!(source.turns());
    assert_eq!(source.schema().field(0).metadata()["unit"], "deg");
    let batch = all(&source).unwrap();
    assert_eq!(
        (f64s(&batch, "coord_ra"), f64s(&batch, "coord_dec")),
        (vec![Some(90.0)], vec![Some(-45.0)])
    );
}
