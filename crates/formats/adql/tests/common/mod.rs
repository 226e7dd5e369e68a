//! A catalogue for tests: the standard's example tables, a survey's, and one of shapes.
#![allow(dead_code)]

use elqui_adql::tree::Name;
use elqui_adql::{Catalog, Checked, ColumnInfo, FelisCatalog, TableInfo, Type, check};
use elqui_schema::felis;

const TABLES: &[(&str, &str, &str)] = &[
    ("public", "alpha_source", "id:l alpha_sourceid:l ra:d:deg dec:d:deg name:s"),
    ("public", "table1", "id:l ra:d:deg dec:d:deg"),
    ("public", "table2", "id:l ra:d:deg dec:d:deg"),
    ("public", "table3", "id:l ra:d:deg dec:d:deg"),
    ("public", "atable", "id:l ra:d:deg dec:d:deg size:i Size:i"),
    ("public", "t", "pos:p center:p footprint:g ra:d:deg dec:d:deg obstime:t em:d:m"),
    (
        "public",
        "t1",
        "ra:d:deg dec:d:deg footprint:g center:p width:d:deg height:d:deg radius:d:deg base:p target:g id:l",
    ),
    (
        "public",
        "t2",
        "ra:d:deg dec:d:deg footprint:g toppoint:p bottomleft:p bottomright:p target:p id:l",
    ),
    (
        "ivoa",
        "obscore",
        "obs_id:s access_url:s s_ra:d:deg s_dec:d:deg s_fov:d:deg s_region:g t_min:d:d t_max:d:d em_min:d:m em_max:d:m dataproduct_type:s calib_level:i instrument_name:s t_exptime:d:s",
    ),
    ("tap_schema", "tables", "schema_name:s table_name:s description:s"),
    ("tap_schema", "columns", "table_name:s column_name:s unit:s ucd:s datatype:s"),
    (
        "dp1",
        "DiaObject",
        "diaObjectId:l ra:d:deg dec:d:deg nDiaSources:i validityStart:t r_psfFluxMean:f:nJy r_psfFluxSigma:f:nJy",
    ),
    (
        "dp1",
        "DiaSource",
        "diaSourceId:l diaObjectId:l visit:l detector:i ra:d:deg dec:d:deg band:s psfFlux:f:nJy psfFluxErr:f:nJy midpointMjdTai:d:d snr:f reliability:f",
    ),
    ("dp1", "SSObject", "ssObjectId:l H:f:mag G:f numObs:i"),
    ("dp1", "SSSource", "ssObjectId:l diaSourceId:l heliocentricDist:f:AU topocentricDist:f:AU"),
    ("dp1", "CoaddPatches", "lsst_tract:l lsst_patch:l s_ra:d:deg s_dec:d:deg s_region:g"),
    (
        "dr17",
        "PhotoObj",
        "objid:l ra:d:deg dec:d:deg type:i mode:i run:i camcol:i field:i u:f:mag g:f:mag r:f:mag i:f:mag z:f:mag psfMag_r:f:mag modelMag_u:f:mag modelMag_g:f:mag modelMag_r:f:mag petroRad_r:f:arcsec flags:l clean:i extinction_r:f:mag err_r:f:mag",
    ),
    (
        "dr17",
        "SpecObj",
        "specobjid:l bestobjid:l class:s subclass:s z:f zErr:f zWarning:i plate:i mjd:i fiberid:i ra:d:deg dec:d:deg survey:s",
    ),
    ("dr17", "PhotoZ", "objid:l z:f zErr:f nnCount:i"),
    (
        "gaiadr3",
        "gaia_source",
        "source_id:l ra:d:deg dec:d:deg parallax:d:mas parallax_error:f:mas pmra:d:mas/yr pmdec:d:mas/yr phot_g_mean_mag:f:mag bp_rp:f:mag ruwe:f radial_velocity:f:km/s",
    ),
];

pub struct Tables {
    own: Vec<TableInfo>,
    felis: FelisCatalog,
}

pub fn catalog() -> Tables {
    let ty = |t: &str| match t {
        "l" => Type::Bigint,
        "i" => Type::Integer,
        "f" => Type::Real,
        "d" => Type::Double,
        "t" => Type::Timestamp,
        "p" => Type::Point,
        "g" => Type::Region,
        _ => Type::Varchar,
    };
    let own = TABLES
        .iter()
        .map(|(schema, name, columns)| TableInfo {
            schema: Some(schema.to_string()),
            name: name.to_string(),
            columns: columns
                .split(' ')
                .map(|c| {
                    let parts: Vec<&str> = c.split(':').collect();
                    ColumnInfo {
                        name: parts[0].to_string(),
                        ty: ty(parts[1]),
                        unit: parts.get(2).unwrap_or(&"").to_string(),
                        ..ColumnInfo::default()
                    }
                })
                .collect(),
        })
        .collect();
    let names = ["dp1", "dp2", "dp02_dc2_catalogs"];
    Tables { own, felis: FelisCatalog::new().with(felis::schema().clone(), &names) }
}

impl Catalog for Tables {
    fn tables(&self, schema: Option<&Name>, table: &Name) -> Vec<TableInfo> {
        let fits = |t: &&TableInfo| {
            table.means(&t.name)
                && schema.is_none_or(|s| t.schema.as_deref().is_some_and(|n| s.means(n)))
        };
        // The house's schema grows: tables of the list go before those of one name in it.
        let own: Vec<TableInfo> = self.own.iter().filter(fits).cloned().collect();
        if own.is_empty() { self.felis.tables(schema, table) } else { own }
    }

    fn table_names(&self) -> Vec<String> {
        let mut names = self.felis.table_names();
        names.extend(self.own.iter().map(|t| t.name.clone()));
        names
    }
}

/// Check a query that must be right.
pub fn good(text: &str) -> Checked {
    check(text, &catalog()).unwrap_or_else(|e| panic!("{e}\n{}\n{text}", e.caret(text)))
}
