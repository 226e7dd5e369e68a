//! Calls of functions: their arguments, and what is known of their values.

use super::Resolver;
use super::expr::plain;
use crate::catalog::ColumnInfo;
use crate::error::{AdqlError, At, did_you_mean};
use crate::functions::{self, Gives, Unit};
use crate::tree::*;
use crate::types::Type;
use crate::{geometry, units};

impl Resolver<'_> {
    /// sciSQL's predicates may stand alone, as 1 does in MySQL; Qserv's areas mean the position of
    /// the first table that has one.
    pub(super) fn complete(&self, e: &mut Expr) -> Result<(), AdqlError> {
        let Kind::Call(call) = &mut e.kind else { return Ok(()) };
        let at = e.at;
        if let Some(shape) = call.name.strip_prefix("qserv_areaspec_") {
            let name = match shape {
                "circle" => "scisql_s2ptincircle",
                "box" => "scisql_s2ptinbox",
                "ellipse" => "scisql_s2ptinellipse",
                "poly" => "scisql_s2ptincpoly",
                _ => return Ok(()),
            };
            let sources = self.scopes.last().map_or(&[][..], |s| &s.sources);
            let found = sources.iter().find_map(|s| Some((s, position(&s.columns)?)));
            let Some((source, (ra, dec))) = found else {
                let why = "no table of this FROM has a position".into();
                return Err(AdqlError::Geometry { at, why });
            };
            let column = |name: &str| {
                let made = |text: &str| Name { text: text.to_string(), delimited: true, at };
                let qualifier = vec![made(&source.label)];
                let kind = Kind::Column(ColumnRef { qualifier, name: made(name), meant: None });
                Expr { at, kind, ty: Type::Any }
            };
            call.name = name.into();
            call.args.splice(0..0, [column(ra), column(dec)]);
        } else if !call.name.starts_with("scisql_s2pt") {
            return Ok(());
        }
        let kind = std::mem::replace(&mut e.kind, Kind::Null);
        let made = |kind| Box::new(Expr { at, kind, ty: Type::Any });
        let one = made(Kind::Number("1".into()));
        e.kind = Kind::Compare { op: Cmp::Eq, left: made(kind), right: one };
        Ok(())
    }

    pub(super) fn call(&mut self, call: &mut Call, at: At) -> Result<ColumnInfo, AdqlError> {
        if matches!(call.name.as_str(), "ivo_simbadpoint" | "gavo_simbadpoint") {
            let why = "names of objects are not looked up in a query: resolve the name first \
                       (Sesame, Simbad) and write its position as POINT(ra, dec)";
            return Err(AdqlError::Geometry { at, why: why.into() });
        }
        let def = functions::find(&call.name);
        if def.is_some_and(|d| d.aggregate) && !self.aggregates {
            return Err(AdqlError::Refused {
                at,
                found: format!("{}() in WHERE or ON", call.name.to_uppercase()),
                remedy: "conditions on groups go in HAVING".into(),
            });
        }
        let mut infos = Vec::with_capacity(call.args.len());
        let inside = def.is_some_and(|d| d.aggregate);
        let before = self.aggregates;
        self.aggregates = before && !inside;
        for arg in &mut call.args {
            match self.expr(arg) {
                Ok(info) => infos.push(info),
                Err(e) => {
                    self.aggregates = before;
                    return Err(e);
                }
            }
        }
        self.aggregates = before;
        let Some(def) = def else {
            return match self.catalog.function(&call.name) {
                Some(ty) => Ok(plain(ty)),
                None => Err(AdqlError::Unknown {
                    at,
                    what: "function",
                    hint: did_you_mean(&call.name, functions::FUNCTIONS.iter().map(|d| d.name)),
                    name: call.name.clone(),
                }),
            };
        };
        if call.star && call.name == "count" {
            return Ok(ColumnInfo { ucd: "meta.number".into(), ..plain(Type::Bigint) });
        }
        let types: Vec<Type> = infos.iter().map(|i| i.ty).collect();
        if call.star || !def.forms.iter().any(|f| functions::fits(f, &types)) {
            let expected = def.forms.iter().map(|f| functions::say(f)).collect::<Vec<_>>();
            let found: Vec<String> = types.iter().map(ToString::to_string).collect();
            return Err(AdqlError::Arguments {
                at,
                function: call.name.to_uppercase(),
                expected: expected.join(" or "),
                found: format!("({})", found.join(", ")),
            });
        }
        if call.distinct && !def.aggregate {
            return Err(AdqlError::Refused {
                at,
                found: "DISTINCT".into(),
                remedy: "it goes with COUNT, SUM, AVG, MIN and MAX".into(),
            });
        }
        if call.name == "in_unit" {
            return in_unit(call, &infos, at);
        }
        geometry::take_frame(call, at)?;
        geometry::check_constants(call, at)?;
        let first = infos.first().cloned().unwrap_or_default();
        let ty = match def.gives {
            Gives::Is(ty) => ty,
            Gives::First => first.ty,
            Gives::Third => types.get(2).copied().unwrap_or_default(),
            Gives::Widest => types.iter().fold(Type::Any, |a, b| a.wider(*b)),
        };
        let unit = match def.unit {
            Unit::Is(u) => u.to_string(),
            Unit::First => first.unit.clone(),
        };
        let ucd = match (def.ucd.contains('*'), first.ucd.is_empty()) {
            (true, false) => def.ucd.replace('*', &first.ucd),
            (true, true) => String::new(),
            _ => def.ucd.to_string(),
        };
        let description = match def.aggregate && !first.name.is_empty() {
            true => format!("{} of {}", call.name, first.name),
            false => String::new(),
        };
        Ok(ColumnInfo { name: String::new(), ty, unit, ucd, description })
    }
}

/// Names of the columns of a table's position: by UCD, or by the names that Rubin uses.
fn position(columns: &[ColumnInfo]) -> Option<(&str, &str)> {
    let by_ucd = |ucd: &str| columns.iter().find(|c| c.ucd == ucd).map(|c| c.name.as_str());
    let by_name = |name: &str| {
        columns.iter().find(|c| c.name.eq_ignore_ascii_case(name)).map(|c| c.name.as_str())
    };
    let main = by_ucd("pos.eq.ra;meta.main").zip(by_ucd("pos.eq.dec;meta.main"));
    main.or_else(|| by_name("coord_ra").zip(by_name("coord_dec")))
        .or_else(|| by_name("ra").zip(by_name("dec").or_else(|| by_name("decl"))))
}

/// IN_UNIT(x, 'unit') becomes a product.
fn in_unit(call: &mut Call, infos: &[ColumnInfo], at: At) -> Result<ColumnInfo, AdqlError> {
    let (Some(info), Some(Expr { kind: Kind::Text(unit), at: place, .. })) =
        (infos.first(), call.args.get(1))
    else {
        return Err(AdqlError::Arguments {
            at,
            function: "IN_UNIT".into(),
            expected: "a number and a unit in quotes".into(),
            found: "an expression for the unit".into(),
        });
    };
    let factor = units::factor(&info.unit, unit).map_err(|why| AdqlError::Arguments {
        at: *place,
        function: "IN_UNIT".into(),
        expected: "a unit of the same kind".into(),
        found: format!("that: {why}"),
    })?;
    let out = ColumnInfo { unit: unit.clone(), ty: Type::Double, ..info.clone() };
    call.args.push(Expr { at, kind: Kind::Number(format!("{factor:e}")), ty: Type::Double });
    Ok(out)
}
