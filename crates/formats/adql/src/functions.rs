//! The functions: ADQL 2.1's own (section 2.3 and 4), those of the catalogue of user-defined
//! functions, of Rubin's archive (sciSQL, Qserv), and of GAVO's services.
//!
//! Forms of arguments, a letter each: `n` number, `i` whole number, `s` text, `p` point, `g` any
//! geometry, `a` anything, `t` timestamp or number. A `+` at the end repeats the last kind.

use crate::types::Type;

/// Type of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    Is(Type),
    /// Of the first argument.
    First,
    Third,
    /// The widest of the arguments.
    Widest,
}

/// Unit of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Is(&'static str),
    First,
}

#[derive(Debug)]
pub(crate) struct Def {
    pub name: &'static str,
    pub forms: &'static [&'static str],
    pub gives: Gives,
    pub unit: Unit,
    /// UCD of the result; `*` is that of the argument, empty none.
    pub ucd: &'static str,
    pub aggregate: bool,
}

const fn def(
    name: &'static str,
    forms: &'static [&'static str],
    gives: Gives,
    unit: Unit,
    ucd: &'static str,
) -> Def {
    Def { name, forms, gives, unit, ucd, aggregate: false }
}

const fn aggregate(name: &'static str, gives: Gives, unit: Unit, ucd: &'static str) -> Def {
    Def { name, forms: &["a"], gives, unit, ucd, aggregate: true }
}

const F64: Gives = Gives::Is(Type::Double);
const INT: Gives = Gives::Is(Type::Integer);
const LONG: Gives = Gives::Is(Type::Bigint);
const TEXT: Gives = Gives::Is(Type::Varchar);
const POINT: Gives = Gives::Is(Type::Point);
const REGION: Gives = Gives::Is(Type::Region);
const NONE: Unit = Unit::Is("");
const DEG: Unit = Unit::Is("deg");
const MAG: Unit = Unit::Is("mag");
const N: &[&str] = &["n"];
const NN: &[&str] = &["nn"];
const NNNN: &[&str] = &["nnnn"];
const ROUND: &[&str] = &["n", "ni"];

pub(crate) const FUNCTIONS: &[Def] = &[
    aggregate("avg", F64, Unit::First, "stat.mean;*"),
    aggregate("count", LONG, NONE, "meta.number"),
    aggregate("max", Gives::First, Unit::First, "*;stat.max"),
    aggregate("min", Gives::First, Unit::First, "*;stat.min"),
    aggregate("sum", Gives::First, Unit::First, ""),
    aggregate("stddev", F64, Unit::First, "stat.stdev;*"),
    aggregate("variance", F64, NONE, "stat.variance;*"),
    aggregate("median", F64, Unit::First, "stat.median;*"),
    // Numbers (section 2.3).
    def("abs", N, Gives::First, Unit::First, "*"),
    def("ceiling", N, F64, Unit::First, "*"),
    def("degrees", N, F64, DEG, ""),
    def("exp", N, F64, NONE, ""),
    def("floor", N, F64, Unit::First, "*"),
    def("log", N, F64, NONE, ""),
    def("log10", N, F64, NONE, ""),
    def("mod", NN, Gives::Widest, Unit::First, "*"),
    def("pi", &[""], F64, NONE, ""),
    def("power", NN, F64, NONE, ""),
    def("radians", N, F64, Unit::Is("rad"), ""),
    def("sqrt", N, F64, NONE, ""),
    def("rand", &["", "n"], F64, NONE, ""),
    def("round", ROUND, F64, Unit::First, "*"),
    def("truncate", ROUND, F64, Unit::First, "*"),
    def("acos", N, F64, Unit::Is("rad"), ""),
    def("asin", N, F64, Unit::Is("rad"), ""),
    def("atan", N, F64, Unit::Is("rad"), ""),
    def("atan2", NN, F64, Unit::Is("rad"), ""),
    def("cos", N, F64, NONE, ""),
    def("cot", N, F64, NONE, ""),
    def("sin", N, F64, NONE, ""),
    def("tan", N, F64, NONE, ""),
    def("sign", N, F64, NONE, ""),
    // Of the drafts of 2.1; the recommendation has left them out.
    def("bitwise_and", &["ii"], Gives::Widest, NONE, ""),
    def("bitwise_or", &["ii"], Gives::Widest, NONE, ""),
    def("bitwise_xor", &["ii"], Gives::Widest, NONE, ""),
    def("bitwise_not", &["i"], Gives::First, NONE, ""),
    // Texts, choice and units (sections 4.4, 4.8, 4.9).
    def("lower", &["s"], TEXT, NONE, "*"),
    def("upper", &["s"], TEXT, NONE, "*"),
    def("coalesce", &["aa+"], Gives::Widest, Unit::First, "*"),
    def("nullif", &["aa"], Gives::First, Unit::First, "*"),
    def("in_unit", &["ns"], F64, NONE, "*"),
    // Geometry (section 4.2).
    def("area", &["g"], F64, Unit::Is("deg**2"), "phys.angArea"),
    def("box", &["nnnn", "pnn", "snnnn", "spnn"], Gives::Is(Type::Polygon), DEG, ""),
    def("centroid", &["g"], POINT, DEG, "pos"),
    def("circle", &["nnn", "pn", "snnn", "spn"], Gives::Is(Type::Circle), DEG, ""),
    def("contains", &["gg"], INT, NONE, ""),
    def("coord1", &["p"], F64, DEG, "pos.eq.ra"),
    def("coord2", &["p"], F64, DEG, "pos.eq.dec"),
    def("coordsys", &["g"], TEXT, NONE, ""),
    def("distance", &["pp", "nnnn"], F64, DEG, "pos.angDistance"),
    def("intersects", &["gg"], INT, NONE, ""),
    def("point", &["nn", "snn"], POINT, DEG, "pos"),
    def("polygon", &["nnnnnn+", "ppp+", "snnnnnn+", "sppp+"], Gives::Is(Type::Polygon), DEG, ""),
    def("region", &["s"], REGION, NONE, ""),
    def("moc", &["s", "ig"], REGION, NONE, ""),
    // The catalogue of user-defined functions.
    def("ivo_nocasematch", &["ss"], INT, NONE, ""),
    def("ivo_nocasecmp", &["ss"], INT, NONE, ""),
    def("ivo_hasword", &["ss"], INT, NONE, ""),
    def("ivo_hashlist_has", &["ss"], INT, NONE, ""),
    Def {
        name: "ivo_string_agg",
        forms: &["ss"],
        gives: TEXT,
        unit: NONE,
        ucd: "",
        aggregate: true,
    },
    def("ivo_apply_pm", &["nnnnn"], POINT, DEG, "pos"),
    def("ivo_healpix_index", &["inn", "ip", "pi", "nni"], LONG, NONE, "pos.healpix"),
    def("ivo_healpix_center", &["ii"], POINT, DEG, "pos"),
    def("ivo_interval_overlaps", &["nnnn"], INT, NONE, ""),
    def("ivo_interval_has", &["na"], INT, NONE, ""),
    Def {
        name: "ivo_histogram",
        forms: &["nnni"],
        gives: Gives::Is(Type::Any),
        unit: NONE,
        ucd: "",
        aggregate: true,
    },
    def("ivo_epoch_prop", &["nnnnnnnn"], Gives::Is(Type::Any), NONE, ""),
    def("ivo_epoch_prop_pos", &["nnnnnnnn", "nnnnnn"], POINT, DEG, "pos"),
    def("ivo_geom_transform", &["ssg"], Gives::Third, NONE, "pos"),
    def("ivo_normal_random", NN, F64, NONE, ""),
    def("ivo_hms_to_degrees", &["s"], F64, DEG, "pos.eq.ra"),
    def("ivo_dms_to_degrees", &["s"], F64, DEG, "pos.eq.dec"),
    def("ivo_to_jd", &["a"], F64, Unit::Is("d"), "time.epoch"),
    def("ivo_to_mjd", &["a"], F64, Unit::Is("d"), "time.epoch"),
    def("gavo_match", &["ss"], INT, NONE, ""),
    def("gavo_to_jd", &["a"], F64, Unit::Is("d"), "time.epoch"),
    def("gavo_to_mjd", &["a"], F64, Unit::Is("d"), "time.epoch"),
    def("gavo_transform", &["ssg"], Gives::Third, NONE, "pos"),
    def("gavo_normal_random", NN, F64, NONE, ""),
    def("gavo_apply_pm", &["nnnnn"], POINT, DEG, "pos"),
    def("gavo_mocintersect", &["gg"], REGION, NONE, ""),
    def("gavo_mocunion", &["gg"], REGION, NONE, ""),
    def("gavo_specconv", &["ns", "nss"], F64, NONE, ""),
    // Rubin's archive: sciSQL; fluxes in nJy, CGS where the name has none.
    def("scisql_nanojanskytoabmag", N, F64, MAG, "phot.mag"),
    def("scisql_nanojanskytoabmagsigma", NN, F64, MAG, "stat.error;phot.mag"),
    def("scisql_abmagtonanojansky", N, F64, Unit::Is("nJy"), "phot.flux"),
    def("scisql_abmagtonanojanskysigma", NN, F64, Unit::Is("nJy"), "stat.error;phot.flux"),
    def("scisql_fluxtoabmag", N, F64, MAG, "phot.mag"),
    def("scisql_fluxtoabmagsigma", NN, F64, MAG, "stat.error;phot.mag"),
    def("scisql_abmagtoflux", N, F64, NONE, "phot.flux"),
    def("scisql_abmagtofluxsigma", NN, F64, NONE, "stat.error;phot.flux"),
    def("scisql_dntoabmag", NN, F64, MAG, "phot.mag"),
    def("scisql_dntoabmagsigma", NNNN, F64, MAG, "stat.error;phot.mag"),
    def("scisql_dntoflux", NN, F64, NONE, "phot.flux"),
    def("scisql_dntofluxsigma", NNNN, F64, NONE, "stat.error;phot.flux"),
    def("scisql_fluxtodn", NN, F64, Unit::Is("adu"), "phot.count"),
    def("scisql_fluxtodnsigma", NNNN, F64, Unit::Is("adu"), "stat.error;phot.count"),
    def("scisql_abmagtodn", NN, F64, Unit::Is("adu"), "phot.count"),
    def("scisql_abmagtodnsigma", NNNN, F64, Unit::Is("adu"), "stat.error;phot.count"),
    def("scisql_angsep", &["nnnn", "nnnnnn"], F64, DEG, "pos.angDistance"),
    def("scisql_s2ptincircle", &["nnnnn"], INT, NONE, ""),
    def("scisql_s2ptinbox", &["nnnnnn"], INT, NONE, ""),
    def("scisql_s2ptinellipse", &["nnnnnnn"], INT, NONE, ""),
    def("scisql_s2ptincpoly", &["nnnnnnnn+"], INT, NONE, ""),
    // Qserv's area of a query, a condition by itself.
    def("qserv_areaspec_circle", &["nnn"], INT, NONE, ""),
    def("qserv_areaspec_box", &["nnnn"], INT, NONE, ""),
    def("qserv_areaspec_ellipse", &["nnnnn"], INT, NONE, ""),
    def("qserv_areaspec_poly", &["nnnnnn+"], INT, NONE, ""),
];

pub(crate) fn find(name: &str) -> Option<&'static Def> {
    FUNCTIONS.iter().find(|d| d.name == name)
}

/// Whether arguments of these types fit a form.
pub(crate) fn fits(form: &str, types: &[Type]) -> bool {
    let letters: Vec<u8> = form.bytes().filter(|b| *b != b'+').collect();
    let more = form.ends_with('+');
    if types.len() < letters.len() || (types.len() > letters.len() && !more) {
        return false;
    }
    let last = letters.last().copied();
    // Coordinates come in pairs.
    if more && last == Some(b'n') && !(types.len() - letters.len()).is_multiple_of(2) {
        return false;
    }
    types.iter().enumerate().all(|(k, t)| match letters.get(k).copied().or(last) {
        Some(b'n') => t.is_number(),
        Some(b'i') => t.is_integer(),
        Some(b's') => t.is_text(),
        Some(b'p') => matches!(t, Type::Any | Type::Point),
        Some(b'g') => t.is_geometry(),
        _ => true,
    })
}

/// A form in words.
pub(crate) fn say(form: &str) -> String {
    if form.is_empty() {
        return "nothing".into();
    }
    let mut out: Vec<&str> = form
        .chars()
        .map(|c| match c {
            'n' => "number",
            'i' => "whole number",
            's' => "text",
            'p' => "point",
            'g' => "geometry",
            '+' => "...",
            _ => "value",
        })
        .collect();
    out.dedup_by(|a, b| *a == "..." && *b == "...");
    format!("({})", out.join(", "))
}
