//! Files that are not what they claim: always an error that names the file, never a panic.

use elqui_fits::{Extension, FitsError, FitsFile, Writer, exposure_from};
use elqui_image::{Header, Image, Value};
use elqui_schema::{Column, ColumnData, Table};

fn open(bytes: &[u8]) -> Result<FitsFile, FitsError> {
    FitsFile::from_bytes(bytes.to_vec(), "bad.fits")
}

/// A primary header of these cards.
fn header(cards: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for card in cards.iter().chain(&["END"]) {
        out.extend(format!("{card:<80}").bytes());
    }
    out.resize(out.len().div_ceil(2880) * 2880, b' ');
    out
}

fn small() -> Vec<u8> {
    let mut w = Writer::new();
    w.image("", &Image::from_fn(9, 7, |x, y| (x + y) as f32), &Header::default());
    w.image("INTS", &Image::from_fn(40, 5, |x, y| (x * y) as i16), &Header::default());
    let mut t = Table::new("T");
    t.push(Column::new("a", ColumnData::F64(vec![1.0, 2.0]))).unwrap();
    t.push(Column::new("s", ColumnData::Str(vec!["x".into(), "yz".into()]))).unwrap();
    w.table(&t, &Header::default()).unwrap();
    w.image_rice_i32("RICE", &Image::from_fn(20, 6, |x, y| (x ^ y) as i32), &Header::default())
        .unwrap();
    w.image_rice(
        "RICEF",
        &Image::from_fn(40, 6, |x, y| (x * 7 % 5 + y) as f32),
        &Header::default(),
    )
    .unwrap();
    w.into_bytes()
}

/// Read everything in every way.
fn read_all(bytes: &[u8], ignore: bool) -> usize {
    let Ok(file) = open(bytes) else { return 0 };
    let file = file.ignore_checksums(ignore);
    let mut good = 0;
    for k in 0..file.hdus().len() {
        good += usize::from(file.read_image(k).is_ok());
        good += usize::from(file.read_image_u32(k).is_ok());
        good += usize::from(file.read_planes(k).is_ok());
        good += usize::from(file.read_table(k).is_ok());
        good += usize::from(file.read_vectors(k, "a").is_ok());
    }
    let _ = exposure_from(&file);
    good
}

#[test]
fn what_is_no_fits_file() {
    for bytes in [&b""[..], b"x", b"<html>404</html>", &[0; 5000], &[0xff; 2880]] {
        let e = open(bytes).unwrap_err();
        assert!(matches!(e, FitsError::NotFits { .. }), "{e}");
        assert!(e.to_string().contains("bad.fits") && !e.to_string().contains('\n'), "{e}");
    }
    let e = FitsFile::open("/no/such/file.fits").unwrap_err();
    assert!(e.to_string().contains("/no/such/file.fits`: no such file"), "{e}");
    let e = FitsFile::open(std::env::temp_dir()).unwrap_err();
    assert!(e.to_string().contains("it is a folder"), "{e}");
    let e = open(b"SIMPLE  =                    T").unwrap_err();
    assert!(e.to_string().contains("no END"), "{e}");
}

#[test]
fn claims_larger_than_the_file_allocate_nothing() {
    let base = ["SIMPLE  =                    T", "BITPIX  =                  -64"];
    for axes in [
        ["NAXIS   = 2", "NAXIS1  = 4000000000", "NAXIS2  = 4000000000"],
        ["NAXIS   = 2", "NAXIS1  = 9223372036854775807", "NAXIS2  = 9223372036854775807"],
        ["NAXIS   = 2", "NAXIS1  = 1000000", "NAXIS2  = 1000000"],
        ["NAXIS   = 2", "NAXIS1  = -5", "NAXIS2  = 3"],
        ["NAXIS   = 2", "NAXIS1  = 'many'", "NAXIS2  = 3"],
        ["NAXIS   = 99999", "NAXIS1  = 1", "NAXIS2  = 3"],
    ] {
        let cards: Vec<&str> = base.into_iter().chain(axes).collect();
        let error = open(&header(&cards)).and_then(|f| f.read_image(0).map(|_| ())).unwrap_err();
        assert!(error.to_string().contains("bad.fits`, HDU 0"), "{error}");
    }
    let mut bomb = header(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"]);
    bomb.extend(header(&[
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 8",
        "NAXIS2  = 1",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "TFIELDS = 1",
        "TTYPE1  = 'COMPRESSED_DATA'",
        "TFORM1  = '1PB(4)'",
        "ZIMAGE  = T",
        "ZCMPTYPE= 'RICE_1'",
        "ZBITPIX = 32",
        "ZNAXIS  = 2",
        "ZNAXIS1 = 2000000000",
        "ZNAXIS2 = 2000000000",
    ]));
    bomb.extend([0; 2880]);
    let e = open(&bomb).unwrap().read_image(1).unwrap_err();
    assert!(matches!(e, FitsError::Damaged { .. }), "{e}");
}

#[test]
fn every_truncation_is_an_error_or_reads_what_is_whole() {
    let bytes = small();
    let whole = read_all(&bytes, false);
    assert!(whole >= 10, "{whole}");
    for cut in (0..bytes.len()).step_by(97) {
        assert!(read_all(&bytes[..cut], false) <= whole);
    }
    let f = open(&bytes[..2880 + 100]).unwrap();
    let e = f.read_image(0).unwrap_err();
    assert!(e.to_string().contains("cut short"), "{e}");
}

#[test]
fn gzip_is_known_by_its_content_and_a_cut_one_is_an_error() {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&small()).unwrap();
    let packed = packer.finish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("named.fits");
    std::fs::write(&path, &packed).unwrap();
    let file = FitsFile::open(&path).unwrap();
    assert_eq!(file.read_image(0).unwrap().at(3, 2), 5.0);
    std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
    let e = FitsFile::open(&path).unwrap_err();
    assert!(e.to_string().contains("named.fits` is a damaged gzip file"), "{e}");
}

#[test]
fn a_flipped_bit_breaks_a_checksum() {
    let bytes = small();
    let mut bad = bytes.clone();
    bad[2880 + 17] ^= 4;
    let f = open(&bad).unwrap();
    let e = f.read_image(0).unwrap_err();
    assert!(e.to_string().contains("bad.fits`, HDU 0: DATASUM"), "{e}");
    assert!(f.verify().is_err());
    assert!(f.ignore_checksums(true).read_image(0).is_ok());
    let mut edited = bytes;
    edited[2880 - 5] = b'x'; // After END: only CHECKSUM can see it.
    let e = open(&edited).unwrap().read_image(0).unwrap_err();
    assert!(e.to_string().contains("CHECKSUM"), "{e}");
}

#[test]
fn wrong_hdus_are_named_with_what_there_is() {
    let f = open(&small()).unwrap();
    let e = f.read_table(0).unwrap_err().to_string();
    assert!(e.contains("HDU 0 is an image, not a table"), "{e}");
    let e = f.read_image(3).map(|_| ()).and(f.read_image(2).map(|_| ())).unwrap_err().to_string();
    assert!(e.contains("HDU 2 (T) is a binary table, not an image"), "{e}");
    let e = f.find(&Extension::parse("SCI")).unwrap_err().to_string();
    assert!(e.contains("`SCI`") && e.contains("HDU 1 (INTS)"), "{e}");
    assert_eq!(f.find(&Extension::parse("ints")).unwrap(), 1);
    assert_eq!(f.find(&Extension::parse("primary")).unwrap(), 0);
}

#[test]
fn scaled_and_blank_integers() {
    let mut h = Header::default();
    h.set("X", Value::Int(1), "");
    let cards = |bitpix: &str, extra: &[&str]| {
        let mut c = vec!["SIMPLE  = T".to_string(), format!("BITPIX  = {bitpix}")];
        c.extend(["NAXIS   = 2".into(), "NAXIS1  = 2".into(), "NAXIS2  = 1".into()]);
        c.extend(extra.iter().map(|s| (*s).to_string()));
        header(&c.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let read = |mut head: Vec<u8>, data: &[u8]| {
        head.extend(data);
        open(&head).unwrap().read_image_f64(0).unwrap().into_vec()
    };
    let u16s = read(cards("16", &["BZERO   = 32768"]), &[0x80, 0, 0x7f, 0xff]);
    assert_eq!(u16s, [0.0, 65535.0]);
    let u32s =
        read(cards("32", &["BZERO   = 2147483648.0"]), &[0x80, 0, 0, 0, 0x7f, 255, 255, 255]);
    assert_eq!(u32s, [0.0, 4_294_967_295.0]);
    assert_eq!(read(cards("8", &["BZERO   = -128"]), &[0, 255]), [-128.0, 127.0]);
    let scaled =
        read(cards("16", &["BSCALE  = 0.5", "BZERO   = 1", "BLANK   = -1"]), &[0, 3, 255, 255]);
    assert!(scaled[0] == 2.5 && scaled[1].is_nan());
}

#[test]
fn mutations_never_panic() {
    let bytes = small();
    // A small generator of our own: the same mutations on every machine.
    let mut state = 0x1234_5678_9abc_def0u64;
    let mut next = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % n
    };
    const BYTES: &[u8] = b"0123456789-+.'=/TFEXZP \0\xff&";
    let mut good = 0;
    // `make soak` asks for more.
    let asked = std::env::var("ELQUI_FUZZ_ROUNDS").ok().and_then(|v| v.parse::<usize>().ok());
    for round in 0..asked.unwrap_or(6000).max(6000) {
        let mut bad = bytes.clone();
        for _ in 0..=next(6) {
            let at = match round % 3 {
                // Headers are where the damage is: half of the hits go to the card area.
                0 => next(2880),
                _ => next(bad.len()),
            };
            bad[at] = if next(4) == 0 { next(256) as u8 } else { BYTES[next(BYTES.len())] };
        }
        if next(10) == 0 {
            bad.truncate(next(bad.len()));
        }
        good += read_all(&bad, round % 2 == 0);
    }
    assert!(good > 10_000, "{good}");
}
