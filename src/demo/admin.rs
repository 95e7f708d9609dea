//! The administration tables: dictionary, ACDs, users, features. Small and made up; where the layout of a table is not
//! public it is a plausible one.

use super::agents::Agent;
use super::splits::{ACDS, SPLITS};
use super::table::{Cell, Column};

/// A table with all its rows.
#[derive(Debug)]
pub(super) struct AdminTable {
    /// Name.
    pub name: &'static str,
    /// Columns.
    pub columns: &'static [Column],
    /// Rows.
    pub rows: Vec<Vec<Cell>>,
}

fn table(name: &'static str, columns: &'static [Column], rows: Vec<Vec<Cell>>) -> AdminTable {
    AdminTable { name, columns, rows }
}

/// All of them.
pub(super) fn tables(agents: &[Agent]) -> Vec<AdminTable> {
    let mut out = local();
    out.extend(system());
    out.extend(dictionary(agents));
    out.extend(switch());
    out.push(custom());
    out
}

/// Local system administration.
fn local() -> Vec<AdminTable> {
    let host: &[Column] = &[("hostname", "CHAR(64)"), ("hostid", "CHAR(16)")];
    let admin: &[Column] = &[("item", "CHAR(20)"), ("value", "CHAR(60)")];
    let alloc: &[Column] = &[("acd", "SMALLINT"), ("item", "CHAR(20)"), ("days", "SMALLINT"), ("records", "INTEGER")];
    let allocations = [("splits", 200, 0), ("agents", 20, 0), ("vdns", 200, 0), ("callrec", 0, 100_000)];
    let rows = (1..=ACDS.len() as i64).flat_map(|acd| {
        allocations.map(|(item, days, records)| vec![acd.into(), item.into(), days.into(), records.into()])
    });
    vec![
        table("H_hostname", host, vec![vec!["cms-demo".into(), "00000000deadbeef".into()]]),
        table(
            "dcadmin",
            admin,
            [("interval", "30"), ("weekstart", "sunday"), ("weekstop", "saturday"), ("dailysummary", "00:35")]
                .map(|(item, value)| vec![item.into(), value.into()])
                .to_vec(),
        ),
        table("dcalloc", alloc, rows.collect()),
    ]
}

/// CMS system administration.
fn system() -> Vec<AdminTable> {
    let users: &[Column] = &[
        ("user_id", "CHAR(14)"),
        ("name", "CHAR(40)"),
        ("room", "CHAR(10)"),
        ("phone", "CHAR(14)"),
        ("user_type", "CHAR(12)"),
        ("default_acd", "SMALLINT"),
    ];
    let people = [("supera", "Morning desk", 1), ("superb", "Evening desk", 2), ("wfm", "Workforce planning", 1)];
    let features: &[Column] = &[("feature", "CHAR(30)"), ("authorized", "SMALLINT"), ("installed", "DATE")];
    let items: &[Column] = &[
        ("item_type", "CHAR(8)"),
        ("item_name", "CHAR(20)"),
        ("formula", "CHAR(70)"),
        ("standard", "SMALLINT"),
        ("descr", "CHAR(50)"),
    ];
    let calculations = [
        ("AVG_ACD_TALK_TIME", "sum(ACDTIME)/sum(ACDCALLS)", "Average talk time"),
        ("PERCENT_SERV_LVL", "100*(sum(ACCEPTABLE)/sum(CALLSOFFERED))", "Calls answered in time, percent"),
        ("AVG_ANSWER_SPEED", "sum(ANSTIME)/sum(ACDCALLS)", "Average speed of answer"),
    ];
    let menu: &[Column] = &[("user_id", "CHAR(14)"), ("position", "SMALLINT"), ("entry", "CHAR(30)")];
    vec![
        table(
            "users",
            users,
            people
                .map(|(id, name, acd)| {
                    vec![id.into(), name.into(), Cell::Null, Cell::Null, "normal".into(), acd.into()]
                })
                .to_vec(),
        ),
        table(
            "features",
            features,
            [("vectoring", 1, "2003-01-11"), ("high availability", 1, "2003-02-01"), ("forecasting", 0, "")]
                .map(|(feature, on, since)| {
                    vec![feature.into(), on.into(), if since.is_empty() { Cell::Null } else { since.into() }]
                })
                .to_vec(),
        ),
        table(
            "dbitems",
            items,
            calculations
                .map(|(name, formula, text)| vec!["calc".into(), name.into(), formula.into(), 1.into(), text.into()])
                .to_vec(),
        ),
        table("menu_add", menu, vec![vec!["supera".into(), 1.into(), "Outage worksheet".into()]]),
    ]
}

/// Names of things: the dictionary, and the agent groups.
fn dictionary(agents: &[Agent]) -> Vec<AdminTable> {
    let synonyms: &[Column] = &[
        ("acd_no", "SMALLINT"),
        ("item_type", "CHAR(20)"),
        ("item_name", "CHAR(20)"),
        ("value", "CHAR(20)"),
        ("descr", "CHAR(50)"),
    ];
    let groups: &[Column] =
        &[("acd_no", "SMALLINT"), ("item_type", "CHAR(20)"), ("item_name", "CHAR(20)"), ("value", "CHAR(9)")];
    let word = |acd: i64, kind: &'static str, name: String, value: i64, text: Cell| {
        vec![acd.into(), kind.into(), name.into(), value.to_string().into(), text]
    };
    let mut words = Vec::new();
    for split in SPLITS {
        let text = format!("{}, ACD {}", split.name, split.acd);
        words.push(word(split.acd, "split", split.name.to_owned(), split.number, text.into()));
        words.push(word(split.acd, "vdn", format!("{} line", split.name), split.vdn(), Cell::Null));
    }
    let mut members = Vec::new();
    for agent in agents {
        let acd = SPLITS[agent.split].acd;
        words.push(word(acd, "login id", format!("Agent {}", agent.login), agent.login, Cell::Null));
        let shift = ["Early", "Middle", "Late"][agent.shift];
        members.push(vec![acd.into(), "agent group".into(), shift.into(), agent.logid()]);
    }
    vec![table("synonyms", synonyms, words), table("agroups", groups, members)]
}

/// What the switch tells of itself.
fn switch() -> Vec<AdminTable> {
    let acds: &[Column] =
        &[("acd", "SMALLINT"), ("acdname", "CHAR(20)"), ("release", "CHAR(20)"), ("interval", "SMALLINT")];
    let splits: &[Column] = &[("acd", "SMALLINT"), ("split", "SMALLINT"), ("ext", "CHAR(6)"), ("measured", "CHAR(8)")];
    let vdns: &[Column] = &[("acd", "SMALLINT"), ("vdn", "CHAR(7)"), ("vector", "SMALLINT"), ("measured", "CHAR(8)")];
    let vectors: &[Column] = &[("acd", "SMALLINT"), ("vector", "SMALLINT"), ("measured", "CHAR(8)")];
    let tgroups: &[Column] =
        &[("acd", "SMALLINT"), ("tkgrp", "SMALLINT"), ("trunks", "SMALLINT"), ("measured", "CHAR(8)")];
    let profile: &[Column] =
        &[("acd", "SMALLINT"), ("split", "SMALLINT"), ("servicelevel", "SMALLINT"), ("target", "REAL")];
    let each_split = |row: &dyn Fn(&super::splits::Split) -> Vec<Cell>| SPLITS.iter().map(row).collect::<Vec<_>>();
    let trunk_rows = (1..=ACDS.len() as i64)
        .flat_map(|acd| [1, 2].map(|group| vec![acd.into(), (acd * 10 + group).into(), 96.into(), "both".into()]));
    vec![
        table(
            "acds",
            acds,
            (1..).zip(ACDS).map(|(acd, name)| vec![Cell::Int(acd), name.into(), "R11".into(), 30.into()]).collect(),
        ),
        table(
            "splits",
            splits,
            each_split(&|s| vec![s.acd.into(), s.number.into(), (s.vdn() + 5).to_string().into(), "internal".into()]),
        ),
        table(
            "vdns",
            vdns,
            each_split(&|s| vec![s.acd.into(), s.vdn().to_string().into(), s.vector().into(), "internal".into()]),
        ),
        table("vectors", vectors, each_split(&|s| vec![s.acd.into(), s.vector().into(), "internal".into()])),
        table("tgroups", tgroups, trunk_rows.collect()),
        table("split_pro", profile, each_split(&|s| vec![s.acd.into(), s.number.into(), 20.into(), Cell::Real(80.5)])),
    ]
}

/// A table that belongs to no call management system.
fn custom() -> AdminTable {
    let columns: &[Column] = &[("id", "INTEGER PRIMARY KEY"), ("day", "DATE"), ("note", "TEXT"), ("weight", "REAL")];
    let notes = [
        ("2003-04-15", "Tax day: twice the usual calls", 2.0),
        ("2003-08-14", "Blackout in the North-East", 1.0),
        ("2003-10-24", "Statement run, \u{fc}ber 9000 letters", 1.25),
    ];
    let rows = (1..)
        .zip(notes)
        .map(|(id, (day, note, weight))| vec![Cell::Int(id), day.into(), note.into(), Cell::Real(weight)]);
    table("wfm_notes", columns, rows.collect())
}

#[cfg(test)]
mod tests {
    use super::super::agents::agents;
    use super::*;

    #[test]
    fn every_row_fits_its_table_and_no_table_is_empty() {
        for table in tables(&agents()) {
            assert!(!table.rows.is_empty(), "{}", table.name);
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{}", table.name);
        }
    }
}
