//! What the database knows of its own tables: counted anew when they have grown enough to change its plans.
//!
//! - when: after an insertion, once there are twice as many datasets as at the last count, and 20,000 more; or
//!   after 20,000 records at once. So a registry of 10 million datasets was counted nine times.
//! - cost: milliseconds in SQLite (it looks at a part), below a second in PostgreSQL (a sample)
//! - no failure of it is an error: what was inserted is there, and plans were good enough so far

use crate::error::Result;
use crate::registry::Registry;

/// Rows that are too few to matter.
const ROWS_MIN: usize = 20_000;
const NAME: &str = "analyzed";

impl Registry {
    /// To be told of datasets that were inserted, after the commit.
    pub(crate) fn grown(&mut self, datasets: usize, records: usize) {
        self.since_count += datasets;
        if self.since_count < ROWS_MIN && records < ROWS_MIN {
            return;
        }
        self.since_count = 0;
        let _ = self.count_when_doubled(records >= ROWS_MIN);
    }

    fn count_when_doubled(&mut self, anyway: bool) -> Result<()> {
        let last = self.sql.row("SELECT value FROM elqui_meta WHERE name = ?", &[NAME.into()])?;
        let last: i64 = last.and_then(|r| r[0].text().parse().ok()).unwrap_or(0);
        let now = self.sql.row("SELECT max(id) FROM dataset", &[])?.map_or(0, |r| r[0].int());
        if !anyway && now < 2 * last + ROWS_MIN as i64 {
            return Ok(());
        }
        // Noted first, so that of several writers one counts.
        let sql = "INSERT INTO elqui_meta (name, value) VALUES (?, ?) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE elqui_meta.value = ?";
        let values = [NAME.into(), (&now.to_string()).into(), (&last.to_string()).into()];
        if self.write(|r| Ok(r.sql.execute(sql, &values)?))? == 1 {
            self.analyze()?;
        }
        Ok(())
    }

    /// Count now: after tables were filled by other means.
    pub fn analyze(&mut self) -> Result<()> {
        let mut tables: Vec<String> =
            ["dataset", "artifact", "quantum", "quantum_input", "word", "collection"]
                .map(String::from)
                .into();
        for element in self.universe.elements().iter().filter(|e| e.stored) {
            tables.push(format!("dim_{}", element.name));
            tables.extend(element.spatial.then(|| format!("cell_{}", element.name)));
        }
        for group in self.sql.rows("SELECT id FROM dimension_group", &[])? {
            tables.extend(["member", "calib"].map(|t| format!("{t}_{}", group[0].int())));
        }
        Ok(self.sql.analyze(&tables)?)
    }
}
