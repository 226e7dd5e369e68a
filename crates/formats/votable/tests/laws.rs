//! Round trips, foreign documents and hostile ones; astropy is the oracle where it is there.

use elqui_schema::{Column, ColumnData, Table};
use elqui_votable::{Encoding, parse_votable, votable_bytes, write_votable};
use std::process::Command;

fn sample() -> Table {
    let mut t = Table::new("Sample <1>");
    let mut flux = Column::new("psfFlux", ColumnData::F64(vec![1.5, f64::NAN, -1e-300]));
    flux.unit = "nJy".into();
    flux.ucd = "phot.flux.density".into();
    flux.description = "Flux & \"more\"".into();
    t.columns.push(flux);
    t.columns.push(Column::new("f", ColumnData::F32(vec![0.1, f32::INFINITY, -2.0])));
    t.columns.push(Column::new("id", ColumnData::I64(vec![i64::MAX, i64::MIN, 0])));
    t.columns.push(Column::new("n", ColumnData::I32(vec![1, -2, i32::MAX])));
    t.columns.push(Column::new("ok", ColumnData::Bool(vec![true, false, true])));
    let text = |v: [&str; 3]| ColumnData::Str(v.map(String::from).to_vec());
    t.columns.push(Column::new("band", text(["g", "<&>", ""])));
    t.columns.push(Column::new("name", text(["α Cen", "a b", "ünï"])));
    t.metadata = vec![("flux_unit".into(), "nJy".into()), ("empty".into(), String::new())];
    t
}

#[test]
fn both_encodings_keep_everything() {
    let t = sample();
    for encoding in [Encoding::TableData, Encoding::Binary2] {
        let back = parse_votable(&votable_bytes(&t, encoding), "memory").unwrap();
        // NaN is not equal to itself; its text is.
        assert_eq!(format!("{t:?}"), format!("{back:?}"), "{encoding:?}");
    }
}

const HEAD: &str = "<VOTABLE version='1.3'><RESOURCE><TABLE><FIELD name='a' datatype='int'>\
    <VALUES null='-99'/></FIELD><FIELD name='v' datatype='float' arraysize='2'/><DATA>";
const TAIL: &str = "</DATA></TABLE></RESOURCE></VOTABLE>";

#[test]
fn foreign_documents_are_read() {
    let text = format!(
        "{HEAD}<TABLEDATA><TR><TD>-99</TD><TD>1 2</TD></TR><TR><TD/><TD/></TR></TABLEDATA>{TAIL}"
    );
    let t = parse_votable(text.as_bytes(), "t").unwrap();
    assert_eq!(t.columns[0].data, ColumnData::I32(vec![0, 0]));
    assert_eq!(t.columns[1].data, ColumnData::Str(vec!["1 2".into(), String::new()]));
    // BINARY: 7, then 1.0 and 2.0.
    let text =
        format!("{HEAD}<BINARY><STREAM encoding='base64'>AAAABz+AAABAAAAA</STREAM></BINARY>{TAIL}");
    let t = parse_votable(text.as_bytes(), "t").unwrap();
    assert_eq!(t.columns[0].data, ColumnData::I32(vec![7]));
    assert_eq!(t.columns[1].data, ColumnData::Str(vec!["1 2".into()]));
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let say = |text: &str| parse_votable(text.as_bytes(), "x.vot").unwrap_err().to_string();
    assert!(say("").contains("no XML element"));
    assert!(say("<html></html>").contains("root is not VOTABLE"));
    assert!(say("<VOTABLE><RESOURCE>").contains("no whole TABLE"));
    let row = |cells: &str| say(&format!("{HEAD}<TABLEDATA><TR>{cells}</TR></TABLEDATA>{TAIL}"));
    assert_eq!(row("<TD>x</TD>"), "`x.vot`, row 1, field `a`: `x` is not a whole number");
    assert!(row("<TD>1</TD>").contains("1 cells for 2 fields"));
    assert!(row("<TD>1</TD><TD/><TD/>").contains("more cells than the 2 fields"));
    let stream = |s: &str| {
        say(&format!("{HEAD}<BINARY><STREAM encoding='base64'>{s}</STREAM></BINARY>{TAIL}"))
    };
    assert!(stream("AAAA").contains("end early"));
    assert!(stream("!!!").contains("base64"));
    assert!(
        say("<VOTABLE><TABLE><FIELD name='b' datatype='bit'/></TABLE></VOTABLE>").contains("`bit`")
    );
}

#[test]
fn damage_never_panics() {
    for encoding in [Encoding::TableData, Encoding::Binary2] {
        let good = votable_bytes(&sample(), encoding);
        for cut in 0..good.len() {
            let _ = parse_votable(&good[..cut], "cut");
        }
        for k in 0..good.len() {
            let mut bad = good.clone();
            bad[k] = bad[k].wrapping_add(1);
            let _ = parse_votable(&bad, "bad");
        }
    }
}

#[test]
fn astropy_reads_what_we_write() {
    let python = std::env::var("ELQUI_PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python).args(["-c", "import astropy.io.votable"]).output();
    if !there.is_ok_and(|o| o.status.success()) {
        println!("skipped: {python} cannot import astropy");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for encoding in [Encoding::TableData, Encoding::Binary2] {
        let path = folder.path().join("t.vot");
        write_votable(&sample(), &path, encoding).unwrap();
        let script = "import sys, math\n\
            from astropy.io.votable import parse_single_table\n\
            t = parse_single_table(sys.argv[1], verify='exception')\n\
            a = t.array\n\
            assert a['psfFlux'][0] == 1.5 and math.isnan(a['psfFlux'].data[1]) and a['psfFlux'][2] == -1e-300\n\
            assert list(a['id'].data) == [2**63-1, -2**63, 0]\n\
            assert list(a['ok'].data) == [True, False, True]\n\
            assert [str(s) for s in a['name']] == ['\\u03b1 Cen', 'a b', '\\u00fcn\\u00ef']\n\
            assert [str(s) for s in a['band']] == ['g', '<&>', '']\n\
            f = t.fields[0]\n\
            assert (f.ucd, str(f.unit), f.description) == ('phot.flux.density', 'nJy', 'Flux & \"more\"')\n";
        let out = Command::new(&python).args(["-c", script]).arg(&path).output().unwrap();
        assert!(out.status.success(), "{encoding:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
}
