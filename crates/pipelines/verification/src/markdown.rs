//! Rows as a Markdown table.

use crate::rows::{Row, Verdict};

/// `~` behind a verdict: the 95% interval reaches over the bar.
pub fn markdown(rows: &[Row]) -> String {
    let mut out = String::from("| quantity | measured | bar | ok |\n|---|---|---|---|\n");
    for row in rows {
        let ok = match row.ok {
            Verdict::Yes => "yes",
            Verdict::No => "**no**",
            Verdict::None => "",
        };
        let unsure = if row.unsure { " ~" } else { "" };
        out += &format!("| {} | {} | {} | {ok}{unsure} |\n", row.quantity, row.measured, row.bar);
    }
    out
}
